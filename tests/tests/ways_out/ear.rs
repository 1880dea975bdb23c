//! A session of which every byte is kept, and what to look for in it.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use vigie_proto::verify;
use vigie_tests::raw::Raw;

use crate::cast::{Cast, Listener, TEXT};

/// See the module's documentation.
pub(crate) struct Ear {
    raw: Raw,
    /// Every text since `welcome`.
    pub(crate) heard: Vec<String>,
    n: u64,
}

impl Ear {
    pub(crate) async fn log_in(cast: &Cast, at: SocketAddr, listener: &Listener) -> Self {
        let raw = Raw::log_in(&cast.world, at, &listener.person).await;
        Self { raw, heard: Vec::new(), n: 0 }
    }

    /// The next frame.
    async fn next(&mut self) -> Value {
        loop {
            match self.raw.next_message().await.expect("the session goes on") {
                Message::Text(text) => {
                    self.heard.push(text.to_string());
                    return serde_json::from_str(&text).unwrap();
                }
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Reads up to the frame that this holds of.
    pub(crate) async fn until(&mut self, is_last: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if is_last(&frame) {
                return frame;
            }
        }
    }

    /// Reads up to the event that brings these bytes.
    pub(crate) async fn until_event(&mut self, jws: &str) {
        self.until(|frame| frame["op"] == "event" && frame["jws"] == jws).await;
    }

    /// Asks, and reads up to the answer that ends the request.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        self.n += 1;
        let n = self.n;
        request["n"] = n.into();
        self.raw.send(&request.to_string()).await;
        self.until(|frame| frame["re"] == n && !["past", "gap"].map(Value::from).contains(&frame["op"])).await
    }

    pub(crate) async fn subscribe(&mut self, listener: &Listener, after: Option<&str>) {
        let mut request = json!({"op": "subscribe", "channels": [listener.filter]});
        if let Some(after) = after {
            request["after"] = after.into();
        }
        let answer = self.ask(request).await;
        assert_eq!(answer["op"], "subscribed", "{answer}");
    }

    /// What it was told of the message.
    pub(crate) fn found(&self, cast: &Cast) -> Vec<&'static str> {
        let mut all = self.heard.join("\n");
        // What stands inside signed bytes counts as well.
        for token in
            self.heard.iter().flat_map(|text| text.split('"')).filter(|word| word.matches('.').count() == 2)
        {
            for part in token.split('.') {
                all += &String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
                all.push('\n');
            }
        }
        let leaf = cast.author.chain.leaf();
        let signed =
            verify::verify(&cast.jws, &cast.author.chain, vigie_proto::limits::MESSAGE_LIFETIME_MAX).unwrap();
        let signature = cast.jws.rsplit_once('.').unwrap().1.to_owned();
        let mut needles = vec![
            ("id", signed.id().to_string()),
            ("bytes", cast.jws.clone()),
            ("signature", signature),
            ("text", TEXT.to_owned()),
            ("author", leaf.id().to_string()),
            ("credential", leaf.token().to_string()),
            ("name", leaf.claims().name.clone()),
        ];
        let channel = cast.secret.channel.to_string();
        // One who asked for the channel himself has the word from elsewhere.
        if cast.outsider.filter != channel {
            needles.push(("channel", format!("\"{channel}\"")));
        }
        needles.into_iter().filter(|(_, needle)| all.contains(needle)).map(|(what, _)| what).collect()
    }
}
