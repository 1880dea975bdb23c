//! `vigie trust list`.

use serde_json::Value;

use crate::support::{Place, Ran};

fn row<'v>(rows: &'v [Value], name: &str, plane: &str) -> &'v Value {
    rows.iter()
        .find(|row| row["identity"] == name && row["plane"] == plane)
        .unwrap_or_else(|| panic!("{rows:?}"))
}

#[test]
fn every_identity_is_listed_with_its_state_and_revocations_come_from_relays_or_a_journal() {
    let place = Place::new();
    let list = |more: &[&str]| -> Ran { place.vigie(&[&["trust", "list"], more].concat()) };
    let plain = list(&[]).ended(0);
    assert!(plain.err.contains("was not looked up"), "{plain:?}");
    let heads = plain.out.lines().filter(|line| line.contains("IDENTITY")).count();
    assert_eq!(heads, 2, "a table for each plane: {plain:?}");
    let town = plain.out.lines().find(|line| line.contains(" town ")).unwrap();
    assert!(town.starts_with("GOOD") && town.contains("alert@fr.idf.75.paris"), "{town}");
    assert!(plain.out.lines().any(|line| line.starts_with("EXERCISE GOOD")), "{plain:?}");
    place.vigie(&["identity", "new", "guest", "--plane", "live"]).ended(0);
    let missing = list(&[]).ended(0).out;
    let guest = missing.lines().find(|line| line.contains(" guest ")).unwrap();
    assert!(guest.contains("live.pub.pem to your issuer"), "what to do, not what the system said: {guest}");
    let relay = place.relay();
    place.vigie(&["trust", "revoke", "region", "--as", "nation"]).ended(0);
    let asked = list(&["--relay", "--as", "nation", "--json"]).ended(0).objects();
    let region = row(&asked, "region", "live");
    assert_eq!((&region["status"], &region["code"]), (&"revoked".into(), &"revoked".into()));
    assert_eq!(row(&asked, "region", "exercise")["status"], "good");
    assert_eq!(row(&asked, "guest", "live")["status"], "unusable");
    assert_eq!(row(&asked, "(relay)", "live")["role"], "relay");
    // Who stands below it is out with it, and told by whom.
    let below: Vec<&Value> = asked.iter().filter(|row| row["by"] == region["credential"]).collect();
    assert!(below.len() > 1, "{asked:?}");
    // The same beside the relay that writes its journal, and when it is stopped.
    let config = place.path("vigie.toml");
    for _ in 0..2 {
        let read = list(&["--config", &config, "--json"]).ended(0).objects();
        assert_eq!(row(&read, "region", "live")["revocation"], region["revocation"]);
    }
    relay.stop("-TERM");
    let read = list(&["--journal", &place.path("journal"), "--lang", "fr"]).ended(0);
    assert!(
        read.out.lines().any(|line| line.starts_with("RÉVOQUÉE") && line.contains(" region ")),
        "{read:?}"
    );
    let gone = list(&["--relay", "--as", "nation", "--wait", "500ms"]).ended(0);
    assert!(gone.err.contains("did not tell what is revoked"), "{gone:?}");
}

/// Once a renewed credential showed the present key as a former one, ready to be revoked.
#[test]
fn a_former_chain_of_the_present_key_is_no_former_key() {
    let place = Place::new();
    let rights =
        ["--org", "fr.interieur.idf.paris", "--name", "Paris", "--at", "fr.idf.75.paris", "--subscribe"];
    place.vigie(&[&["trust", "grant", "--as", "region", "--to", "town"][..], &rights].concat()).ended(0);
    let renewed = place.vigie(&["trust", "show", "town"]).ended(0);
    assert!(renewed.out.contains("former chain 1, of the present key"), "{renewed:?}");
    assert!(!renewed.out.contains("former key"), "{renewed:?}");
    place.vigie(&["trust", "rotate", "town", "--as", "region", "--wait", "200ms", "--leave-queue"]).ended(0);
    let rotated = place.vigie(&["trust", "list", "--lang", "fr"]).ended(0);
    assert!(
        rotated.out.contains("ancienne clé 1 : ") && rotated.out.contains("ancienne clé 2 : "),
        "{rotated:?}"
    );
}
