//! A connection that remembers the first bytes it received since it was last asked to, the
//! evidence when something else than TLS came, and that ends when it received too many.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// As many bytes as a report quotes.
const KEPT: usize = 256;
/// The most bytes that one connection may bring: two dialogues at their limits, a handshake whose
/// messages are all as long as rustls takes them (64 KiB), and room.
pub(super) const MOST: usize = 256 * 1024;

/// More than [`MOST`] bytes came.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST} bytes on one connection")]
pub(super) struct TooMuch;

#[derive(Debug)]
pub(super) struct Tap {
    stream: TcpStream,
    first: Vec<u8>,
    received: usize,
}

impl Tap {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, first: Vec::new(), received: 0 }
    }

    /// Both ends of the connection, ours first.
    pub(super) fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.stream.local_addr()?, self.stream.peer_addr()?))
    }

    /// Forgets what came so far.
    pub(super) fn reset(&mut self) {
        self.first.clear();
    }
}

/// The text, if these first bytes are one: what a server says that knows nothing of TLS. A TLS
/// record begins with a type from 20 to 24, which no text does.
pub(super) fn plain_text(first: &[u8]) -> Option<String> {
    let printable = first.first().is_some_and(|byte| (0x20..0x7f).contains(byte));
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    printable.then(|| crate::verify::visible_bytes(line.trim_ascii_end()))
}

impl AsRef<[u8]> for Tap {
    fn as_ref(&self) -> &[u8] {
        &self.first
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received > MOST {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        let room = KEPT.saturating_sub(self.first.len());
        self.first.extend_from_slice(&new[..new.len().min(room)]);
        self.received += new.len();
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
