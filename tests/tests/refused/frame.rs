//! Frames of a session that has logged in, up to the message inside, which has a table of its own.

use serde_json::{Value, json};
use vigie_proto::limits::FRAME_BYTES_MAX;
use vigie_proto::refusal::Code::{
    DuplicateMember, FrameTooLarge, MalformedChannel, MalformedCursor, MalformedFrame, NotAuthor, NotGranted,
    NotJson, NotText, OutOfJurisdiction, TooManySubscriptions, UnknownCredential, UnknownOperation,
    WrongPlane,
};

use crate::case::{Case, frame, frame_in};
use crate::draft::FrameDraft;
use crate::forge::{base64, padded};

/// The text is what the relay cannot make out a number in.
fn garble(draft: &mut FrameDraft, edit: fn(String) -> String) {
    draft.numbered = false;
    draft.edit = edit;
}

fn with_member(text: &str, member: &str) -> String {
    format!("{},{member}}}", text.strip_suffix('}').unwrap())
}

fn subscribe(draft: &mut FrameDraft) {
    draft.frame = json!({"op": "subscribe", "channels": ["alert/fr.idf.75.paris"]});
}

fn history(draft: &mut FrameDraft) {
    draft.frame =
        json!({"op": "history", "channels": ["alert/fr.idf.75.paris"], "after": draft.cursor, "limit": 1});
}

fn channels(draft: &mut FrameDraft, channels: Value) {
    draft.frame["channels"] = channels;
}

pub(crate) const CASES: &[Case] = &[
    frame("a binary frame", NotText, |draft| {
        draft.numbered = false;
        draft.binary = true;
    }),
    frame_in(
        "one byte more than a frame may have",
        FrameTooLarge,
        |draft| draft.edit = |text| padded(&text, FRAME_BYTES_MAX),
        |draft| garble(draft, |text| padded(&text, FRAME_BYTES_MAX + 1)),
    ),
    frame("half of a frame", NotJson, |draft| garble(draft, |text| text[..text.len() / 2].to_owned())),
    frame("nothing", NotJson, |draft| garble(draft, |_| String::new())),
    frame("a text", NotJson, |draft| garble(draft, |_| "bonjour".to_owned())),
    frame("an array around the frame", NotJson, |draft| garble(draft, |text| format!("[{text}]"))),
    frame("two frames in one", NotJson, |draft| garble(draft, |text| format!("{text}{text}"))),
    frame_in(
        "a number above 2^53 - 1",
        NotJson,
        |draft| draft.edit = |text| with_member(&text, r#""x":9007199254740991"#),
        |draft| garble(draft, |text| with_member(&text, r#""x":9007199254740992"#)),
    ),
    frame("a number with a fraction", NotJson, |draft| {
        garble(draft, |text| with_member(&text, r#""x":0.5"#))
    }),
    frame("half of a surrogate pair", NotJson, |draft| {
        garble(draft, |text| with_member(&text, r#""x":"\ud800""#))
    }),
    frame_in(
        "seventeen levels",
        NotJson,
        |draft| {
            draft.edit = |text| with_member(&text, &format!(r#""x":{}{}"#, "[".repeat(15), "]".repeat(15)))
        },
        |draft| {
            garble(draft, |text| with_member(&text, &format!(r#""x":{}{}"#, "[".repeat(16), "]".repeat(16))));
        },
    ),
    frame("a member given twice", DuplicateMember, |draft| {
        garble(draft, |text| text.replacen('{', r#"{"op":"publish","#, 1));
    }),
    frame("a member given twice, spelt otherwise", DuplicateMember, |draft| {
        garble(draft, |text| text.replacen('{', r#"{"\u006fp":"history","#, 1));
    }),
    frame_in(
        "a member given twice far inside what is ignored",
        DuplicateMember,
        |draft| draft.edit = |text| with_member(&text, r#""x":[{"y":{"a":1,"b":2}}]"#),
        |draft| garble(draft, |text| with_member(&text, r#""x":[{"y":{"a":1,"a":2}}]"#)),
    ),
    frame("no operation", MalformedFrame, |draft| {
        garble(draft, |text| text.replace(r#""op""#, r#""operation""#))
    }),
    frame("no number", MalformedFrame, |draft| garble(draft, |text| text.replace(r#""n""#, r#""number""#))),
    frame("a number that is a text", MalformedFrame, |draft| {
        draft.numbered = false;
        draft.frame["n"] = "1".into();
    }),
    frame("a publish of nothing", MalformedFrame, |draft| {
        draft.edit = |text| text.replace(r#""jws""#, r#""jwt""#)
    }),
    frame("a message that is an object", MalformedFrame, |draft| draft.frame["jws"] = json!({})),
    frame_in("channels that are a text", MalformedFrame, subscribe, |draft| {
        channels(draft, "alert/fr".into())
    }),
    frame_in("a page of no message", MalformedFrame, history, |draft| draft.frame["limit"] = 0.into()),
    frame_in(
        "a page of 257 messages",
        MalformedFrame,
        |draft| {
            history(draft);
            draft.frame["limit"] = 256.into();
        },
        |draft| draft.frame["limit"] = 257.into(),
    ),
    frame_in("a history from nowhere", MalformedFrame, history, |draft| {
        draft.edit = |text| text.replace(r#""after""#, r#""before""#);
    }),
    frame("an operation that nobody knows", UnknownOperation, |draft| draft.frame["op"] = "broadcast".into()),
    frame("an operation of the relay", UnknownOperation, |draft| draft.frame["op"] = "receipt".into()),
    frame("a second log-in", UnknownOperation, |draft| {
        draft.numbered = false;
        draft.frame = json!({"op": "login", "chain": draft.own_chain, "proof": "a.b.c"});
    }),
    // What to hear.
    frame_in(
        "257 channels",
        TooManySubscriptions,
        |draft| {
            subscribe(draft);
            channels(draft, vec!["alert/fr.idf.75.paris"; 256].into());
        },
        |draft| channels(draft, vec!["alert/fr.idf.75.paris"; 257].into()),
    ),
    frame_in("no channel", TooManySubscriptions, subscribe, |draft| channels(draft, json!([]))),
    frame_in("a history of no channel", TooManySubscriptions, history, |draft| channels(draft, json!([]))),
    frame_in("a channel in upper case", MalformedChannel, subscribe, |draft| {
        channels(draft, json!(["alert/fr.idf.75.paris", "alert/FR"]));
    }),
    frame_in("a flow that is reserved", MalformedChannel, subscribe, |draft| {
        channels(draft, json!(["posture/fr"]))
    }),
    frame_in("a channel without a place", MalformedChannel, subscribe, |draft| {
        channels(draft, json!(["alert"]))
    }),
    frame_in("a star in the middle", MalformedChannel, subscribe, |draft| {
        channels(draft, json!(["alert/fr.*.75"]))
    }),
    frame_in("an empty segment", MalformedChannel, history, |draft| {
        channels(draft, json!(["alert/fr..idf"]))
    }),
    frame_in("a subscription on the other plane", WrongPlane, subscribe, |draft| {
        channels(draft, json!(["alert/fr.idf.75.paris", "exercise/alert/fr.idf.75.paris"]));
    }),
    frame_in("a history of the other plane", WrongPlane, history, |draft| {
        channels(draft, json!(["exercise/alert/fr.idf.75.paris"]));
    }),
    frame_in("hears a flow that it may only publish", NotGranted, subscribe, |draft| {
        channels(draft, json!(["signal/fr.idf.75.paris"]));
    }),
    frame_in("hears a place above its own", OutOfJurisdiction, subscribe, |draft| {
        channels(draft, json!(["alert/fr.idf"]));
    }),
    frame_in("hears a place beside its own", OutOfJurisdiction, subscribe, |draft| {
        channels(draft, json!(["alert/fr.idf.92.nanterre.**"]));
    }),
    frame_in("reads the history of another place", OutOfJurisdiction, history, |draft| {
        channels(draft, json!(["alert/fr.naq.33.bordeaux"]));
    }),
    frame_in(
        "a cursor that no relay gave",
        MalformedCursor,
        |draft| {
            subscribe(draft);
            draft.frame["after"] = draft.cursor.clone().into();
        },
        |draft| draft.frame["after"] = "0".into(),
    ),
    frame_in("a cursor with a character too few", MalformedCursor, history, |draft| {
        draft.frame["after"] = draft.cursor[1..].into();
    }),
    // Chains of others.
    frame_in(
        "the chain of a credential that is not there",
        UnknownCredential,
        |draft| draft.frame = json!({"op": "credential", "id": draft.known}),
        |draft| draft.frame["id"] = base64(&[7; 32]).into(),
    ),
    frame_in(
        "speaks for somebody else by giving his chain",
        NotAuthor,
        |draft| draft.frame = json!({"op": "chain", "chain": draft.own_chain}),
        |draft| draft.frame["chain"] = draft.other_chain.clone().into(),
    ),
    frame_in(
        "gives a chain of the other plane for the same key",
        WrongPlane,
        |draft| draft.frame = json!({"op": "chain", "chain": draft.own_chain}),
        |draft| draft.frame["chain"] = draft.drill_chain.clone().into(),
    ),
];
