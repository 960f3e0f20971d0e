//! A connection whose peer has to take its answers at some rate: until it does, they hold room
//! that others wait for.

use crate::clock::Clock;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes that make up for a millisecond of waiting for the peer.
const BYTES_PER_MS: u64 = 64;
/// Milliseconds of waiting that need not be made up for.
const WAITED_MS_MAX: u64 = 60_000;

pub struct Paced<S> {
    inner: S,
    clock: Clock,
    /// Milliseconds that the peer let us wait and did not make up for.
    waited_ms: u64,
    /// Since when it takes nothing.
    waiting: Option<Instant>,
}

impl<S> Paced<S> {
    pub fn new(inner: S, clock: Clock) -> Paced<S> {
        Paced {
            inner,
            clock,
            waited_ms: 0,
            waiting: None,
        }
    }

    fn judge(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => {
                self.waiting.get_or_insert(self.clock.instant());
            }
            Poll::Ready(Ok(bytes)) if self.waited_ms > 0 || self.waiting.is_some() => {
                let waited = self
                    .waiting
                    .take()
                    .map(|since| self.clock.instant() - since);
                let waited_ms = waited.map_or(0, |waited| waited.as_millis());
                let waited_ms = u64::try_from(waited_ms).unwrap_or(u64::MAX);
                let made_up_ms = *bytes as u64 / BYTES_PER_MS;
                self.waited_ms = self.waited_ms.saturating_add(waited_ms);
                self.waited_ms = self.waited_ms.saturating_sub(made_up_ms);
                if self.waited_ms > WAITED_MS_MAX {
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(_) => {}
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.judge(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Writes 16 MiB to a peer that takes so many bytes every second.
    async fn written(bytes_per_second: usize) -> io::Result<()> {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        let mut paced = Paced::new(ours, Clock::system());
        let reading = tokio::spawn(async move {
            let mut taken = vec![0; bytes_per_second];
            while let Ok(1..) = theirs.read(&mut taken).await {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let written = paced.write_all(&vec![7; 16 << 20]).await;
        reading.abort();
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_its_answer_by_drops_is_given_up() {
        let refused = written(1 << 10).await.expect_err("too slow");
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_keeps_the_rate_is_served() {
        written(64 << 10).await.expect("fast enough");
    }
}
