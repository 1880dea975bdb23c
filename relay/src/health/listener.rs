//! The health listener: plain HTTP/1.1 for probes and `vigie relay status`, on a thread and a port of its own.
//!
//! A probe needs no certificate, and what clients do on their port cannot keep it from an answer, nor the reverse: no
//! connection of one ever reaches the other. Whoever reaches this port learns how the relay is and how many are on it,
//! never who; so it is meant for loopback or a network of operators.
//!
//! One request a connection, only `GET`, no body. Its thread may fail or be kept busy without any harm to the relay.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Health, LIVE_WITHIN, READY_WITHIN, Reason, Status, metrics};

/// Connections at once: a handful of probes and people. Past it a newcomer gets 503 at once, unheard.
pub const CONNECTIONS_MAX: usize = 32;

/// From accept to the last byte of the answer; then the connection is dropped.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// The request head: hyper's least, and more than any probe sends. Past it hyper answers 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// After a failed accept (no descriptors left, say): the next try comes this much later, not at once and for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves until `stop` says so, on a thread of its own.
///
/// No panic of it is told to the owner of the relay: alerts go on without it.
pub(crate) fn spawn(
    listener: TcpListener,
    health: Arc<Health>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    std::thread::Builder::new().name("vigie-health".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(listener, health, stop))
    })
}

async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            // Best effort: who sent more than is read may see a reset in its place.
            Ok((stream, _)) if open.len() >= CONNECTIONS_MAX => drop(stream.try_write(BUSY)),
            Ok((stream, _)) => {
                let health = Arc::clone(&health);
                open.spawn(tokio::time::timeout(REQUEST_WITHIN, answer_one(stream, health)));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection of the health listener");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer_one(stream: TcpStream, health: Arc<Health>) {
    let service = service_fn(|request: Request<Incoming>| {
        std::future::ready(Ok::<_, Infallible>(answer(&request, || health.status())))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "no answer to a request for health");
    }
}

fn answer(request: &Request<Incoming>, status: impl FnOnce() -> Status) -> Response<Full<Bytes>> {
    let tell: fn(&Status) -> Response<Full<Bytes>> = match request.uri().path() {
        "/livez" => live,
        "/readyz" => ready,
        "/status" => whole,
        "/metrics" => numbers,
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "not found; there are /livez, /readyz, /status and /metrics\n".to_owned(),
            );
        }
    };
    if request.method() != Method::GET {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    if !request.body().is_end_stream() {
        return text(StatusCode::BAD_REQUEST, "a request for health has no body\n".to_owned());
    }
    tell(&status())
}

fn live(status: &Status) -> Response<Full<Bytes>> {
    if status.live {
        return text(StatusCode::OK, "live\n".to_owned());
    }
    let silent = silent(status, LIVE_WITHIN);
    // Without a silent thread it is one that ended.
    let told = if silent.is_empty() { reasons(status) } else { silent };
    text(StatusCode::SERVICE_UNAVAILABLE, told)
}

fn ready(status: &Status) -> Response<Full<Bytes>> {
    if !status.ready {
        let told = reasons(status) + &silent(status, READY_WITHIN);
        return text(StatusCode::SERVICE_UNAVAILABLE, told);
    }
    let mut told = "ready\n".to_owned();
    for warning in &status.warnings {
        // Writing to a String does not fail.
        let _ = writeln!(told, "warning {}: {}", warning.as_str(), warning.english());
    }
    text(StatusCode::OK, told)
}

fn reasons(status: &Status) -> String {
    // Which threads are silent is told line by line.
    let told = status.reasons.iter().filter(|reason| **reason != Reason::ThreadSilent);
    told.map(|reason| format!("{}: {}\n", reason.as_str(), reason.english())).collect()
}

fn silent(status: &Status, longer: Duration) -> String {
    let (code, sentence) = (Reason::ThreadSilent.as_str(), Reason::ThreadSilent.english());
    let one = |name: &str, ms: Option<u64>| {
        let ms = ms.unwrap_or(status.uptime_ms);
        format!("{code}: {name} for {ms} ms; {sentence}\n")
    };
    status.silent_threads(longer).map(|thread| one(&thread.name, thread.silent_ms)).collect()
}

fn whole(status: &Status) -> Response<Full<Bytes>> {
    match serde_json::to_vec(status) {
        Ok(mut json) => {
            json.push(b'\n');
            respond(StatusCode::OK, "application/json", json.into())
        }
        // Numbers, names and codes always are JSON.
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn numbers(status: &Status) -> Response<Full<Bytes>> {
    respond(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(status).into())
}

fn text(code: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(code, "text/plain; charset=utf-8", body.into())
}

fn respond(code: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
