//! The bounds in a relay's settings: what each may be, and the refusal of what it may not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use vigie_proto::limits::{
    MARK_INTERVAL_MAX, MARK_INTERVAL_MIN, MESSAGE_LIFETIME_MAX, NONCE_LIFETIME, SUBSCRIPTIONS_MAX,
};
use vigie_proto::time::millis;

use super::{File, Reading};
use crate::cli::exit::{Failure, Outcome};
use crate::config::RelayConfig;
use crate::journal::JournalConfig;
use crate::rates::EXERCISE_SHARE;

/// More threads than any machine this is meant for has cores.
const WORKERS_MAX: usize = 256;
/// A frame of the usual 2 KiB must fit several times.
const OUTBOX_BYTES_MIN: usize = 16 * 1024;
/// What the journal can write at all, up to what no disk reserves in one piece: retention works by whole segments.
const SEGMENT_BYTES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024 * 1024;

/// A satellite line needs four round trips of 700 ms at least; a proof comes too late when its nonce is past its life.
const LOGIN_TIMES: RangeInclusive<Duration> = Duration::from_secs(3)..=NONCE_LIFETIME;
/// A handshake with post-quantum keys fits; above 12 KiB, TLS would allocate more than 16 KiB for a stranger.
const TLS_BYTES: RangeInclusive<usize> = 4 * 1024..=12 * 1024;
/// The largest log-in fits, with what comes before it; a thousand strangers that send the most stay below 64 MiB.
const LOGIN_BYTES: RangeInclusive<usize> = 20 * 1024..=64 * 1024;
/// Past it a rate bounds nothing that a relay can do.
const RATE_MAX: u32 = 1_000_000;

/// A tenth of it, which one author may have, takes a message of any size.
const BYTES_IN_FORCE_MIN: u64 = 16 * 1024 * 1024;

impl Reading<'_> {
    /// Turns what the file says of bounds into those of the relay, each within its range.
    pub(super) fn limits(&self, file: &File, config: &mut RelayConfig) -> Result<(), Failure> {
        config.workers = self.at_least("workers", file.workers, 1)?.unwrap_or(config.workers);
        if config.workers > WORKERS_MAX {
            return Err(self.wrong(self.lang.above_bound("workers", config.workers, WORKERS_MAX)));
        }
        config.origins = file.origins.clone().unwrap_or_default();
        config.unbound_passes = file.unbound_passes.unwrap_or(config.unbound_passes);
        if let Some(lifetime) = self.duration("lifetime_max", file.lifetime_max.as_deref())? {
            if lifetime.is_zero() || lifetime > MESSAGE_LIFETIME_MAX {
                return Err(self.wrong(self.lang.lifetime_bound()));
            }
            config.lifetime_max = lifetime;
        }
        let outbox = self.at_least("outbox_bytes_max", file.outbox_bytes_max, OUTBOX_BYTES_MIN)?;
        config.outbox_bytes_max = outbox.unwrap_or(config.outbox_bytes_max);
        let ring = self.at_least("ring_bytes_max", file.ring_bytes_max, OUTBOX_BYTES_MIN)?;
        config.ring_bytes_max = ring.unwrap_or(config.ring_bytes_max);
        let connections = self.at_least("connections_max", file.connections_max, 1)?;
        config.connections_max = connections.unwrap_or(config.connections_max);
        let each = self.at_least("connections_per_address_max", file.connections_per_address_max, 1)?;
        config.connections_per_address_max = each.unwrap_or(config.connections_per_address_max);
        let of_key = self.at_least("sessions_per_key_max", file.sessions_per_key_max, 1)?;
        config.sessions_per_key_max = of_key.unwrap_or(config.sessions_per_key_max);
        self.strangers(file, config)?;
        self.sessions(file, config)?;
        self.rates(file, config)?;
        let submissions = self.at_least("submissions_max", file.submissions_max, 1)?;
        config.submissions_max = submissions.unwrap_or(config.submissions_max);
        let segment = self.within("segment_bytes", file.segment_bytes, SEGMENT_BYTES)?;
        config.journal_config.segment_bytes = segment.unwrap_or(config.journal_config.segment_bytes);
        self.retention(file, &mut config.journal_config)?;
        let in_force = self.at_least("bytes_in_force_max", file.bytes_in_force_max, BYTES_IN_FORCE_MIN)?;
        config.bytes_in_force_max = in_force.unwrap_or(config.bytes_in_force_max);
        let hint = self.duration("retry_hint", file.retry_hint.as_deref())?;
        config.retry_hint = hint.unwrap_or(config.retry_hint);
        Ok(())
    }

    fn sessions(&self, file: &File, config: &mut RelayConfig) -> Outcome {
        let login = self.duration_within("login_timeout", file.login_timeout.as_deref(), LOGIN_TIMES)?;
        config.login_timeout = login.unwrap_or(config.login_timeout);
        let filters = self.within("subscriptions_max", file.subscriptions_max, 1..=SUBSCRIPTIONS_MAX)?;
        config.subscriptions_max = filters.unwrap_or(config.subscriptions_max);
        let marks = MARK_INTERVAL_MIN..=MARK_INTERVAL_MAX;
        let mark = self.duration_within("mark_interval_max", file.mark_interval_max.as_deref(), marks)?;
        config.mark_interval_max = mark.unwrap_or(config.mark_interval_max);
        Ok(())
    }

    fn strangers(&self, file: &File, config: &mut RelayConfig) -> Outcome {
        let in_all = self.at_least("strangers_max", file.strangers_max, 1)?;
        config.strangers_max = in_all.unwrap_or(config.strangers_max);
        let each = self.at_least("strangers_per_address_max", file.strangers_per_address_max, 1)?;
        config.strangers_per_address_max = each.unwrap_or(config.strangers_per_address_max);
        let bytes = &mut config.stranger_bytes;
        let tls = self.within("stranger_tls_bytes_max", file.stranger_tls_bytes_max, TLS_BYTES)?;
        bytes.before_tls = tls.unwrap_or(bytes.before_tls);
        let all = self.within("stranger_bytes_max", file.stranger_bytes_max, LOGIN_BYTES)?;
        bytes.before_login = all.unwrap_or(bytes.before_login);
        Ok(())
    }

    fn rates(&self, file: &File, config: &mut RelayConfig) -> Outcome {
        let each =
            self.within("publishes_per_credential_max", file.publishes_per_credential_max, 1..=RATE_MAX)?;
        config.publishes_per_credential_max = each.unwrap_or(config.publishes_per_credential_max);
        let chains =
            self.within("chains_per_credential_max", file.chains_per_credential_max, 1..=RATE_MAX)?;
        config.chains_per_credential_max = chains.unwrap_or(config.chains_per_credential_max);
        let all = self.within("publishes_max", file.publishes_max, EXERCISE_SHARE..=RATE_MAX)?;
        config.publishes_max = all.or(config.publishes_max);
        Ok(())
    }

    fn retention(&self, file: &File, journal: &mut JournalConfig) -> Outcome {
        if let Some(age) = self.duration("retain_age", file.retain_age.as_deref())? {
            if age < MESSAGE_LIFETIME_MAX {
                return Err(self.wrong(self.lang.retain_age_bound()));
            }
            journal.retain_age = age;
        }
        let bytes = self.at_least("retain_bytes", file.retain_bytes, 2 * journal.segment_bytes)?;
        journal.retain_bytes = bytes.unwrap_or_else(|| journal.retain_bytes.max(2 * journal.segment_bytes));
        Ok(())
    }

    fn at_least<N: PartialOrd + Copy + Display>(
        &self,
        key: &str,
        value: Option<N>,
        min: N,
    ) -> Result<Option<N>, Failure> {
        match value {
            Some(value) if value < min => Err(self.wrong(self.lang.below_bound(key, value, min))),
            Some(_) | None => Ok(value),
        }
    }

    fn duration_within(
        &self,
        key: &str,
        text: Option<&str>,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Failure> {
        let wanted = self.duration(key, text)?;
        let shown = |millis: u64| {
            if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
        };
        match wanted {
            Some(given) if given > *range.end() => {
                Err(self.wrong(self.lang.above_bound(key, shown(millis(given)), shown(millis(*range.end())))))
            }
            Some(given) if given < *range.start() => Err(self.wrong(self.lang.below_bound(
                key,
                shown(millis(given)),
                shown(millis(*range.start())),
            ))),
            Some(_) | None => Ok(wanted),
        }
    }

    fn within<N: PartialOrd + Copy + Display>(
        &self,
        key: &str,
        value: Option<N>,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, Failure> {
        match value {
            Some(value) if value > *range.end() => {
                Err(self.wrong(self.lang.above_bound(key, value, *range.end())))
            }
            Some(_) | None => self.at_least(key, value, *range.start()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;
    use vigie_proto::chain::Roots;

    use super::super::tests::{reading, trial};
    use super::*;
    use crate::cli::files;
    use crate::cli::text::Lang;
    use crate::journal::{RETAIN_AGE, RETAIN_BYTES};

    #[test]
    fn values_out_of_range_are_refused() {
        let key = PrivateKeyDer::from_pem_slice(files::new_key(Lang::En).unwrap().pem.as_bytes()).unwrap();
        let mut config = RelayConfig::new(Vec::new(), Vec::new(), key, Roots::default(), PathBuf::new());
        for (wrong, right) in [
            ("workers = 0", "workers = 1"),
            ("workers = 257", "workers = 256"),
            ("lifetime_max = \"8d\"", "lifetime_max = \"7d\""),
            ("lifetime_max = \"0s\"", "lifetime_max = \"1h\""),
            ("retry_hint = \"soon\"", "retry_hint = \"2s\""),
            ("outbox_bytes_max = 1", "outbox_bytes_max = 262144"),
            ("connections_per_address_max = 0", "connections_per_address_max = 1"),
            ("sessions_per_key_max = 0", "sessions_per_key_max = 1"),
            ("login_timeout = \"2s\"", "login_timeout = \"3s\""),
            ("login_timeout = \"31s\"", "login_timeout = \"30s\""),
            ("subscriptions_max = 0", "subscriptions_max = 1"),
            ("subscriptions_max = 257", "subscriptions_max = 256"),
            ("mark_interval_max = \"999ms\"", "mark_interval_max = \"1s\""),
            ("mark_interval_max = \"301s\"", "mark_interval_max = \"5m\""),
            ("strangers_max = 0", "strangers_max = 1"),
            ("strangers_per_address_max = 0", "strangers_per_address_max = 1"),
            ("stranger_tls_bytes_max = 4095", "stranger_tls_bytes_max = 4096"),
            ("stranger_tls_bytes_max = 12289", "stranger_tls_bytes_max = 12288"),
            ("stranger_bytes_max = 20479", "stranger_bytes_max = 20480"),
            ("stranger_bytes_max = 65537", "stranger_bytes_max = 65536"),
            ("publishes_per_credential_max = 0", "publishes_per_credential_max = 1"),
            ("chains_per_credential_max = 0", "chains_per_credential_max = 1"),
            ("publishes_max = 3", "publishes_max = 4"),
            ("publishes_max = 1000001", "publishes_max = 1000000"),
            ("retain_age = \"6d\"", "retain_age = \"7d\""),
            ("retain_age = \"400\"", "retain_age = \"400d\""),
            ("retain_bytes = 134217727", "retain_bytes = 134217728"),
            ("bytes_in_force_max = 16777215", "bytes_in_force_max = 16777216"),
            ("segment_bytes = 18446744073709551615", "segment_bytes = 1099511627776"),
            ("segment_bytes = 65536\nretain_bytes = 131071", "segment_bytes = 65536\nretain_bytes = 131072"),
        ] {
            let mut limits = |line: &str| {
                let file = reading().parse(&format!("{}\n{line}\n", trial(Lang::En))).unwrap();
                reading().limits(&file, &mut config).is_ok()
            };
            assert!(!limits(wrong), "{wrong}");
            assert!(limits(right), "{right}");
        }
    }

    #[test]
    fn what_is_said_of_retention_reaches_the_journal() {
        let key = PrivateKeyDer::from_pem_slice(files::new_key(Lang::En).unwrap().pem.as_bytes()).unwrap();
        let mut config = RelayConfig::new(Vec::new(), Vec::new(), key, Roots::default(), PathBuf::new());
        let mut read = |lines: &str| {
            let file = reading().parse(&format!("{}\n{lines}\n", trial(Lang::En))).unwrap();
            reading().limits(&file, &mut config).unwrap();
            (config.journal_config.retain_age, config.journal_config.retain_bytes)
        };
        assert_eq!(read(""), (RETAIN_AGE, RETAIN_BYTES));
        let shown = trial(Lang::En);
        let shown = shown.lines().filter_map(|line| line.strip_prefix("# retain_"));
        let shown: Vec<String> = shown.map(|line| format!("retain_{line}")).collect();
        assert_eq!(read(&shown.join("\n")), (RETAIN_AGE, RETAIN_BYTES), "the file shows the defaults");
        let set = read("retain_age = \"30d\"\nretain_bytes = 1000000000");
        assert_eq!(set, (Duration::from_secs(30 * 86_400), 1_000_000_000));
    }
}
