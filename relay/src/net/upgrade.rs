//! The relay's door to hyper: one HTTP/1.1 request, which must be a WebSocket upgrade.
//!
//! After the upgrade nothing of hyper stays on the connection. A request that is none is answered with a status and a
//! sentence, so that someone with a browser or curl learns what he reached.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use vigie_proto::limits::SUBPROTOCOL;
use vigie_proto::refusal::{Code, Ends};

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

/// Serves the one request. `Some` with the stream, and what was read ahead of it, when it became a WebSocket.
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    rules: &Rc<UpgradeRules>,
    full: bool,
) -> Option<(S, Bytes)> {
    let accepted: Rc<RefCell<Option<OnUpgrade>>> = Rc::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        let answer = answer(&request, rules, full);
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            *accepted.borrow_mut() = Some(hyper::upgrade::on(&mut request));
        }
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let served = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "no upgrade");
        rules.unreadable.set(rules.unreadable.get() + u64::from(error.is_parse()));
        return None;
    }
    let on_upgrade = accepted.borrow_mut().take()?;
    let parts = on_upgrade.await.ok()?.downcast::<TokioIo<S>>().ok()?;
    // Copied: a few bytes, or none, would hold the whole buffer of HTTP.
    Some((parts.io.into_inner(), Bytes::copy_from_slice(&parts.read_buf)))
}

fn answer(request: &Request<Incoming>, rules: &UpgradeRules, full: bool) -> Response<Full<Bytes>> {
    match judge(request, rules, full) {
        Ok(key) => switching(&derive_accept_key(key.as_bytes())),
        Err(code) => {
            rules.refused.borrow_mut().note(code);
            refusal(code)
        }
    }
}

fn judge<'a>(
    request: &'a Request<Incoming>,
    rules: &UpgradeRules,
    full: bool,
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
    let is_websocket = request.method() == Method::GET
        && has(CONNECTION, "upgrade")
        && has(UPGRADE, "websocket")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_websocket && is_nonce(key)) else {
        return Err(Code::NotWebsocket);
    };
    // A page of another origin could act in the name of a person who trusts this relay. Each that is named counts: who
    // stands between could read another of them than this does.
    let is_allowed = |origin| rules.origins.iter().any(|allowed| origin == allowed.as_str());
    if !headers.get_all(ORIGIN).iter().all(is_allowed) {
        return Err(Code::OriginRefused);
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Code::WrongSubprotocol);
    }
    if full { Err(Code::TooManyConnections) } else { Ok(key) }
}

/// 16 bytes in base64 (RFC 6455, section 4.2.1).
fn is_nonce(key: &HeaderValue) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.as_bytes().strip_suffix(b"==").is_some_and(|key| key.len() == 22 && key.iter().all(is_base64))
}

fn switching(accept: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
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
