//! The settings of a relay: what is taken is within its ranges, what is not is told in one bounded text.

use std::time::Duration;

use vigie_proto::limits::{
    MARK_INTERVAL_MAX, MARK_INTERVAL_MIN, MESSAGE_LIFETIME_MAX, NONCE_LIFETIME, SUBSCRIPTIONS_MAX,
};
use vigie_relay::config::RelayConfig;
use vigie_relay::fuzzing;

use crate::{Outcome, plant};

/// Larger files have only more of the same.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// A `vigie.toml`.
pub fn config(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    if text.len() > TEXT_BYTES_MAX {
        return Outcome::Passed;
    }
    let settings = fuzzing::settings(text, false);
    // What is read once more is read of some inputs only.
    let again = text.len().is_multiple_of(4);
    if again {
        assert_eq!(fuzzing::settings(text, true).is_ok(), settings.is_ok(), "in French it is something else");
    }
    match settings {
        Ok(config) => {
            judge(&config);
            if again {
                judge_more(text, &config);
            }
            plant::inside("config", || config.workers == 7);
            Outcome::Taken
        }
        Err(told) => {
            assert!(told.starts_with("vigie.toml: ") || told.starts_with('/'), "{told}");
            // Each unknown key is told with a suggestion; a line is shown with a mark below it.
            let bound = 1024 + 128 * text.len();
            assert!(told.len() <= bound, "{} bytes are told of {}: {told}", told.len(), text.len());
            Outcome::Refused
        }
    }
}

/// A comment changes nothing, a key that is not known is never ignored.
fn judge_more(text: &str, config: &RelayConfig) {
    // A byte order mark may stand at the beginning of a file only.
    let text = text.trim_start_matches('\u{feff}');
    let same = fuzzing::settings(&format!("# a comment\n{text}"), false).expect("a comment");
    assert_eq!(settled(&same), settled(config));
    let unknown = fuzzing::settings(&format!("colour = 1\n{text}"), false);
    assert!(unknown.is_err_and(|told| told.contains("colour")));
}

/// All that was set; the clock that follows it was made a moment ago.
fn settled(config: &RelayConfig) -> String {
    let mut text = format!("{config:?}");
    text.truncate(text.find(", clock: ").unwrap_or(text.len()));
    text
}

fn judge(config: &RelayConfig) {
    assert!((1..=256).contains(&config.workers));
    assert!(!config.lifetime_max.is_zero() && config.lifetime_max <= MESSAGE_LIFETIME_MAX);
    assert!((MARK_INTERVAL_MIN..=MARK_INTERVAL_MAX).contains(&config.mark_interval_max));
    assert!((Duration::from_secs(3)..=NONCE_LIFETIME).contains(&config.login_timeout));
    assert!((1..=SUBSCRIPTIONS_MAX).contains(&config.subscriptions_max));
    assert!(config.outbox_bytes_max >= 16 * 1024 && config.ring_bytes_max >= 16 * 1024);
    assert!(config.connections_max >= 1 && config.connections_per_address_max >= 1);
    assert!(config.sessions_per_key_max >= 1);
    assert!(config.strangers_max >= 1 && config.strangers_per_address_max >= 1);
    assert!(config.submissions_max >= 1 && config.publishes_per_credential_max >= 1);
    let journal = &config.journal_config;
    assert!(journal.segment_bytes >= 64 * 1024);
    assert!(journal.retain_bytes / 2 >= journal.segment_bytes, "{journal:?}");
    assert!(journal.retain_age >= MESSAGE_LIFETIME_MAX);
    assert!(config.roots.pinned().next().is_some());
}
