//! PROTOCOL.md says what the code does: each refusal with both sentences, each limit, each `typ`, gap reason and
//! operation. Its samples are compared in `vectors.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use vigie_proto::cap;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane, SEGMENT_BYTES_MAX, SEGMENTS_MAX};
use vigie_proto::frame::{ClientFrame, GapReason, ServerFrame};
use vigie_proto::id::Sequence;
use vigie_proto::label::Tlp;
use vigie_proto::limits;
use vigie_proto::refusal::{Code, DETAIL_BYTES_MAX, Ends};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use crate::support::{base64url, compare_or_write, crate_path, header, is_writing, thumbprint};

fn document() -> String {
    std::fs::read_to_string(crate_path("PROTOCOL.md")).unwrap()
}

fn refusals() -> String {
    let mut table = String::from("| code | ends | temporary | English | French |\n|---|---|---|---|---|\n");
    for code in Code::ALL {
        let ends = match code.ends() {
            Ends::Request => "request".to_owned(),
            Ends::Http(status) => format!("HTTP {status}"),
            Ends::Close(status) => format!("close {status}"),
        };
        let temporary = if code.is_temporary() { "yes" } else { "no" };
        table += &format!("| `{code}` | {ends} | {temporary} | {} | {} |\n", code.english(), code.french());
    }
    table
}

/// Compares, or with `VIGIE_WRITE_VECTORS` writes, the table of refusals.
#[test]
fn every_refusal_stands_in_the_document_in_both_languages() {
    let (begin, end) = ("<!-- table: refusals -->\n", "<!-- end -->\n");
    let document = document();
    let (before, rest) = document.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if is_writing() {
        compare_or_write("PROTOCOL.md", &format!("{before}{begin}{}{end}{after}", refusals()));
    } else {
        assert_eq!(found, refusals());
    }
}

#[test]
fn every_code_is_a_distinct_word_with_a_sentence_in_each_language() {
    let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Code::ALL.len());
    for code in Code::ALL {
        let word = code.as_str();
        assert!(word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')), "{word}");
        for sentence in [code.english(), code.french()] {
            assert!(sentence.ends_with('.') && !sentence.contains(['|', '\n']), "{word}: {sentence}");
        }
        assert_ne!(code.english(), code.french(), "{word}");
        assert_eq!(word.parse(), Ok(*code));
    }
}

/// A number as the document writes it.
fn grouped(number: impl TryInto<u64, Error: std::fmt::Debug>) -> String {
    let digits = number.try_into().unwrap().to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_table_of_limits_is_complete_and_right() {
    let bytes = |number: usize| format!("{} bytes", grouped(number));
    let millis = |duration: Duration| format!("{} ms", grouped(duration.as_millis()));
    let stale = format!(
        "{}.{} mark intervals",
        limits::STALE_MARK_INTERVALS_TENTHS / 10,
        limits::STALE_MARK_INTERVALS_TENTHS % 10
    );
    let expected = [
        ("subprotocol", format!("`{}`", limits::SUBPROTOCOL)),
        ("message token", bytes(limits::MESSAGE_BYTES_MAX)),
        ("credential token", bytes(limits::CREDENTIAL_BYTES_MAX)),
        ("revocation token", bytes(limits::REVOCATION_BYTES_MAX)),
        ("rotation token", bytes(limits::ROTATION_BYTES_MAX)),
        ("pinned roots, of both planes", grouped(limits::ROOTS_MAX)),
        ("rotations held, of both planes", grouped(limits::ROTATIONS_MAX)),
        ("rotations from a pinned root to the root of a chain", grouped(limits::ROTATION_HOPS_MAX)),
        ("links in a chain", grouped(limits::CHAIN_LINKS_MAX)),
        ("frame before log-in", bytes(limits::FRAME_BYTES_MAX_BEFORE_LOGIN)),
        ("frame after log-in", bytes(limits::FRAME_BYTES_MAX)),
        ("JSON nesting", format!("{} levels", limits::JSON_DEPTH_MAX)),
        ("JSON integer", grouped(limits::JSON_INTEGER_MAX)),
        ("segments of a jurisdiction", grouped(SEGMENTS_MAX)),
        ("segment of a jurisdiction", bytes(SEGMENT_BYTES_MAX)),
        ("filters in a subscription", grouped(limits::SUBSCRIPTIONS_MAX)),
        ("grants in a credential", grouped(limits::GRANTS_MAX)),
        ("ids in `replaces`", grouped(limits::REPLACES_MAX)),
        ("orgs in an `audience`", grouped(limits::AUDIENCE_MAX)),
        ("`name` of a credential", bytes(limits::NAME_BYTES_MAX)),
        ("`detail` of a refusal", bytes(DETAIL_BYTES_MAX)),
        ("clock difference between honest parties", millis(limits::CLOCK_SKEW_MAX)),
        ("life of a message", millis(limits::MESSAGE_LIFETIME_MAX)),
        ("connection to log-in, by default", millis(limits::LOGIN_TIMEOUT)),
        ("life of a nonce", millis(limits::NONCE_LIFETIME)),
        ("chains that a session remembers", grouped(limits::CHAINS_REMEMBERED)),
        ("mark interval, default", millis(limits::MARK_INTERVAL)),
        ("mark interval, shortest", millis(limits::MARK_INTERVAL_MIN)),
        ("mark interval, longest", millis(limits::MARK_INTERVAL_MAX)),
        ("messages in a page of history", grouped(limits::HISTORY_LIMIT_MAX)),
        ("overlap after a foreign cursor", millis(limits::FOREIGN_CURSOR_OVERLAP)),
        ("stale after", stale),
    ];
    let document = document();
    let (_, table) = document.split_once("| limit | value |\n|---|---|\n").unwrap();
    let found: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> =
        expected.into_iter().map(|(name, value)| format!("| {name} | {value} |")).collect();
    assert_eq!(found, expected);
    // A constant that is added is added above and to the document.
    let source = std::fs::read_to_string(crate_path("src/limits.rs")).unwrap();
    let constants = source.lines().filter(|line| line.starts_with("pub const ")).count();
    let elsewhere = 3; // two of `channel`, one of `refusal`
    assert_eq!(constants + elsewhere, expected.len());
}

/// One number bounds both directions, so the longest that either side may have to say must fit in it.
#[test]
fn the_longest_frames_fit_in_the_limit() {
    let (re, seq) = (limits::JSON_INTEGER_MAX, Sequence::new(limits::JSON_INTEGER_MAX));
    let admitted = Timestamp::from_millis(limits::JSON_INTEGER_MAX);
    let jws = "x".repeat(limits::MESSAGE_BYTES_MAX);
    let link = "x".repeat(limits::CREDENTIAL_BYTES_MAX);
    let chain = vec![link.as_str().into(); limits::CHAIN_LINKS_MAX];
    for frame in [
        ServerFrame::Event { seq, admitted, jws: jws.as_str().into() },
        ServerFrame::Past { re, seq, admitted, jws: jws.as_str().into() },
        ServerFrame::Chain { chain, re: Some(re) },
    ] {
        assert!(frame.to_text().len() <= limits::FRAME_BYTES_MAX);
    }
    let publish = ClientFrame::Publish { n: re, jws: jws.into() };
    assert!(publish.to_text().len() <= limits::FRAME_BYTES_MAX);
}

#[test]
fn every_operation_and_gap_has_its_place() {
    let document = document();
    let (_, frames) = document.split_once("## 11. Frames").unwrap();
    let (client, relay) = frames.split_once("### From the relay").unwrap();
    let (relay, reading) = relay.split_once("\n## 12.").unwrap();
    for operation in ServerFrame::OPERATIONS {
        assert_eq!(relay.matches(&format!("\n**`{operation}`**")).count(), 1, "{operation}");
    }
    for operation in ClientFrame::OPERATIONS {
        assert_eq!(client.matches(&format!("\n**`{operation}`**")).count(), 1, "{operation}");
    }
    for reason in [GapReason::OtherLog, GapReason::Removed, GapReason::Ahead, GapReason::Damaged] {
        assert_eq!(reading.matches(&format!("| `{}` |", reason.as_str())).count(), 1, "{reason:?}");
    }
}

/// What is displayed, parsed and put on the wire is one word, and the document has it.
#[test]
fn each_word_has_one_spelling() {
    let grammar = document();
    let on_the_wire = |text: String, spelling: &str| assert_eq!(text, format!("\"{spelling}\""));
    for severity in Severity::ALL {
        on_the_wire(serde_json::to_string(&severity).unwrap(), severity.as_str());
        assert_eq!(severity.as_str().parse(), Ok(severity));
        assert!(grammar.contains(&format!("\"{severity}\"")), "{severity}");
    }
    for plane in [Plane::Live, Plane::Exercise] {
        on_the_wire(serde_json::to_string(&plane).unwrap(), plane.as_str());
        assert!(grammar.contains(&format!("\"{plane}\"")), "{plane}");
    }
    for flow in [Flow::Alert, Flow::Signal] {
        on_the_wire(serde_json::to_string(&flow).unwrap(), flow.as_str());
        assert!(grammar.contains(&format!("\"{flow}\"")), "{flow}");
    }
    for tlp in Tlp::ALL {
        on_the_wire(serde_json::to_string(&tlp).unwrap(), tlp.as_str());
        assert!(grammar.contains(&format!("`{tlp}`")), "{tlp}");
    }
    for reason in [GapReason::OtherLog, GapReason::Removed, GapReason::Ahead, GapReason::Damaged] {
        on_the_wire(serde_json::to_string(&reason).unwrap(), reason.as_str());
    }
}

/// The code points that the document lists after these words: `U+0009, U+0020 to U+D7FF.`
fn listed_after(words: &str) -> BTreeSet<u32> {
    let document = document().replace('\n', " ");
    let (_, list) = document.split_once(words).unwrap();
    let (list, _) = list.split_once('.').unwrap();
    let point = |text: &str| u32::from_str_radix(text.strip_prefix("U+").unwrap(), 16).unwrap();
    list.split(", ")
        .flat_map(|item| {
            let (first, last) = item.split_once(" to ").unwrap_or((item, item));
            point(first)..=point(last)
        })
        .collect()
}

/// What counts as white space and what XML can carry does not depend on the Unicode version of a library.
#[test]
fn blank_and_carried_are_what_the_document_lists() {
    let listed = listed_after("is not Unicode White_Space: ");
    let carried = listed_after("only characters that XML 1.0 can carry: ");
    assert!(listed.iter().all(|point| char::from_u32(*point).is_some()));
    for character in '\0'..=char::MAX {
        let text = format!(
            r#"{{"identifier":{},"sender":"x","sent":"2027-01-15T09:00:00+01:00","status":"Actual","msgType":"Cancel","scope":"Public"}}"#,
            serde_json::to_string(&character).unwrap()
        );
        let alert: cap::Alert = serde_json::from_str(&text).unwrap();
        let code_point = u32::from(character);
        let element = "identifier";
        let expected = if !carried.contains(&code_point) {
            Err(cap::Fault::Character { element, code_point })
        } else if listed.contains(&code_point) {
            Err(cap::Fault::Empty { element })
        } else {
            Ok(())
        };
        assert_eq!(alert.validate(), expected, "{code_point:x}");
    }
}

/// The list of the document is the list of the code, and each key on it is refused.
#[test]
fn every_published_key_is_listed_and_refused() {
    let document = document();
    let (_, part) = document.split_once("\n## 18. Test keys\n").unwrap();
    let listed: Vec<&str> = part
        .split("```")
        .nth(1)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    let source = std::fs::read_to_string(crate_path("src/test_keys.rs")).unwrap();
    let known: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("    \"")?.get(..43)).collect();
    assert_eq!(listed, known);
    for x in listed {
        let kid = thumbprint(x);
        // Nobody signed it: a published key is told before the signature is looked at.
        let payload = format!(
            r#"{{"sub":{{"crv":"Ed25519","kty":"OKP","x":"{x}"}},"org":"fr","name":"","grants":[],"plane":"live","not_before":0,"expires":1}}"#
        );
        let header = header(&kid, "vigie-credential-live-v1");
        let token = format!("{}.{}.{}", base64url(header), base64url(payload), base64url([1; 64]));
        let judged = |roots: &Roots| Chain::verify([&*token], roots, &NoVerdicts).unwrap_err().code;
        let pins = [kid.parse().unwrap()];
        assert_eq!(judged(&Roots::new(pins)), Code::TestKey, "{x}");
        assert_eq!(judged(&Roots::dangerous_test_only(pins)), Code::BadSignature, "{x}");
    }
}

/// The lists and bounds of CAP.
#[test]
fn the_tables_of_cap_are_those_of_the_code() {
    let document = document();
    macro_rules! list {
        ($element:literal, $codes:ty) => {
            let words: Vec<&str> = <$codes>::ALL.iter().map(|code| code.as_str()).collect();
            let row = format!("\n| `{}` | {} |\n", $element, words.join(" "));
            assert!(document.contains(&row), "{row}");
        };
    }
    list!("status", cap::Status);
    list!("msgType", cap::MsgType);
    list!("scope", cap::Scope);
    list!("category", cap::Category);
    list!("responseType", cap::ResponseType);
    list!("urgency", cap::Urgency);
    list!("severity", cap::Severity);
    list!("certainty", cap::Certainty);
    for (element, max) in [
        ("code", cap::bounds::CODES_MAX),
        ("info", cap::bounds::INFOS_MAX),
        ("category", cap::bounds::CATEGORIES_MAX),
        ("responseType", cap::bounds::RESPONSE_TYPES_MAX),
        ("eventCode", cap::bounds::EVENT_CODES_MAX),
        ("parameter", cap::bounds::PARAMETERS_MAX),
        ("resource", cap::bounds::RESOURCES_MAX),
        ("area", cap::bounds::AREAS_MAX),
        ("polygon", cap::bounds::POLYGONS_MAX),
        ("circle", cap::bounds::CIRCLES_MAX),
        ("geocode", cap::bounds::GEOCODES_MAX),
    ] {
        let mark = if element == "category" { "+" } else { "\\*" };
        let cell = format!("`{element}`{mark} ({})", grouped(max));
        assert!(document.contains(&cell), "{cell}");
    }
}

/// Code fences carry a language, so that rustdoc does not take them for Rust and run them.
#[test]
fn every_fence_names_its_language() {
    let document = document();
    let fences: Vec<&str> = document.lines().filter(|line| line.starts_with("```")).collect();
    assert!(fences.len() > 40 && fences.len().is_multiple_of(2), "{}", fences.len());
    for pair in fences.chunks(2) {
        assert!(matches!(pair, ["```json" | "```text", "```"]), "{pair:?}");
    }
}
