//! Requests that do not become a session.

use vigie_proto::refusal::Code::{NotFound, NotWebsocket, OriginRefused, WrongSubprotocol};

use crate::case::{Case, upgrade, upgrade_in};

pub(crate) const CASES: &[Case] = &[
    upgrade("a page is asked for", NotWebsocket, |request| {
        for name in ["connection", "upgrade", "sec-websocket-version", "sec-websocket-key"] {
            request.remove(name);
        }
    }),
    upgrade("the method is POST", NotWebsocket, |request| request.method = "POST"),
    upgrade("no upgrade is asked for", NotWebsocket, |request| request.set("connection", "keep-alive")),
    upgrade("another protocol is asked for", NotWebsocket, |request| request.set("upgrade", "h2c")),
    upgrade("an old version of WebSocket", NotWebsocket, |request| request.set("sec-websocket-version", "8")),
    upgrade("the WebSocket key is missing", NotWebsocket, |request| request.remove("sec-websocket-key")),
    upgrade("no subprotocol", WrongSubprotocol, |request| request.remove("sec-websocket-protocol")),
    upgrade("a subprotocol of another version", WrongSubprotocol, |request| {
        request.set("sec-websocket-protocol", "vigie.v2, mqtt");
    }),
    upgrade_in(
        "several subprotocols without ours",
        WrongSubprotocol,
        |request| request.set("sec-websocket-protocol", "mqtt, vigie.v1"),
        |request| request.set("sec-websocket-protocol", "mqtt, vigie.v1x"),
    ),
    upgrade("another path", NotFound, |request| request.path = "/admin"),
    upgrade("a page of another origin", OriginRefused, |request| {
        request.set("origin", "https://console.example.evil.example");
    }),
    upgrade_in(
        "a page without an origin of its own",
        OriginRefused,
        |request| request.remove("origin"),
        |request| request.set("origin", "null"),
    ),
];
