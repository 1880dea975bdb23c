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
    assert!(plain.err.contains("only those signed here were looked at"), "{plain:?}");
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

/// A revocation that was signed here and waits to be sent, on a machine without a network: once the list said GOOD of whom it
/// ends until a relay was asked.
#[test]
fn what_was_revoked_in_this_folder_is_told_without_asking_a_relay() {
    let place = Place::new();
    let list = || place.vigie(&["trust", "list", "--json"]).ended(0).objects();
    let statuses = |rows: &[Value], plane: &str| -> Vec<String> {
        let names = ["nation", "region", "town"].map(|name| row(rows, name, plane)["status"].clone());
        names.map(|status| status.as_str().unwrap().to_owned()).to_vec()
    };
    assert_eq!(statuses(&list(), "live"), ["good"; 3]);
    place.vigie(&["trust", "revoke", "region", "--as", "nation", "--offline"]).ended(0);
    let rows = list();
    assert_eq!(statuses(&rows, "live"), ["good", "revoked", "revoked"]);
    assert_eq!(statuses(&rows, "exercise"), ["good"; 3]);
    let (region, town) = (row(&rows, "region", "live"), row(&rows, "town", "live"));
    assert!(region["revocation"].is_string() && town["by"] == region["credential"], "{region} {town}");
    let told = place.vigie(&["trust", "list", "--lang", "fr"]).ended(0);
    let line = told.out.lines().find(|line| line.contains(" region ")).unwrap();
    assert!(line.starts_with("RÉVOQUÉE") && told.err.contains("signées ici"), "{told:?}");
    let explain = ["trust", "explain", "town", "alert/fr.idf.75.paris"];
    assert!(place.vigie(&explain).ended(5).out.contains("revoked"));
    place.vigie(&[&explain[..], &["--exercise"]].concat()).ended(0);
    // By the root, whose chain is that of nobody here.
    let authority = place.path("authority");
    place.vigie(&["trust", "revoke", "nation", "--authority", &authority, "--offline"]).ended(0);
    assert_eq!(statuses(&list(), "live"), ["revoked"; 3]);
    // What somebody else has put there changes nothing.
    let kept = std::fs::read_dir(place.path("revocations")).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_some_and(|it| it == "jws")).collect();
    assert_eq!(kept.len(), 2);
    for path in &kept {
        let text = std::fs::read_to_string(path).unwrap();
        let (signed, signature) = text.trim().rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        std::fs::write(path, format!("{signed}.{other}{}\n", &signature[1..])).unwrap();
    }
    let forged = place.vigie(&["trust", "list", "--json"]).ended(0);
    assert_eq!(statuses(&forged.objects(), "live"), ["good"; 3]);
    assert!(forged.err.contains("does not verify"), "{forged:?}");
}

/// A revocation that no relay has yet is no less decided, and holds nowhere: whom it ends still speaks there.
#[test]
fn what_was_revoked_here_and_is_not_known_there_is_told_as_that() {
    let place = Place::new();
    let _relay = place.relay();
    let config = place.path("vigie.toml");
    for (send, told) in
        [(&["revoke", "town", "--as", "region", "--offline"][..], false), (&["send", "--as", "region"], true)]
    {
        place.vigie(&[&["trust"], send].concat()).ended(0);
        for asked in [&["--config", &config][..], &["--relay", "--as", "nation"]] {
            let list = place.vigie(&[&["trust", "list", "--json"], asked].concat()).ended(0);
            let town = row(&list.objects(), "town", "live").clone();
            assert_eq!((&town["status"], &town["told"]), (&"revoked".into(), &told.into()), "{list:?}");
            assert_eq!(list.err.contains("NOT known to whom was asked"), !told, "{list:?}");
        }
    }
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
