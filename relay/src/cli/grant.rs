//! A right as it is written on the command line: `FLOW@PLACE[,publish=SEVERITY][,subscribe][,delegate=N]`.

use std::str::FromStr;

use vigie_proto::channel::Flow;
use vigie_proto::credential::Grant;
use vigie_proto::severity::Severity;

/// One `--grant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrantSpec(pub(super) Grant);

/// Why a text is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what}; write FLOW@PLACE[,publish=SEVERITY][,subscribe][,delegate=N], such as signal@fr.idf,publish=Severe"
)]
pub(super) struct MalformedGrant {
    what: String,
}

impl FromStr for GrantSpec {
    type Err = MalformedGrant;

    fn from_str(text: &str) -> Result<Self, MalformedGrant> {
        let malformed = |what: String| MalformedGrant { what };
        let mut parts = text.split(',');
        let place = parts.next().unwrap_or_default();
        let (flow, at) =
            place.split_once('@').ok_or_else(|| malformed(format!("{place:?} is not FLOW@PLACE")))?;
        let flow = match flow {
            "alert" => Flow::Alert,
            "signal" => Flow::Signal,
            other => return Err(malformed(format!("{other:?} is neither alert nor signal"))),
        };
        let at = at.parse().map_err(|error| malformed(format!("{at:?}: {error}")))?;
        let mut grant = Grant { flow, at, publish: None, subscribe: false, delegate: 0 };
        for part in parts {
            match part.split_once('=') {
                Some(("publish", severity)) => grant.publish = Some(parse_severity(severity)?),
                Some(("delegate", levels)) => {
                    grant.delegate = levels
                        .parse()
                        .map_err(|_| malformed(format!("{levels:?} is not a number of levels")))?;
                }
                None if part == "subscribe" => grant.subscribe = true,
                Some(_) | None => return Err(malformed(format!("{part:?} is not known"))),
            }
        }
        Ok(Self(grant))
    }
}

fn parse_severity(text: &str) -> Result<Severity, MalformedGrant> {
    let given = Severity::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text));
    given
        .ok_or_else(|| MalformedGrant { what: format!("{text:?} is not Minor, Moderate, Severe or Extreme") })
}

/// The grant as it is written.
pub(super) fn show(grant: &Grant) -> String {
    let mut text = format!("{}@{}", grant.flow, grant.at);
    if let Some(severity) = grant.publish {
        text.push_str(&format!(",publish={severity}"));
    }
    if grant.subscribe {
        text.push_str(",subscribe");
    }
    if grant.delegate > 0 {
        text.push_str(&format!(",delegate={}", grant.delegate));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_survives_its_text() {
        for text in [
            "alert@fr",
            "signal@fr.idf.75.paris,publish=Severe",
            "alert@fr.idf,publish=Extreme,subscribe,delegate=2",
        ] {
            assert_eq!(show(&text.parse::<GrantSpec>().unwrap().0), text);
        }
        for text in [
            "",
            "alert",
            "posture@fr",
            "alert@FR",
            "alert@fr,publish",
            "alert@fr,publish=High",
            "alert@fr,delegate=-1",
            "alert@fr,x",
        ] {
            assert!(text.parse::<GrantSpec>().is_err(), "{text}");
        }
    }
}
