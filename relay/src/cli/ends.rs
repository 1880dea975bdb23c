//! The credentials behind a command that end soon: one line on stderr for each, once a command.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::credential::Credential;
use vigie_proto::expiry::{self, Notice};
use vigie_proto::time::Window;

use super::screen::{Screen, escape};
use super::text::Lang;
use super::{time, upkeep};
use crate::health::expiry::Validity;
use crate::net::certificate::validity;

/// Warns of every link of a chain that ends within 30, 7 or 1 days, or has ended.
pub(super) fn warn(screen: &Screen, chain: &Chain) {
    for (text, _) in near(screen.lang, chain) {
        screen.warn(&text);
    }
}

/// The same of what a client shows in mutual TLS: of the one that ends first.
pub(super) fn warn_certificates<'c>(screen: &Screen, shown: impl Iterator<Item = &'c [u8]>) {
    let Some(valid) = shown.filter_map(validity).min_by_key(|valid| valid.until) else { return };
    let what = screen.lang.the_client_certificate();
    if let Some(text) = upkeep::said_of_end(screen.lang, what, Validity::of(valid, time::now())) {
        screen.warn(&text);
    }
}

/// The same of several chains: what stands above many of them is told once.
pub(super) fn warn_all<'c>(screen: &Screen, chains: impl IntoIterator<Item = &'c Chain>) {
    let mut told = BTreeSet::new();
    for chain in chains {
        for (text, _) in near(screen.lang, chain) {
            if told.insert(text.clone()) {
                screen.on(chain.plane()).warn(&text);
            }
        }
    }
}

/// What is to be said of the links of a chain, root first, with how close each end is.
pub(super) fn near(lang: Lang, chain: &Chain) -> Vec<(String, Notice)> {
    let now = time::now();
    let said = |(link, valid, notice): (&Arc<Credential>, Window, Notice)| {
        let name = format!("{} ({})", escape(&link.claims().name), link.claims().org);
        let what = if link.id() == chain.leaf().id() {
            lang.the_credential_of(name)
        } else {
            lang.the_credential_above(name)
        };
        let text = upkeep::said_of_end(lang, what, Validity::of(valid, now))?;
        Some((text, notice))
    };
    expiry::ends(chain, now).filter_map(said).collect()
}
