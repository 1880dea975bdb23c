//! The writing half of a connection: batches of frames, straight to TLS.
//!
//! The WebSocket library only reads: for writing it would keep a buffer for each connection, as large as the most that
//! ever waited in it, and copy each frame there. Here a batch is filled in the worker's buffer when TLS has sent all that
//! it had, and TLS takes it whole; so a peer that does not read holds one batch there, and all else waits in the outbox,
//! which is bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::batch::Batch;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Writer {
    /// What goes before the next batch: the end of a longer frame that was left over, or what comes before all frames.
    rest: Bytes,
    /// TLS may hold bytes that it has not sent.
    unsent: bool,
}

impl Writer {
    /// Nothing was written; this is first.
    pub(super) const fn beginning_with(first: Bytes) -> Self {
        Self { rest: first, unsent: false }
    }

    /// Whether nothing is left of what was taken from the outbox, but in TLS.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ready when TLS has sent all that it was given.
    pub(super) fn poll_sent<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unsent {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unsent = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Begins a batch with what is left over, has it filled, and writes it. Call it when all before it
    /// [was sent](Self::poll_sent); says whether there was anything to write.
    pub(super) fn write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        fill: impl FnOnce(&mut Batch),
    ) -> io::Result<bool> {
        batch.begin(std::mem::take(&mut self.rest));
        fill(batch);
        if batch.bytes().is_empty() {
            return Ok(false);
        }
        self.unsent = true;
        let written = match Pin::new(stream).poll_write(cx, batch.bytes()) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.rest = batch.take_rest(written);
        Ok(true)
    }
}
