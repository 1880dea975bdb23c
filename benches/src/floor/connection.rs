//! One connection: TLS, upgrade, then what its path says.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::{QUEUE_FRAMES_MAX, Shared};
use crate::websocket::{BINARY, CLOSE, Frames, accept_key, put_server_head};

/// As the relay sets it.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// As the relay sets it before a log-in. Of its sessions it switches this off where it can ask TCP itself; nothing that is
/// measured here comes to this end.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// What one TLS write takes at most, and one frame.
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// What is read of a publisher at once.
const READ_BYTES: usize = 64 * 1024;
/// What a reader says is a close at most.
const HEARD_BYTES: usize = 128;
/// A request for an upgrade is a few hundred bytes.
const REQUEST_BYTES_MAX: usize = 4 * 1024;

pub(super) async fn serve(shared: &Rc<Shared>, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(&stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    let mut tls = shared.acceptor.accept(stream).await?;
    let path = upgrade(&mut tls).await?;
    match &*path {
        "/read" => read(shared, tls).await,
        "/all" => publish(tls, |frame| shared.give_all(&frame)).await,
        "/one" => publish(tls, |frame| shared.give_one(frame)).await,
        "/durable" => durable(shared, tls).await,
        _ => bail!("no such path"),
    }
}

/// Gives the path that was asked for.
async fn upgrade(tls: &mut TlsStream<TcpStream>) -> anyhow::Result<String> {
    let mut request = Vec::with_capacity(512);
    while !request.ends_with(b"\r\n\r\n") {
        let read = tls.read_buf(&mut request).await?;
        anyhow::ensure!(read > 0 && request.len() <= REQUEST_BYTES_MAX, "no request");
    }
    let request = String::from_utf8(request)?;
    let mut lines = request.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).context("no path")?.to_owned();
    let key = lines
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key.context("no key")?)
    );
    tls.write_all(answer.as_bytes()).await?;
    tls.flush().await?;
    Ok(path)
}

/// A reader: all that waits, in one write.
async fn read(shared: &Rc<Shared>, mut tls: TlsStream<TcpStream>) -> anyhow::Result<()> {
    let (sender, mut queue) = mpsc::channel::<Bytes>(QUEUE_FRAMES_MAX);
    shared.readers.borrow_mut().push(sender);
    let mut heard = [0; HEARD_BYTES];
    loop {
        let first = tokio::select! {
            biased;
            first = queue.recv() => first.context("nobody publishes any more")?,
            read = tls.read(&mut heard) => match read? {
                0 => return Ok(()),
                _ => continue,
            },
        };
        let mut batch = shared.buffers.borrow_mut().pop().unwrap_or_default();
        batch.extend_from_slice(&first);
        while batch.len() < BATCH_BYTES_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.extend_from_slice(&next);
        }
        tls.write_all(&batch).await?;
        tls.flush().await?;
        batch.clear();
        shared.buffers.borrow_mut().push(batch);
    }
}

/// A publisher: each message becomes one ready frame.
async fn publish(mut tls: TlsStream<TcpStream>, give: impl Fn(Bytes)) -> anyhow::Result<()> {
    let (mut frames, mut read) = (Frames::default(), vec![0; READ_BYTES]);
    loop {
        let length = tls.read(&mut read).await?;
        anyhow::ensure!(length > 0, "the publisher is gone");
        frames.feed(&read[..length], &mut |opcode, payload| {
            anyhow::ensure!(opcode != CLOSE, "the publisher is done");
            let mut frame = Vec::with_capacity(payload.len() + 10);
            put_server_head(BINARY, payload.len(), &mut frame);
            frame.extend_from_slice(payload);
            give(frame.into());
            Ok(())
        })?;
        // Writers run when several frames wait for each.
        tokio::task::yield_now().await;
    }
}

/// A publisher that is told when its message is on disk.
async fn durable(shared: &Rc<Shared>, mut tls: TlsStream<TcpStream>) -> anyhow::Result<()> {
    let file = shared.file.as_ref().context("there is no file")?;
    let (done, mut synced) = mpsc::channel(QUEUE_FRAMES_MAX);
    let (mut frames, mut read) = (Frames::default(), vec![0; READ_BYTES]);
    loop {
        tokio::select! {
            biased;
            receipt = synced.recv() => {
                let receipt: [u8; 8] = receipt.context("the file is gone")?;
                let mut frame = Vec::with_capacity(32);
                put_server_head(BINARY, receipt.len(), &mut frame);
                frame.extend_from_slice(&receipt);
                tls.write_all(&frame).await?;
                tls.flush().await?;
            }
            length = tls.read(&mut read) => {
                let length = length?;
                anyhow::ensure!(length > 0, "the publisher is gone");
                frames.feed(&read[..length], &mut |opcode, payload| {
                    anyhow::ensure!(opcode != CLOSE, "the publisher is done");
                    file.append(Bytes::copy_from_slice(payload), done.clone())
                })?;
            }
        }
    }
}
