//! The roots of a relay that runs, as an operator changes them: a line more, a line less, a line that is no good.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::support_relay::PATIENCE;
use crate::support::{Place, Running, set_relay, vigie};

pub(crate) struct Relay {
    running: Running,
    health: String,
}

impl Relay {
    pub(crate) fn start(place: &Place) -> Self {
        let running = place.relay_with(&[]);
        let health = running.health().unwrap();
        Self { running, health }
    }

    fn hang_up(&self) {
        self.running.signal("-HUP");
    }

    /// Asks it to stop, and waits for that.
    pub(crate) fn end(self) {
        let (code, said) = self.running.stop("-TERM");
        assert_eq!(code, 0, "{said}");
    }

    /// What an operator sees.
    pub(crate) fn shown(&self) -> String {
        vigie(&["relay", "status", "--url", &self.health]).out
    }

    pub(crate) fn status(&self) -> Value {
        vigie(&["relay", "status", "--url", &self.health, "--json"]).objects().remove(0)
    }

    /// Asks until it is so, and says how long that took.
    fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(&self.status()) {
            assert!(began.elapsed() < PATIENCE, "never {what}");
        }
        began.elapsed()
    }
}

/// Points a deployment at a relay that is another's.
pub(crate) fn point(place: &Place, relay: &Relay) {
    set_relay(&place.dir(), relay.running.address());
}

fn publish(place: &Place) -> i32 {
    place.vigie(&["pub", "alert/fr.idf.75.paris", "Crue", "--as", "town", "--severity", "minor"]).code
}

/// The lines of the roots in the settings.
fn roots_of(place: &Place) -> String {
    let text = std::fs::read_to_string(place.path("vigie.toml")).unwrap();
    let (_, rest) = text.split_once("\nroots = [\n").unwrap();
    rest.split_once(']').unwrap().0.to_owned()
}

fn refused(status: &Value) -> bool {
    status["warnings"].as_array().unwrap().iter().any(|warning| warning == "roots_refused")
}

#[test]
fn roots_count_from_the_moment_the_settings_name_them_until_they_do_not() {
    let (place, other) = (Place::new(), Place::new());
    let relay = Relay::start(&place);
    std::fs::copy(place.path("tls/ca.pem"), other.path("tls/ca.pem")).unwrap();
    [&place, &other].into_iter().for_each(|of| point(of, &relay));
    let (ours, theirs) = (roots_of(&place), roots_of(&other));
    assert_eq!((publish(&place), publish(&other)), (0, 5));
    // A line more, found without asking: a client of the new root is in.
    place.edit("vigie.toml", &ours, &format!("{}{}", ours.replace("\"\n", "\",\n"), theirs));
    let began = Instant::now();
    while publish(&other) != 0 {
        assert!(began.elapsed() < PATIENCE, "it never got in");
    }
    // A line that is no good, and one that is not closed: all that counted goes on to count.
    let good = std::fs::read_to_string(place.path("vigie.toml")).unwrap();
    for broken in [
        good.replacen("\nroots = [\n", "\nroots = [\n    \"x\",\n", 1),
        good.replacen("\nroots = [", "\nroots = ", 1),
    ] {
        std::fs::write(place.path("vigie.toml"), &broken).unwrap();
        relay.hang_up();
        relay.wait("refused", refused);
        assert_eq!((publish(&place), publish(&other)), (0, 0), "the set before stays");
        std::fs::write(place.path("vigie.toml"), &good).unwrap();
        relay.hang_up();
        relay.wait("taken", |status| !refused(status));
    }
    // A line less: the session under that root ends within a second, and nothing is taken from there any more.
    let mut guest = other.command(&["sub", "alert/fr.idf.75.paris", "--as", "town"]).spawn().unwrap();
    relay.wait("on", |status| status["sessions"]["live"] == 1);
    place.edit("vigie.toml", &format!("{}{}", ours.replace("\"\n", "\",\n"), theirs), &ours);
    relay.hang_up();
    let took = relay.wait("off", |status| status["sessions"]["logged_in"] == 0);
    // The status shows what workers counted up to 200 ms ago, and each look starts a program.
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(guest.wait().unwrap().code(), Some(5), "its reader is told, and does not try for ever");
    assert_eq!((publish(&place), publish(&other)), (0, 5));
}
