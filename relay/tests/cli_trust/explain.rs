//! `vigie trust explain`.

use serde_json::Value;

use crate::support::{Place, Ran};

const TOWN: &str = "alert/fr.idf.75.paris";

fn explain(place: &Place, args: &[&str]) -> Ran {
    place.vigie(&[&["trust", "explain"], args, &["--json"]].concat())
}

fn last(ran: &Ran) -> Value {
    ran.objects().pop().unwrap_or_else(|| panic!("{ran:?}"))
}

/// Rule and code of what refuses.
fn against(ran: &Ran) -> Vec<(String, String)> {
    let rules = ran.objects().into_iter().filter(|one| one["type"] == "rule" && one["holds"] == false);
    rules.map(|one| (one["rule"].as_str().unwrap().into(), one["code"].as_str().unwrap().into())).collect()
}

#[test]
fn an_identity_and_a_channel_are_explained_link_by_link_offline() {
    let place = Place::new();
    let may = explain(&place, &["town", TOWN, "--publish", "severe"]).ended(0);
    assert_eq!((&last(&may)["type"], &last(&may)["allowed"]), (&"explained".into(), &true.into()));
    let signed = may.objects().iter().filter(|one| one["rule"] == "signature").count();
    assert_eq!(signed, 4, "root, nation, region, town: {may:?}");
    assert!(may.err.contains("only those signed here were looked at"), "{may:?}");
    for (args, code) in [
        (&["town", "alert/fr", "--publish", "minor"][..], "out_of_jurisdiction"),
        (&["field", "signal/fr.idf.75.paris", "--publish", "extreme"], "severity_exceeds_grant"),
        (&["field", "alert/fr.idf.75.paris", "--publish", "minor"], "not_granted"),
        (&["town", "alert/fr.**"], "out_of_jurisdiction"),
    ] {
        let refused = explain(&place, args).ended(5);
        assert_eq!(against(&refused), [("grant".to_owned(), code.to_owned())], "{args:?}");
        assert_eq!(last(&refused)["code"], code);
    }
    explain(&place, &["town", TOWN, "--exercise"]).ended(0);
    explain(&place, &["town", &format!("exercise/{TOWN}")]).ended(2);
    explain(&place, &["twon", TOWN]).ended(3);
    explain(&place, &["town"]).ended(2);
    // All that is wrong with a chain, and not the first only.
    let chain = std::fs::read_to_string(place.path("identities/town/live.chain")).unwrap();
    let mut links: Vec<String> = chain.lines().map(str::to_owned).collect();
    let other = std::fs::read_to_string(place.path("identities/elsewhere/live.chain")).unwrap();
    links[2] = other.lines().last().unwrap().to_owned();
    links.push("nothing".to_owned());
    std::fs::write(place.path("mixed.chain"), links.join("\n")).unwrap();
    let mixed = explain(&place, &[&place.path("mixed.chain"), TOWN]).ended(5);
    let rules: Vec<String> = against(&mixed).into_iter().map(|(rule, _)| rule).collect();
    assert!(rules.starts_with(&["parent".to_owned()]) && rules.contains(&"form".to_owned()), "{mixed:?}");
    let french =
        place.vigie(&["trust", "explain", "town", "alert/fr", "--publish", "minor", "--lang", "fr"]).ended(5);
    assert!(french.out.contains("REFUSE") && french.out.contains("NON PERMIS"), "{french:?}");
}

#[test]
fn the_relay_itself_judges_and_revocations_are_told_by_it_or_read_beside_it() {
    let place = Place::new();
    let relay = place.relay();
    let lets_in = explain(&place, &["town", TOWN, "--relay"]).ended(0);
    assert_eq!((&last(&lets_in)["type"], &last(&lets_in)["lets_in"]), (&"relay_says".into(), &true.into()));
    let beyond = explain(&place, &["town", "alert/fr.**", "--relay"]).ended(5);
    assert_eq!(last(&beyond)["code"], "out_of_jurisdiction");
    // Who may only publish there is not refused for not hearing it.
    explain(&place, &["field", "signal/fr.idf.75.paris", "--publish", "severe", "--relay"]).ended(0);
    place.vigie(&["trust", "revoke", "region", "--as", "nation"]).ended(0);
    // As if it had been signed on another machine.
    std::fs::remove_dir_all(place.path("revocations")).unwrap();
    explain(&place, &["town", TOWN]).ended(0);
    let refused = explain(&place, &["town", TOWN, "--relay"]).ended(5);
    assert_eq!((&last(&refused)["code"], &last(&refused)["lets_in"]), (&"revoked".into(), &false.into()));
    let config = place.path("vigie.toml");
    let read = explain(&place, &["town", TOWN, "--config", &config]).ended(5);
    assert_eq!(against(&read), [("revocation".to_owned(), "revoked".to_owned())]);
    relay.stop("-TERM");
    explain(&place, &["town", TOWN, "--relay", "--wait", "500ms"]).ended(4);
}

#[test]
fn of_a_message_it_is_told_who_hears_it_and_what_keeps_the_others_out() {
    let place = Place::new();
    let _relay = place.relay();
    let said = ["pub", TOWN, "Crue", "--as", "town", "--severity", "minor", "--json"];
    let id = place.vigie(&said).ended(0).objects()[0]["id"].as_str().unwrap().to_owned();
    place.vigie(&["trust", "revoke", "neighbour", "--as", "region"]).ended(0);
    let config = place.path("vigie.toml");
    let told = explain(&place, &[&id, "--config", &config]).ended(0).objects();
    assert_eq!((&told[0]["type"], &told[0]["channel"]), (&"explained_message".into(), &TOWN.into()));
    let shown = place.vigie(&["identity", "show", "--json"]).ended(0).objects();
    let of = |name: &str, plane: &str| {
        let held = shown.iter().find(|one| one["name"] == name && one["plane"] == plane).unwrap();
        told.iter().find(|one| one["credential"] == held["credential"]).unwrap_or_else(|| panic!("{told:?}"))
    };
    for name in ["town", "region", "nation", "field"] {
        assert_eq!(of(name, "live")["hears"], true, "{name}");
    }
    assert_eq!(
        (&of("elsewhere", "live")["rule"], &of("elsewhere", "live")["hears"]),
        (&"grant".into(), &false.into())
    );
    assert_eq!(of("neighbour", "live")["rule"], "revocation");
    assert_eq!(of("town", "exercise")["rule"], "plane");
    // The same by a folder at rest, in words.
    let plain = place.vigie(&["trust", "explain", &id, "--journal", &place.path("journal")]).ended(0);
    assert!(plain.out.lines().nth(2).unwrap().starts_with("HEARS"), "{plain:?}");
    assert!(plain.out.contains("DOES NOT HEAR") && plain.out.contains("[plane] wrong_plane"), "{plain:?}");
    place.vigie(&["trust", "explain", &id]).ended(2);
    let unknown = format!("{}A", &id[..42]);
    if unknown != id {
        place.vigie(&["trust", "explain", &unknown, "--config", &config]).ended(2);
    }
}
