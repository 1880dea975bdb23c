//! What the log says of a flood: a line a minute at most, and none for what happens on any day.
//!
//! How many refusals there were by code is counted by the workers; how many connections ended before they had logged in is
//! counted here, by the network that they came from: an IPv4 /24 or an IPv6 /48, which names no person. The counts live
//! with those of the open connections, under the same lock, and are taken each minute.
//!
//! Not here: names, ids, or what anybody sent.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::connections::Connections;
use super::network::Network;
use crate::worker::RefusalCounts;

/// How often the log may say so.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// So many refusals, or connections that ended without a log-in, in that time are a flood: ten a second.
const FLOOD_FROM: u64 = 600;

/// Networks that are counted each by itself; more are counted together. At 64 bytes each 64 KiB.
const NETWORKS_MAX: usize = 1_024;

/// The codes that are named, those with most refusals.
const CODES_MAX: usize = 4;

/// Connections that ended before they had logged in, since the last look.
#[derive(Debug, Default)]
pub(super) struct Ended {
    all: u64,
    networks: HashMap<IpAddr, u64>,
}

impl Ended {
    pub(super) fn note(&mut self, network: Network) {
        self.all += 1;
        let wide = wide(network);
        if let Some(count) = self.networks.get_mut(&wide) {
            *count += 1;
        } else if self.networks.len() < NETWORKS_MAX {
            self.networks.insert(wide, 1);
        }
    }

    /// The network with most of them; of several the lowest.
    fn most(&self) -> Option<(IpAddr, u64)> {
        let most = self.networks.iter().max_by_key(|(wide, count)| (**count, std::cmp::Reverse(**wide)));
        most.map(|(wide, count)| (*wide, *count))
    }
}

/// The first 24 bits of an IPv4 address, 48 of an IPv6 one.
fn wide(network: Network) -> IpAddr {
    match network.address() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

/// What there is to say of a minute.
#[derive(Debug, PartialEq, Eq)]
struct Flood {
    refused: u64,
    /// Those with most, each with its count.
    codes: String,
    ended: u64,
    /// The network with most of those that ended, and how many.
    network: String,
    of_network: u64,
}

impl Flood {
    fn of(before: RefusalCounts, now: RefusalCounts, ended: &Ended) -> Option<Self> {
        let grown = before
            .iter()
            .zip(now.iter())
            .map(|((_, before), (code, now))| (code, now.saturating_sub(before)));
        let mut codes: Vec<_> = grown.filter(|(_, count)| *count > 0).collect();
        let refused = codes.iter().map(|(_, count)| count).sum();
        if refused < FLOOD_FROM && ended.all < FLOOD_FROM {
            return None;
        }
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let codes: Vec<_> =
            codes.iter().take(CODES_MAX).map(|(code, count)| format!("{code}={count}")).collect();
        let (network, of_network) = ended.most().map_or((String::new(), 0), |(wide, count)| {
            (format!("{wide}/{}", if wide.is_ipv4() { 24 } else { 48 }), count)
        });
        Some(Self { refused, codes: codes.join(" "), ended: ended.all, network, of_network })
    }
}

/// Looks each minute, for as long as it is polled.
pub(crate) async fn watch(connections: &Connections, refusals: impl Fn() -> RefusalCounts) {
    let mut before = refusals();
    loop {
        tokio::time::sleep(SAID_EVERY).await;
        let now = refusals();
        let ended = connections.take_ended();
        if let Some(Flood { refused, codes, ended, network, of_network }) = Flood::of(before, now, &ended) {
            tracing::info!(
                refused,
                codes,
                ended,
                network,
                of_network,
                "a flood: refusals in the last minute, connections that ended before their log-in, and where most came from"
            );
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use vigie_proto::refusal::Code;

    use super::*;

    fn ended(from: &[(&str, u64)]) -> Ended {
        let mut ended = Ended::default();
        for (address, count) in from {
            let network = Network::of(address.parse().unwrap());
            (0..*count).for_each(|_| ended.note(network));
        }
        ended
    }

    fn refusals(of: &[(Code, u64)]) -> RefusalCounts {
        let mut counts = RefusalCounts::default();
        of.iter().for_each(|(code, count)| (0..*count).for_each(|_| counts.note(*code)));
        counts
    }

    #[test]
    fn a_flood_is_told_by_code_and_network_and_what_happens_every_day_is_not() {
        let before = refusals(&[(Code::RateLimited, 5_000), (Code::NotGranted, 1)]);
        let calm = refusals(&[(Code::RateLimited, 5_599), (Code::NotGranted, 1)]);
        assert_eq!(Flood::of(before, calm, &ended(&[("192.0.2.1", 599)])), None);
        let now = refusals(&[(Code::RateLimited, 5_010), (Code::NotGranted, 601), (Code::Busy, 1)]);
        let many =
            ended(&[("192.0.2.1", 3), ("192.0.2.200", 4), ("2001:db8:1:2::1", 5), ("2001:db8:1:3::1", 4)]);
        let flood = Flood::of(before, now, &many).unwrap();
        assert_eq!((flood.refused, flood.ended), (611, 16));
        assert_eq!(flood.codes, "not_granted=600 rate_limited=10 busy=1");
        assert_eq!((&*flood.network, flood.of_network), ("2001:db8:1::/48", 9));
        let flood = Flood::of(now, now, &ended(&[("192.0.2.1", 300), ("192.0.2.200", 300)])).unwrap();
        assert_eq!((flood.refused, &*flood.codes), (0, ""));
        assert_eq!((&*flood.network, flood.of_network), ("192.0.2.0/24", 600));
    }

    #[test]
    fn a_flood_from_everywhere_takes_no_more_room_than_one_from_somewhere() {
        let mut ended = Ended::default();
        for number in 0..5_000_u32 {
            ended.note(Network::of(Ipv4Addr::from_bits(number << 8).into()));
        }
        assert_eq!((ended.all, ended.networks.len()), (5_000, NETWORKS_MAX));
    }
}
