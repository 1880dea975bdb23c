//! The credentials behind a command that end soon: one line on stderr for each, once a command.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigie_client::TlsRoots;
use vigie_proto::chain::{Chain, Roots};
use vigie_proto::credential::Credential;
use vigie_proto::expiry::{self, Notice};
use vigie_proto::time::Window;

use super::screen::{Screen, escape};
use super::text::Lang;
use super::{time, upkeep};
use crate::health::expiry::Validity;
use crate::trust::{EndingRoot, ending_roots};

/// Warns of every link of a chain that ends within 30, 7 or 1 days, or has ended.
pub(super) fn warn(screen: &Screen, chain: &Chain) {
    for (text, _) in near(screen.lang, chain) {
        screen.warn(&text);
    }
}

/// The same of what a client shows in mutual TLS: of the one that ends first.
pub(super) fn warn_certificates(screen: &Screen, shown: &TlsRoots) {
    if let Some((text, _)) = near_certificates(screen.lang, shown) {
        screen.warn(&text);
    }
}

/// What is to be said of it, with how close its end is.
pub(super) fn near_certificates(lang: Lang, shown: &TlsRoots) -> Option<(String, Notice)> {
    let validity = Validity::of(shown.client_certificates_valid()?, time::now());
    Some((upkeep::said_of_end(lang, lang.the_client_certificate(), validity)?, validity.notice))
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

/// Warns of the roots that hand over soon, but for those that stand above these chains: of these each chain tells.
pub(super) fn warn_roots<'c>(screen: &Screen, roots: &Roots, told: impl IntoIterator<Item = &'c Chain>) {
    let above = |chain: &Chain| chain.links().first().map(|root| (root.key_id(), chain.plane()));
    let told: BTreeSet<_> = told.into_iter().filter_map(above).collect();
    let ending = ending_roots(roots, time::now());
    for root in ending.iter().filter(|one| !told.contains(&(one.root, one.plane))) {
        if let Some(text) = near_root(screen.lang, root) {
            screen.on(root.plane).warn(&text);
        }
    }
}

/// What is to be said of a root that hands over soon.
pub(super) fn near_root(lang: Lang, root: &EndingRoot) -> Option<String> {
    let validity = Validity::of(root.valid, time::now());
    let days = validity.left_s / 86_400;
    validity.notice.is_warning().then(|| lang.root_ends_soon(root.root, time::date(validity.ends), days))
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
