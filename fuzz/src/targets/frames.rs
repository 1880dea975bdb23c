//! Frames, of a client and of a relay: read, written, read again.

use vigie_proto::frame::{ClientFrame, FromRelay, ServerFrame};
use vigie_proto::json::{self, JsonError};
use vigie_proto::limits::{FRAME_BYTES_MAX, JSON_INTEGER_MAX};
use vigie_proto::refusal::Code;

use super::refused;
use crate::{Outcome, plant};

/// What the WebSocket hands on.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| text.len() <= FRAME_BYTES_MAX)
}

/// Written, a frame is no longer than what it was read from, and what a newer peer may add changes nothing.
fn judge_written(written: &str, text: &str) -> String {
    assert!(written.len() <= text.len(), "{written}\nis longer than\n{text}");
    assert_eq!(json::check(written.as_bytes()), Ok(()));
    written.replacen('{', r#"{"of a later version":[{"op":null}],"#, 1)
}

/// A frame of a client.
pub fn client_frame(data: &[u8]) -> Outcome {
    let Some(text) = text(data) else { return Outcome::Passed };
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = frame.to_text();
            assert_eq!(ClientFrame::parse(&written).as_ref(), Ok(&frame), "{written}");
            assert_eq!(ClientFrame::parse(&judge_written(&written, text)).as_ref(), Ok(&frame), "{written}");
            assert!(frame.number().is_none_or(|number| number <= JSON_INTEGER_MAX));
            plant::inside("client_frame", || {
                let is_met = |channels: &[_], limit: u32| channels.len() == 2 && limit > 256;
                matches!(&frame, ClientFrame::History { channels, limit, .. } if is_met(channels, *limit))
            });
            Outcome::Taken
        }
        Err(rejection) => {
            assert!(rejection.re.is_none_or(|number| number <= JSON_INTEGER_MAX));
            let expected: &[Code] = match json::check(text.as_bytes()) {
                Ok(()) => &[Code::UnknownOperation, Code::MalformedFrame],
                Err(JsonError::Duplicate(_)) => &[Code::DuplicateMember],
                Err(_) => &[Code::NotJson],
            };
            refused(&rejection.refusal, expected)
        }
    }
}

/// A frame of a relay.
pub fn server_frame(data: &[u8]) -> Outcome {
    let Some(text) = text(data) else { return Outcome::Passed };
    match ServerFrame::parse(text) {
        Ok(FromRelay::Known(frame)) => {
            let written = frame.to_text();
            let by_serde = serde_json::to_string(&frame).expect("a frame has text keys");
            assert_eq!(written, by_serde, "the short way of an event");
            let known = Ok(FromRelay::Known(frame.clone()));
            assert_eq!(ServerFrame::parse(&written), known);
            assert_eq!(ServerFrame::parse(&judge_written(&written, text)), known);
            plant::inside("server_frame", || {
                let is_met = |re: u64, from: &str| re == 7 && from.len() == 44;
                matches!(&frame, ServerFrame::Gap { re: Some(re), from, .. } if is_met(*re, from))
            });
            Outcome::Taken
        }
        Ok(FromRelay::Later) => Outcome::Passed,
        Err(error) => {
            assert!(json::check(text.as_bytes()).is_err() || matches!(error, JsonError::Shape(_)), "{error}");
            Outcome::Refused
        }
    }
}
