//! `ids.json`, `cursors.json`, `channels.json` and `hear.json`: the small grammars, and who hears what.

use serde::Serialize;

use super::frames;
use crate::support::{NOW, base64url, from_base64url, sha256};

#[derive(Serialize)]
pub(crate) struct Ids {
    pub(crate) good: Vec<GoodId>,
    pub(crate) bad: Vec<BadId>,
}

#[derive(Serialize)]
pub(crate) struct GoodId {
    pub(crate) text: String,
    pub(crate) hex: String,
}

#[derive(Serialize)]
pub(crate) struct BadId {
    pub(crate) bytes: usize,
    pub(crate) text: String,
    pub(crate) why: &'static str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn ids() -> Ids {
    let all: Vec<Vec<u8>> =
        vec![vec![0; 32], vec![0xff; 32], sha256(b"an id").to_vec(), vec![0xff; 16], frames::log().to_vec()];
    let text = base64url([0xff; 32]);
    let bad = |bytes, text: String, why| BadId { bytes, text, why };
    Ids {
        good: all.iter().map(|bytes| GoodId { text: base64url(bytes), hex: hex(bytes) }).collect(),
        bad: vec![
            bad(32, String::new(), "empty"),
            bad(32, format!("{text}="), "padding"),
            bad(32, format!("{}9", &text[..42]), "spare bits that are not zero"),
            bad(32, text.replace('_', "/"), "the alphabet of plain base64"),
            bad(32, format!(" {text}"), "white space"),
            bad(32, format!("{text}\n"), "white space"),
            bad(32, text[..42].to_owned(), "too short"),
            bad(32, format!("{text}A"), "too long"),
            bad(32, base64url([1; 16]), "the length of a log"),
            bad(16, base64url([1; 32]), "the length of a message"),
            bad(16, format!("{}B", &base64url([0; 16])[..21]), "spare bits that are not zero"),
        ],
    }
}

#[derive(Serialize)]
pub(crate) struct Cursors {
    pub(crate) good: Vec<GoodCursor>,
    pub(crate) bad: Vec<BadText>,
}

#[derive(Serialize)]
pub(crate) struct GoodCursor {
    pub(crate) text: String,
    pub(crate) log: String,
    pub(crate) seq: u64,
    pub(crate) admitted: u64,
}

#[derive(Serialize)]
pub(crate) struct BadText {
    pub(crate) text: String,
    pub(crate) why: &'static str,
}

pub(crate) fn cursors() -> Cursors {
    let good = |seq, admitted| GoodCursor {
        text: frames::cursor(&frames::log(), seq, admitted),
        log: base64url(frames::log()),
        seq,
        admitted,
    };
    let text = frames::cursor(&frames::log(), 41, NOW);
    let bad = |text: String, why| BadText { text, why };
    let with_version = |version| {
        let mut bytes = from_base64url(&text);
        bytes[0] = version;
        base64url(bytes)
    };
    Cursors {
        good: vec![good(0, 0), good(1, 1), good(41, NOW), good(5, 0), good((1 << 53) - 1, (1 << 53) - 1)],
        bad: vec![
            bad(String::new(), "empty"),
            bad("0".to_owned(), "too short"),
            bad("start".to_owned(), "a word for `after`, not a cursor"),
            bad(text[..43].to_owned(), "too short"),
            bad(format!("{text}A"), "too long"),
            bad(format!("{text}=="), "padding"),
            bad(with_version(0), "version 0"),
            bad(with_version(2), "version 2"),
            bad(frames::cursor(&frames::log(), 41, 1 << 53), "admitted above 2^53 - 1"),
            bad(frames::cursor(&frames::log(), 1 << 53, NOW), "sequence above 2^53 - 1"),
            bad(frames::cursor(&frames::log(), 0, 5), "admitted before anything was"),
            bad(format!(" {}", &text[1..]), "white space"),
        ],
    }
}

#[derive(Serialize)]
pub(crate) struct Channels {
    pub(crate) channels: Vec<&'static str>,
    pub(crate) filters: Vec<&'static str>,
    pub(crate) bad_channels: Vec<String>,
    pub(crate) bad_filters: Vec<String>,
}

pub(crate) fn channels() -> Channels {
    let long = "a".repeat(32);
    let bad = [
        "",
        "alert",
        "alert/",
        "/fr",
        "alert//fr",
        "alert/fr/idf",
        "alert/fr.",
        "alert/.fr",
        "alert/fr..idf",
        "alert/FR",
        "Alert/fr",
        "alert/île",
        "alert/fr idf",
        " alert/fr",
        "alert/fr ",
        "alert/fr\n",
        "alert/fr_idf",
        "alert/*",
        "alert/fr.*",
        "alert/**",
        "live/alert/fr",
        "exercise/exercise/alert/fr",
        "exercise/fr",
        "posture/fr",
        "cell/fr",
        "answer/fr",
        "trust/fr",
        "alert/a.b.c.d.e.f.g.h.i",
    ];
    let both: Vec<String> = bad.map(str::to_owned).into_iter().chain([format!("alert/{long}a")]).collect();
    let with =
        |texts: &[&str]| both.iter().cloned().chain(texts.iter().map(|text| (*text).to_owned())).collect();
    Channels {
        channels: vec![
            "alert/fr",
            "signal/fr.idf.75.paris",
            "exercise/alert/fr",
            "exercise/signal/fr.idf",
            "alert/a.b.c.d.e.f.g.h",
            "signal/0-9.-",
            "alert/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "alert/alert",
            "alert/exercise",
        ],
        filters: vec!["alert/fr", "alert/fr.**", "exercise/signal/fr.idf.**", "signal/a.b.c.d.e.f.g.h.**"],
        bad_channels: with(&["alert/fr.**"]),
        bad_filters: with(&["alert/fr.**.**", "alert/fr**", "alert/.**", "alert.**", "alert/fr.** "]),
    }
}

#[derive(Serialize)]
pub(crate) struct Hear {
    pub(crate) filter: &'static str,
    pub(crate) channel: &'static str,
    /// Heard at Minor, Moderate, Severe and Extreme.
    pub(crate) heard: [bool; 4],
}

pub(crate) fn hear() -> Vec<Hear> {
    const ALWAYS: [bool; 4] = [true; 4];
    const NEVER: [bool; 4] = [false; 4];
    const FROM_SEVERE: [bool; 4] = [false, false, true, true];
    [
        ("alert/fr.idf", "alert/fr.idf", ALWAYS),
        ("alert/fr.idf", "alert/fr", ALWAYS),
        ("alert/fr.idf", "alert/fr.idf.75", NEVER),
        ("alert/fr.idf", "alert/fr.naq", NEVER),
        ("alert/fr.idf", "alert/fr.id", NEVER),
        ("alert/fr.idf", "alert/fr.idfx", NEVER),
        ("alert/fr.idf", "alert/f", NEVER),
        ("alert/fr.idf.**", "alert/fr.idf", ALWAYS),
        ("alert/fr.idf.**", "alert/fr", ALWAYS),
        ("alert/fr.idf.**", "alert/fr.idf.75.paris", ALWAYS),
        ("alert/fr.idf.**", "alert/fr.idfx.75", NEVER),
        ("alert/fr.idf.**", "alert/fr.naq", NEVER),
        ("signal/fr.idf", "signal/fr.idf", ALWAYS),
        ("signal/fr.idf", "signal/fr.idf.75.paris", FROM_SEVERE),
        ("signal/fr.idf", "signal/fr", NEVER),
        ("signal/fr.idf", "signal/fr.idfx", NEVER),
        ("signal/fr", "signal/fr.idf.75.paris", FROM_SEVERE),
        ("signal/fr.idf.92.nanterre", "signal/fr.idf.75.paris", NEVER),
        ("signal/fr.idf.**", "signal/fr.idf", ALWAYS),
        ("signal/fr.idf.**", "signal/fr.idf.75.paris", ALWAYS),
        ("signal/fr.idf.**", "signal/fr", NEVER),
        ("signal/fr.idf.**", "signal/fr.idfx", NEVER),
        ("alert/fr", "signal/fr", NEVER),
        ("signal/fr.**", "alert/fr", NEVER),
        ("alert/fr.**", "exercise/alert/fr", NEVER),
        ("exercise/alert/fr.**", "alert/fr", NEVER),
        ("exercise/alert/fr.idf", "exercise/alert/fr", ALWAYS),
        ("exercise/signal/fr", "exercise/signal/fr.idf", FROM_SEVERE),
    ]
    .into_iter()
    .map(|(filter, channel, heard)| Hear { filter, channel, heard })
    .collect()
}
