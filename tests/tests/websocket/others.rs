//! Those who do nothing wrong.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vigie_proto::severity::Severity::Moderate;
use vigie_relay::config::RelayConfig;
use vigie_relay::server::Relay;
use vigie_tests::raw::Raw;
use vigie_tests::world::World;

/// A relay, an author and a reader.
pub(crate) struct Others {
    pub(crate) world: World,
    relay: Relay,
    author: Raw,
    reader: Raw,
    said: usize,
}

impl Others {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(setting: impl FnOnce(&mut RelayConfig)) -> Self {
        let world = World::new();
        let mut config = world.config("journal");
        setting(&mut config);
        let relay = world.relay_with(config);
        let author = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
        let mut reader = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
        reader.subscribe(&["alert/fr.idf.75.paris"], None).await;
        Self { world, relay, author, reader, said: 0 }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.local_addr()
    }

    /// Someone else, logged in.
    pub(crate) async fn peer(&self) -> Raw {
        Raw::log_in(&self.world, self.address(), &self.world.live.region).await
    }

    /// One who has not logged in; its challenge is read.
    pub(crate) async fn stranger(&self) -> Raw {
        let mut stranger = Raw::connect(&self.world, self.address()).await;
        assert_eq!(stranger.frame().await["op"], "challenge");
        stranger
    }

    /// A message goes from the author to the reader; how long that takes.
    pub(crate) async fn go_on(&mut self) -> Duration {
        self.said += 1;
        let message = self.world.live.nation.say("alert/fr", &format!("n° {}", self.said), Moderate);
        let begun = Instant::now();
        let receipt = self.author.publish(&message).await;
        assert_eq!(receipt["op"], "receipt", "{receipt}");
        assert_eq!(self.reader.event().await["jws"], message);
        begun.elapsed()
    }
}
