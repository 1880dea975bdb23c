//! The roots of a relay that runs, as an operator changes them: a line more, a line less, a line that is no good.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Place, command, vigie};

/// Far longer than two looks of the relay at its files.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Relay {
    child: Child,
    address: String,
    health: String,
}

impl Relay {
    pub(crate) fn start(place: &Place) -> Self {
        let config = place.path("vigie.toml");
        let mut child =
            command(&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut after = |start: &str| {
            let found = lines.by_ref().find_map(|line| Some(line.unwrap().strip_prefix(start)?.to_owned()));
            found.unwrap_or_else(|| panic!("the relay never said {start}"))
        };
        let (address, health) = (after("vigie: listening on "), after("vigie: health on "));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, health }
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// Asks it to stop, and waits for that.
    pub(crate) fn end(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
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

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Points a deployment at a relay that is another's.
pub(crate) fn point(place: &Place, relay: &Relay) {
    let text = std::fs::read_to_string(place.path("context.toml")).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("relays = ") {
        true => format!("relays = [\"wss://{}\"]", relay.address),
        false => line.to_owned(),
    });
    std::fs::write(place.path("context.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
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
