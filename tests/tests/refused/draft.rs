//! What is done to a relay, before it is done: sound as it is made, so that a case need only say what is wrong.

use std::sync::Arc;

use serde_json::{Value, json};
use vigie_proto::channel::Plane;
use vigie_proto::severity::Severity;
use vigie_tests::world::{alert, now};

use crate::forge::{HOUR_MS, Holder, Key, id_of};

/// Whose session is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Publishes alerts and signals up to Moderate in Paris, and hears alerts.
    Author,
    /// The same on the exercise plane.
    Drill,
    /// As the author, but hears only.
    Listener,
}

/// An HTTP request.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Request {
    pub(crate) fn new() -> Self {
        let headers = [
            ("host", "localhost"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "vigie.v1"),
            ("origin", "https://console.example"),
        ];
        Self {
            method: "GET",
            path: "/",
            headers: headers.map(|(name, value)| (name, value.to_owned())).to_vec(),
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.remove(name);
        self.headers.push((name, value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(given, _)| *given != name);
    }

    pub(crate) fn to_text(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{} {} HTTP/1.1\r\n{headers}\r\n", self.method, self.path)
    }
}

/// A log-in.
pub(crate) struct LoginDraft {
    pub(crate) chain: Vec<String>,
    pub(crate) key: Arc<Key>,
    pub(crate) header: Value,
    pub(crate) payload: Value,
    /// The pinned root of the plane.
    pub(crate) root: Arc<Key>,
    /// A log-in frame that was good on another connection.
    pub(crate) earlier: String,
    /// Sent in its place.
    pub(crate) instead: Option<String>,
    pub(crate) binary: bool,
    pub(crate) edit_proof: fn(String) -> String,
    pub(crate) edit: fn(String) -> String,
}

impl LoginDraft {
    pub(crate) fn new(
        root: &Arc<Key>,
        holder: &Holder,
        chain: Vec<String>,
        nonce: &str,
        binding: &str,
    ) -> Self {
        Self {
            root: Arc::clone(root),
            header: json!({
                "alg": "EdDSA",
                "kid": id_of(chain.last().map_or("", String::as_str)),
                "typ": format!("vigie-login-{}-v1", holder.plane),
            }),
            payload: json!({"relay": "localhost", "nonce": nonce, "binding": binding}),
            key: Arc::clone(&holder.key),
            chain,
            earlier: String::new(),
            instead: None,
            binary: false,
            edit_proof: |proof| proof,
            edit: |text| text,
        }
    }

    /// Somebody else logs in.
    pub(crate) fn speak_as(&mut self, holder: &Holder) {
        self.header["kid"] = holder.id().into();
        self.key = Arc::clone(&holder.key);
        self.chain.clone_from(&holder.chain);
    }

    pub(crate) fn to_text(&self) -> String {
        let proof = (self.edit_proof)(self.key.sign(&self.header.to_string(), &self.payload.to_string()));
        let frame = json!({"op": "login", "chain": self.chain, "proof": proof});
        self.instead.clone().unwrap_or_else(|| (self.edit)(frame.to_string()))
    }
}

/// A message.
#[derive(Clone)]
pub(crate) struct MessageDraft {
    /// Whose session it is given to.
    pub(crate) by: Who,
    pub(crate) key: Arc<Key>,
    pub(crate) header: Value,
    pub(crate) payload: Value,
    /// Somebody else of the same plane.
    pub(crate) other: Arc<Holder>,
    /// Grown below `ext` to this length of the token, or up to three bytes less.
    pub(crate) pad_to: Option<usize>,
    pub(crate) edit_header: fn(String) -> String,
    pub(crate) edit_payload: fn(String) -> String,
    pub(crate) edit_token: fn(String) -> String,
}

impl MessageDraft {
    pub(crate) fn new(by: Who, holder: &Holder, other: &Arc<Holder>) -> Self {
        let live = holder.plane == "live";
        let (plane, prefix) = if live { (Plane::Live, "") } else { (Plane::Exercise, "exercise/") };
        let now = now().as_millis();
        // A word of its own, so that no two drafts are the same message.
        let word = Key::fresh().x();
        Self {
            by,
            key: Arc::clone(&holder.key),
            header: json!({
                "alg": "EdDSA", "kid": holder.id(), "typ": format!("vigie-message-{}-v1", holder.plane),
            }),
            payload: json!({
                "channel": format!("{prefix}alert/fr.idf.75.paris"),
                "sent": now,
                "expires": now + HOUR_MS,
                "severity": "Moderate",
                "label": {"tlp": "TLP:CLEAR"},
                "content": {"cap": alert(plane, &word, Severity::Moderate)},
            }),
            other: Arc::clone(other),
            pad_to: None,
            edit_header: |text| text,
            edit_payload: |text| text,
            edit_token: |text| text,
        }
    }

    pub(crate) fn cap(&mut self) -> &mut Value {
        &mut self.payload["content"]["cap"]
    }

    pub(crate) fn to_token(&self) -> String {
        let sign = |payload: &Value| {
            let header = (self.edit_header)(self.header.to_string());
            (self.edit_token)(self.key.sign(&header, &(self.edit_payload)(payload.to_string())))
        };
        let Some(length) = self.pad_to else { return sign(&self.payload) };
        let mut padded = self.payload.clone();
        padded["ext"] = json!({"pad": ""});
        // Three bytes of the payload are four of the token.
        let pad = (length - sign(&padded).len()) / 4 * 3;
        padded["ext"]["pad"] = "x".repeat(pad).into();
        sign(&padded)
    }
}

/// A frame of a session that has logged in.
pub(crate) struct FrameDraft {
    pub(crate) by: Who,
    pub(crate) frame: Value,
    pub(crate) binary: bool,
    /// Whether the relay can read the number of the request.
    pub(crate) numbered: bool,
    /// A cursor that the relay gave.
    pub(crate) cursor: String,
    /// A chain of the drill, whose key is the author's too.
    pub(crate) drill_chain: Vec<String>,
    /// A good chain of somebody else.
    pub(crate) other_chain: Vec<String>,
    /// The chain of the author.
    pub(crate) own_chain: Vec<String>,
    /// A credential whose chain is on disk.
    pub(crate) known: String,
    pub(crate) edit: fn(String) -> String,
}

impl FrameDraft {
    pub(crate) fn to_text(&self) -> String {
        (self.edit)(self.frame.to_string())
    }

    /// The answer when nothing is wrong, to an operation that there is.
    pub(crate) fn good_answer(&self) -> Option<&'static str> {
        match self.frame["op"].as_str() {
            Some("publish") => Some("receipt"),
            Some("subscribe") => Some("subscribed"),
            Some("history") => Some("page"),
            Some("credential") => Some("chain"),
            Some("chain") => Some("accepted"),
            _ => None,
        }
    }
}

/// An event that a relay gives to a reader.
pub(crate) struct EventDraft {
    pub(crate) message: MessageDraft,
    /// Given before it; nothing when it is empty.
    pub(crate) chain: Vec<String>,
    pub(crate) admitted: u64,
    /// Whether another message stands in its payload.
    pub(crate) swap: bool,
    /// The roots that the reader pins.
    pub(crate) root: Arc<Key>,
    pub(crate) exercise_root: Arc<Key>,
}

impl EventDraft {
    /// The same, said by somebody else under his own name.
    pub(crate) fn speak_as(&mut self, holder: &Holder) {
        self.message.header["kid"] = holder.id().into();
        self.message.key = Arc::clone(&holder.key);
        self.chain.clone_from(&holder.chain);
    }

    pub(crate) fn to_token(&self) -> String {
        let token = self.message.to_token();
        if !self.swap {
            return token;
        }
        let mut other = self.message.clone();
        other.payload["severity"] = "Severe".into();
        let other = other.to_token();
        let part = |token: &str, place: usize| token.split('.').nth(place).unwrap().to_owned();
        [part(&token, 0), part(&other, 1), part(&token, 2)].join(".")
    }
}
