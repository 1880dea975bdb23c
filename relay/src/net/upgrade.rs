//! The relay's door to hyper: one HTTP/1.1 request, which must be a WebSocket upgrade.
//!
//! Of an upgrade hyper only reads the request. The answer is left to whoever serves the WebSocket, so that it leaves in one
//! write with the first frame; and nothing of hyper stays on the connection. A request that is no upgrade is answered with
//! a status and a sentence, so that someone with a browser or curl learns what he reached.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use vigie_proto::limits::SUBPROTOCOL;
use vigie_proto::refusal::{Code, Ends};

#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::worker::RefusalCounts;

/// The request head: hyper's least, and more than any client sends. Past it hyper answers 431.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// What an upgrade is judged by.
#[derive(Debug, Default)]
pub(crate) struct UpgradeRules {
    /// Origins whose pages may connect.
    pub(crate) origins: Vec<String>,
    /// What was refused so far, on this worker.
    pub(crate) refused: RefCell<RefusalCounts>,
    /// Requests that hyper could not read and answered by itself, 400 or 431, so far.
    pub(crate) unreadable: Cell<u64>,
}

/// A stream that is a WebSocket once its client is told so.
#[derive(Debug)]
pub(crate) struct Upgraded<S> {
    pub(crate) stream: S,
    /// What was read behind the request.
    pub(crate) read_ahead: Bytes,
    /// What the client waits for: to be written before any frame.
    pub(crate) answer: Bytes,
}

/// Serves the one request. `Some` when it asks for a WebSocket and may have one; all else is answered. `is_exceeded` says of
/// the stream whether more came than a stranger may send.
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    rules: &UpgradeRules,
    full: Option<Code>,
    is_exceeded: impl Fn(&S) -> bool,
) -> Option<Upgraded<S>> {
    let answer = Cell::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        let refused = match judge(&request, rules, full) {
            Ok(key) => {
                answer.set(Some(switching(&derive_accept_key(key.as_bytes()))));
                None
            }
            Err(code) => {
                rules.refused.borrow_mut().note(code);
                Some(refusal(code))
            }
        };
        async {
            match refused {
                Some(refusal) => Ok::<_, Infallible>(refusal),
                // The connection is taken from hyper before it asks again.
                None => std::future::pending().await,
            }
        }
    });
    let mut connection =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(TokioIo::new(stream), service);
    let (served, answer) = std::future::poll_fn(|cx| {
        let served = Pin::new(&mut connection).poll(cx);
        match answer.take() {
            Some(answer) => Poll::Ready((Ok(()), Some(answer))),
            None => served.map(|served| (served, None)),
        }
    })
    .await;
    if let Err(error) = served {
        tracing::debug!(%error, "no upgrade");
        rules.unreadable.set(rules.unreadable.get() + u64::from(error.is_parse()));
    }
    let parts = connection.into_parts();
    let Some(answer) = answer else {
        // hyper takes it for an end where nothing of a request has come.
        if is_exceeded(parts.io.inner()) {
            rules.refused.borrow_mut().note(Code::TooManyBytes);
        }
        return None;
    };
    // Copied: a few bytes, or none, would hold the whole buffer of HTTP.
    let read_ahead = Bytes::copy_from_slice(&parts.read_buf);
    Some(Upgraded { stream: parts.io.into_inner(), read_ahead, answer })
}

fn judge<'a>(
    request: &'a Request<Incoming>,
    rules: &UpgradeRules,
    full: Option<Code>,
) -> Result<&'a HeaderValue, Code> {
    let headers = request.headers();
    let has = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if request.uri().path() != "/" {
        return Err(Code::NotFound);
    }
    // What follows the request must be frames, not a body.
    let is_websocket = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && has(CONNECTION, "upgrade")
        && has(UPGRADE, "websocket")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_websocket && is_nonce(key)) else {
        return Err(Code::NotWebsocket);
    };
    // A page of another origin could act in the name of a person who trusts this relay. Each that is named counts: who
    // stands between could read another of them than this does.
    let is_allowed = |origin| rules.origins.iter().any(|allowed| origin == allowed.as_str());
    #[cfg(feature = "sabotage")]
    let is_allowed = |origin| Sabotage::OriginIgnored.is_planted() || is_allowed(origin);
    if !headers.get_all(ORIGIN).iter().all(is_allowed) {
        return Err(Code::OriginRefused);
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Code::WrongSubprotocol);
    }
    full.map_or(Ok(key), Err)
}

/// 16 bytes in base64 (RFC 6455, section 4.2.1).
fn is_nonce(key: &HeaderValue) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.as_bytes().strip_suffix(b"==").is_some_and(|key| key.len() == 22 && key.iter().all(is_base64))
}

fn switching(accept: &str) -> Bytes {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-protocol: {SUBPROTOCOL}\r\nsec-websocket-accept: {accept}\r\n\r\n"
    )
    .into()
}

fn refusal(code: Code) -> Response<Full<Bytes>> {
    let status = match code.ends() {
        Ends::Http(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        Ends::Request | Ends::Close(_) => StatusCode::BAD_REQUEST,
    };
    let body = format!("{}: {}\n{}\n", code, code.english(), code.french());
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    response
}
