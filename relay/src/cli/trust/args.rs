//! The arguments of `vigie trust revoke` and what goes with it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use vigie_proto::channel::Jurisdiction;
use vigie_proto::label::Tlp;
use vigie_proto::revocation::Reason;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::known::Sources;
use crate::cli::args::{DAYS_MAX, label_parser, severity_parser};
use crate::cli::{duration, time};

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustRevoke {
    // An id may begin with a hyphen.
    #[arg(required_unless_present = "key", conflicts_with = "key", allow_hyphen_values = true)]
    pub(in crate::cli) target: Option<String>,
    #[arg(long, value_name = "FILE|THUMBPRINT", allow_hyphen_values = true)]
    pub(in crate::cli) key: Option<String>,
    #[arg(long, requires = "target")]
    pub(in crate::cli) keep_key: bool,
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = Since::parse)]
    pub(in crate::cli) from: Since,
    #[arg(long, value_name = "REASON", value_parser = reason_parser(), ignore_case = true)]
    pub(in crate::cli) reason: Option<Reason>,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) authority: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    #[arg(long)]
    pub(in crate::cli) offline: bool,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(in crate::cli) wait: Duration,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustSend {
    pub(in crate::cli) file: Option<PathBuf>,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) authority: Option<PathBuf>,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(in crate::cli) wait: Duration,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustExplain {
    // An id may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    pub(in crate::cli) target: String,
    pub(in crate::cli) channel: Option<String>,
    #[arg(long, value_name = "SEVERITY", requires = "channel", value_parser = severity_parser(), ignore_case = true)]
    pub(in crate::cli) publish: Option<Severity>,
    #[arg(long, value_name = "SEVERITY", requires = "channel", conflicts_with_all = ["publish", "relay"], value_parser = severity_parser(), ignore_case = true)]
    pub(in crate::cli) hear: Option<Severity>,
    #[arg(long, value_name = "LABEL", requires = "hear", value_parser = label_parser(), ignore_case = true)]
    pub(in crate::cli) label: Option<Tlp>,
    #[arg(long, value_name = "ORG", requires = "label", value_delimiter = ',')]
    pub(in crate::cli) audience: Vec<Jurisdiction>,
    #[arg(long, conflicts_with = "relay")]
    pub(in crate::cli) door: bool,
    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustList {
    #[command(flatten)]
    pub(in crate::cli) sources: Sources,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TrustRotate {
    pub(in crate::cli) name: String,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) authority: Option<PathBuf>,
    #[arg(long, value_name = "FILE", conflicts_with_all = ["authority", "answer", "revoke_old", "days"])]
    pub(in crate::cli) request: Option<PathBuf>,
    #[arg(long, value_name = "FILE", conflicts_with_all = ["authority", "days"])]
    pub(in crate::cli) answer: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
    pub(in crate::cli) days: Option<u64>,
    #[arg(long)]
    pub(in crate::cli) leave_queue: bool,
    #[arg(long)]
    pub(in crate::cli) revoke_old: bool,
    #[arg(long, value_name = "TIME", default_value = "now", requires = "revoke_old", value_parser = Since::parse)]
    pub(in crate::cli) from: Since,
    #[arg(long, value_name = "REASON", requires = "revoke_old", value_parser = reason_parser(), ignore_case = true)]
    pub(in crate::cli) reason: Option<Reason>,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(in crate::cli) wait: Duration,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

fn reason_parser() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(Reason::as_str)).map(|text| {
        let given = Reason::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(&text));
        given.expect("the parser before this one took only these words")
    })
}

/// A moment: of the calendar, or so long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Since {
    Ago(Duration),
    At(Timestamp),
}

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write now, how long ago (90m, 2d), or a time such as 2026-11-22T14:30 or 2026-11-22T14:30:00+01:00")]
pub(in crate::cli) struct MalformedMoment;

impl Since {
    /// Reads `now`, a length of time, RFC 3339, or a date and time without a zone, which is then that of this machine.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, MalformedMoment> {
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        if let Ok(ago) = duration::parse(text) {
            return Ok(Self::Ago(ago));
        }
        time::of_people(text).map(Self::At).ok_or(MalformedMoment)
    }

    pub(in crate::cli) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.minus(ago),
            Self::At(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_now_ago_or_of_the_calendar() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        for (text, millis) in [
            ("now", 1_800_000_000_000),
            ("90m", 1_799_994_600_000),
            ("2027-01-15T09:00:00+01:00", 1_800_000_000_000),
            ("2027-01-15T08:00:00Z", 1_800_000_000_000),
        ] {
            assert_eq!(Since::parse(text).map(|since| since.at(now).as_millis()), Ok(millis), "{text}");
        }
        assert!(Since::parse("2027-01-15T08:00").is_ok());
        for text in ["", "yesterday", "-2h", "1969-01-01T00:00:00Z"] {
            assert_eq!(Since::parse(text), Err(MalformedMoment), "{text}");
        }
    }
}
