//! Channels as they are written on the command line: without their plane, which is a flag.

use vigie_proto::channel::{Channel, Filter, MalformedChannel, Plane};

use super::exit::{Exit, Failure};
use super::screen::escape;
use super::text::Lang;

pub(super) const fn plane(exercise: bool) -> Plane {
    if exercise { Plane::Exercise } else { Plane::Live }
}

/// Where to publish.
pub(super) fn channel(lang: Lang, text: &str, plane: Plane) -> Result<Channel, Failure> {
    refuse_prefix(lang, text)?;
    let channel: Channel = text.parse().map_err(|error| malformed(lang, text, error))?;
    Ok(Channel { plane, ..channel })
}

/// What to hear.
pub(super) fn filter(lang: Lang, text: &str, plane: Plane) -> Result<Filter, Failure> {
    refuse_prefix(lang, text)?;
    let filter: Filter = text.parse().map_err(|error| malformed(lang, text, error))?;
    Ok(Filter { channel: Channel { plane, ..filter.channel }, ..filter })
}

/// The plane is chosen by a flag that stands out, never by a part of a word that may have been pasted.
fn refuse_prefix(lang: Lang, text: &str) -> Result<(), Failure> {
    match text.split_once('/') {
        Some((prefix @ ("exercise" | "live"), rest)) if rest.contains('/') => {
            Err(Failure::new(Exit::Usage, lang.plane_prefix(prefix, escape(rest))))
        }
        Some(_) | None => Ok(()),
    }
}

fn malformed(lang: Lang, text: &str, error: MalformedChannel) -> Failure {
    let why = match error {
        MalformedChannel::Flow => lang.channel_flow(),
        MalformedChannel::ReservedFlow => lang.channel_reserved(),
        MalformedChannel::Shape => lang.channel_shape(),
        MalformedChannel::Jurisdiction => lang.channel_place(),
        other => other.to_string(),
    };
    Failure::new(Exit::Usage, lang.malformed_channel(escape(text), why))
}

#[cfg(test)]
#[path = "../../../proto/tests/authority/reference.rs"]
#[expect(dead_code, reason = "only who hears what is asked here")]
mod reference;

#[cfg(test)]
mod tests {
    use vigie_proto::severity::Severity;

    use super::reference::{Bent, Ear, Rules};
    use super::*;

    #[test]
    fn the_plane_comes_from_the_flag_and_never_from_the_word() {
        let written = |text: &str, exercise| {
            filter(Lang::En, text, plane(exercise))
                .map(|filter| filter.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(written("alert/fr.**", false).unwrap(), "alert/fr.**");
        assert_eq!(written("alert/fr", true).unwrap(), "exercise/alert/fr");
        for exercise in [false, true] {
            for text in ["exercise/alert/fr", "live/alert/fr"] {
                assert!(written(text, exercise).unwrap_err().contains("--exercise"), "{text}");
                assert!(channel(Lang::En, text, plane(exercise)).is_err(), "{text}");
            }
        }
        assert!(written("alert/FR", false).is_err());
    }

    /// All that can be typed in a small world, against the reference that also judges the protocol's own texts.
    #[test]
    fn what_is_typed_hears_what_the_reference_says() {
        const PLACES: [&str; 6] = ["fr", "fr.a", "fr.ab", "fr.a.x", "fr.a.y", "frx"];
        const FLOWS: [&str; 2] = ["alert", "signal"];
        let rules = Rules(Bent::Nothing);
        let mut heard = 0;
        let planes = [("live", false), ("exercise", true)];
        let places = PLACES.iter().flat_map(|at| PLACES.map(|addressed| (*at, addressed)));
        let flows = FLOWS.iter().flat_map(|flow| FLOWS.map(|said| (*flow, said)));
        let all: Vec<_> = places.flat_map(|places| flows.clone().map(move |flows| (places, flows))).collect();
        for (ear_plane, flag) in planes {
            for (said_plane, said_flag) in planes {
                for ((at, addressed), (flow, said_flow)) in &all {
                    for (suffix, and_below) in [("", false), (".**", true)] {
                        let typed = format!("{flow}/{at}{suffix}");
                        let ear = Ear { plane: ear_plane, flow, at, and_below };
                        let listening = filter(Lang::Fr, &typed, plane(flag)).unwrap();
                        let said = format!("{said_flow}/{addressed}");
                        let channel = channel(Lang::Fr, &said, plane(said_flag)).unwrap();
                        for (number, severity) in Severity::ALL.into_iter().enumerate() {
                            let expected = rules.hears(&ear, said_plane, said_flow, addressed, number);
                            let found = listening.takes(&channel, severity);
                            assert_eq!(found, expected, "{ear:?}: {said_plane} {said} {severity}");
                            heard += usize::from(found);
                        }
                    }
                }
            }
        }
        // What `proto/tests/authority.rs` counts for the four forms: 96, 144, 72 and 96.
        assert_eq!(heard, 408);
    }
}
