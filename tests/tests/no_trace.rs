//! Messages that a reader may not hear leave no trace in what he is sent: not one byte of it depends on them, but for the
//! sequence that has moved.
//!
//! Two worlds in virtual time, with the same people, keys and clocks. In the one some places of the log hold what the
//! listener may not hear on channels that he listens to (labelled for others, or less grave than he hears) or beside them;
//! in the other the same places hold what has nothing to do with his channels, of another length. Whatever he does (listen,
//! stop reading for a while, begin again at any place he knows, ask for pages of history of any size), he is sent the same
//! bytes in both. How long the relay takes is not compared: all that it has to do is done before the listener's next step.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

#[path = "no_trace/stage.rs"]
mod stage;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use stage::{From, Said, Stage};
use vigie_proto::label::Tlp;
use vigie_proto::severity::Severity::{Minor, Moderate, Severe};
use vigie_tests::sim::bounds::Bounds;

/// What the listener asks for: alerts for his region, and what is grave in the streets of it.
const CHANNELS: [&[&str]; 3] =
    [&["alert/fr.idf", "signal/fr.idf"], &["alert/fr.idf"], &["alert/fr.idf.75.paris", "signal/fr.idf.92"]];

const fn said(channel: &'static str, severity: vigie_proto::severity::Severity) -> Said {
    Said { channel, severity, label: None, bytes: 0 }
}

const fn labelled(channel: &'static str, tlp: Tlp) -> Said {
    Said { channel, severity: Severe, label: Some((tlp, "fr.etat.naq")), bytes: 0 }
}

/// What he hears.
const HEARD: [Said; 3] =
    [said("alert/fr", Severe), said("alert/fr.idf", Minor), said("signal/fr.idf.75.paris", Severe)];

/// What is kept from him, for each reason.
const HIDDEN: [Said; 8] = [
    labelled("alert/fr", Tlp::Red),
    labelled("alert/fr.idf", Tlp::Amber),
    labelled("alert/fr.idf", Tlp::AmberStrict),
    labelled("signal/fr.idf.92.nanterre", Tlp::Green),
    said("signal/fr.idf.75.paris", Moderate),
    said("alert/fr.idf.92.nanterre", Severe),
    said("signal/fr", Severe),
    said("exercise/alert/fr.idf", Severe),
];

/// What has nothing to do with him.
const UNRELATED: [Said; 2] = [said("alert/fr.naq.33.bordeaux", Severe), said("signal/fr.naq", Severe)];

/// A place of the log.
#[derive(Clone, Debug)]
enum Place {
    Heard(Said),
    /// What is said there in the one world, and in the other.
    Hidden(Said, Said),
}

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    Say(Vec<Place>),
    Wait(Duration),
    Take(usize),
    TakeAll,
    Subscribe(usize, From),
    History(usize, u32, From),
}

/// What the listener was sent in one of the two worlds.
fn sent(bounds: &Bounds, acts: &[Act], with_hidden: bool) -> Vec<String> {
    let mut stage = Stage::new(bounds);
    for act in acts {
        match act {
            Act::Say(places) => {
                let place = |place: &Place| match place {
                    Place::Heard(said) => (said.clone(), true),
                    Place::Hidden(hidden, unrelated) => {
                        (if with_hidden { hidden } else { unrelated }.clone(), false)
                    }
                };
                stage.say(&places.iter().map(place).collect::<Vec<_>>());
            }
            Act::Wait(time) => stage.wait(*time),
            Act::Take(bytes) => {
                stage.take(*bytes);
            }
            Act::TakeAll => stage.take_all(),
            Act::Subscribe(channels, from) => stage.subscribe(CHANNELS[*channels], *from),
            Act::History(channels, limit, from) => {
                stage.history(CHANNELS[*channels], *limit, *from);
                // To the end, if he goes on from page to page.
                while matches!(from, From::Beginning) && {
                    stage.take_all();
                    stage.has_next_page()
                } {
                    stage.history(CHANNELS[*channels], *limit, From::Here);
                }
            }
        }
    }
    stage.wait(Duration::from_secs(2));
    stage.take_all();
    stage.texts()
}

/// He is sent the same in both worlds; gives what.
fn compared(bounds: &Bounds, acts: &[Act]) -> Vec<String> {
    let (one, other) = (sent(bounds, acts, true), sent(bounds, acts, false));
    for (number, (one, other)) in one.iter().zip(&other).enumerate() {
        assert_eq!(one, other, "frame {number} tells of what is hidden");
    }
    assert_eq!(one.len(), other.len(), "the number of frames tells of what is hidden");
    one
}

fn count(sent: &[String], op: &str) -> usize {
    let op = format!(r#"{{"op":"{op}","#);
    sent.iter().filter(|text| text.starts_with(&op)).count()
}

fn hidden(number: usize, bytes: (usize, usize)) -> Place {
    let hidden = Said { bytes: bytes.0, ..HIDDEN[number % HIDDEN.len()].clone() };
    Place::Hidden(hidden, Said { bytes: bytes.1, ..UNRELATED[number % UNRELATED.len()].clone() })
}

/// Runs of hidden messages between heard ones, over many segments and pages.
fn long_log() -> Vec<Act> {
    let heard = |number: usize| Place::Heard(HEARD[number % HEARD.len()].clone());
    let run = |number: usize| {
        let mut run = vec![heard(number)];
        run.extend((0..number % 13).map(|more| hidden(number + more, (300, 20))));
        Act::Say(run)
    };
    (0..30).map(run).collect()
}

fn small(outbox_bytes_max: usize, ring_bytes_max: usize, segment_bytes: u64) -> Bounds {
    Bounds { outbox_bytes_max, ring_bytes_max, segment_bytes, ..Bounds::roomy() }
}

/// Small enough that a page is a few messages, and large enough that it is more than one.
fn all_bounds() -> [Bounds; 3] {
    [small(4_000, 1, 4 * 1024), small(10_000, 12_000, 16 * 1024), Bounds::roomy()]
}

#[test]
fn pages_of_history_end_independently_of_what_is_hidden() {
    for bounds in all_bounds() {
        for limit in [1, 2, 5, 256] {
            let mut acts = long_log();
            acts.push(Act::History(0, limit, From::Beginning));
            acts.push(Act::History(1, limit, From::Beginning));
            let sent = compared(&bounds, &acts);
            // Thirty that he hears, of which the alerts are two thirds.
            assert_eq!(count(&sent, "past"), 30 + 20, "everything that he hears was given");
            let fewest = 50_usize.div_ceil(limit as usize);
            assert!(count(&sent, "page") >= fewest, "{} pages", count(&sent, "page"));
        }
    }
}

#[test]
fn the_marks_of_who_reads_slowly_are_independent_of_what_is_hidden() {
    for bounds in all_bounds() {
        let mut acts = long_log();
        acts.push(Act::Subscribe(0, From::Beginning));
        for _ in 0..12 {
            acts.extend([Act::Wait(Duration::from_secs(1)), Act::Take(3_000)]);
        }
        acts.extend([Act::Subscribe(1, From::Here), Act::Wait(Duration::from_secs(1)), Act::TakeAll]);
        let sent = compared(&bounds, &acts);
        assert!(count(&sent, "event") > 20, "he was given something");
        assert!(count(&sent, "mark") > 3, "he was told where he stands");
    }
}

#[test]
fn who_listens_live_hears_nothing_between() {
    for bounds in all_bounds() {
        let mut acts = vec![Act::Subscribe(0, From::Here)];
        for act in long_log() {
            acts.extend([act, Act::Wait(Duration::from_millis(500)), Act::TakeAll]);
        }
        let sent = compared(&bounds, &acts);
        assert_eq!(count(&sent, "event"), 30);
    }
}

fn places() -> impl Strategy<Value = Vec<Place>> {
    let bytes = || 0_usize..600;
    let heard = (0..HEARD.len(), bytes())
        .prop_map(|(number, bytes)| Place::Heard(Said { bytes, ..HEARD[number].clone() }));
    let hidden =
        (any::<usize>(), bytes(), bytes()).prop_map(|(number, one, other)| hidden(number, (one, other)));
    vec(prop_oneof![1 => heard, 3 => hidden], 1..16)
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![Just(From::Here), Just(From::Beginning), (0_usize..64).prop_map(From::Place)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => places().prop_map(Act::Say),
        3 => (1_u64..8).prop_map(|steps| Act::Wait(Duration::from_millis(500 * steps))),
        4 => (1_usize..6_000).prop_map(Act::Take),
        1 => Just(Act::TakeAll),
        3 => (0..CHANNELS.len(), from()).prop_map(|(channels, from)| Act::Subscribe(channels, from)),
        3 => (0..CHANNELS.len(), prop_oneof![1_u32..6, Just(256)], from())
            .prop_map(|(channels, limit, from)| Act::History(channels, limit, from)),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let outbox = prop_oneof![Just(2_000_usize), Just(4_000), Just(10_000), Just(256 * 1024)];
    let ring = prop_oneof![Just(1_usize), Just(3_000), Just(12_000), Just(4 * 1024 * 1024)];
    let segment = prop_oneof![Just(4 * 1024_u64), Just(16 * 1024), Just(256 * 1024)];
    (outbox, ring, segment).prop_map(|(outbox, ring, segment)| small(outbox, ring, segment))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is said, and whatever he does.
    #[test]
    fn no_frame_depends_on_what_is_hidden(bounds in bounds(), acts in vec(act(), 1..40)) {
        compared(&bounds, &acts);
    }
}
