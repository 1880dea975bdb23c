//! Those who must not notice: each hears all of its plane, and says something itself to know that it would hear.

use std::net::SocketAddr;

use vigie_proto::severity::Severity;
use vigie_tests::raw::Raw;
use vigie_tests::world::{Person, World};

use crate::forge::Key;

/// Someone who hears all of a plane.
pub(crate) struct Witness {
    raw: Raw,
    channel: &'static str,
    person: Person,
}

impl Witness {
    /// Logs in, and hears all from now on; `channel` is where it speaks itself.
    pub(crate) async fn call(
        world: &World,
        at: SocketAddr,
        person: &Person,
        channel: &'static str,
        filters: &[&str],
    ) -> Self {
        let mut raw = Raw::log_in(world, at, person).await;
        assert_eq!(raw.subscribe(filters, None).await["op"], "subscribed");
        Self { raw, channel, person: person.clone() }
    }

    /// Publishes, hears itself and nothing before; returns what was published.
    pub(crate) async fn speak(&mut self, seq: u64) -> String {
        let jws = self.person.say(self.channel, &Key::fresh().x(), Severity::Minor);
        let receipt = self.raw.publish(&jws).await;
        assert_eq!((&receipt["op"], &receipt["seq"]), (&"receipt".into(), &seq.into()), "{receipt}");
        self.hear(seq, &jws).await;
        jws
    }

    /// The next that it hears is this.
    pub(crate) async fn hear(&mut self, seq: u64, jws: &str) {
        let event = self.raw.event().await;
        assert_eq!(
            (&event["seq"], &event["jws"]),
            (&seq.into(), &jws.into()),
            "a witness heard something else"
        );
    }
}
