//! Detection of a connection pooler. Behind a pooler the next statement may reach another server process, where the
//! prepared statements do not exist or are another program's.
//!
//! A pooler greets with a process number that it made up. The client library reveals the number of the greeting only in
//! a cancel request, so one is written into memory and compared with the number of the process that answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::connection::{Mode, simple};
use super::fault::Fault;

/// Determines how statements may be sent over this connection.
pub(super) async fn mode(client: &Client) -> Result<Mode, Fault> {
    let answering = simple(client, "SELECT pg_catalog.pg_backend_pid()").await?;
    let greeting = greeting(client).await.map(|process| process.to_string());
    Ok(if answering == greeting { Mode::Prepared } else { Mode::Unnamed })
}

/// Length of a cancel request: length, code, process, secret; four bytes each.
const CANCEL_BYTES: usize = 16;
/// Length of the TLS request that precedes it if TLS is used: the first two of these fields.
const TLS_BYTES: usize = 8;

async fn greeting(client: &Client) -> Option<i32> {
    let (mut ours, theirs) = duplex(64);
    // The answer to a TLS request, if there is one.
    ours.write_all(b"S").await.ok()?;
    client.cancel_token().cancel_query_raw(theirs, Plain).await.ok()?;
    let mut sent = Vec::with_capacity(TLS_BYTES + CANCEL_BYTES);
    ours.read_to_end(&mut sent).await.ok()?;
    let request: &[u8; CANCEL_BYTES] = sent.last_chunk()?;
    let process = request[8..12].try_into().ok()?;
    Some(i32::from_be_bytes(process))
}

/// No encryption: nothing leaves the process.
struct Plain;

struct Memory(DuplexStream);

impl TlsConnect<DuplexStream> for Plain {
    type Stream = Memory;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Memory>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(Memory(stream)))
    }
}

impl TlsStream for Memory {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
