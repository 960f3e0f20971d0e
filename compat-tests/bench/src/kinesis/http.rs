//! The smallest HTTP/1.1 client: whole requests go out as they were prepared, of an answer only
//! the status and the length are read.

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;
/// Bytes asked of the socket at a time while a body arrives.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a refusal that are shown.
const SHOWN_BYTES: usize = 300;

/// One connection that is kept, with room for one answer.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: vec![0; HEAD_BYTES_MAX],
            filled: 0,
        })
    }

    /// Sends a request and reads its answer: the body, if it is one of success.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let body_at = self.read_head().await?;
        let head = &self.answer[..body_at];
        let status = head.get(9..12).map(<[u8]>::to_vec).unwrap_or_default();
        let length = content_length(head)?;
        self.read_to(body_at + length).await?;
        let body = &self.answer[body_at..body_at + length];
        ensure!(
            status == b"200",
            "{}: {}",
            String::from_utf8_lossy(&status),
            String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)])
        );
        Ok(body)
    }

    /// Reads until the head is whole; tells where the body begins.
    async fn read_head(&mut self) -> Result<usize> {
        loop {
            if let Some(end) = memmem::find(&self.answer[..self.filled], b"\r\n\r\n") {
                return Ok(end + 4);
            }
            ensure!(
                self.filled < HEAD_BYTES_MAX,
                "the answer's head is too long"
            );
            self.read_more(HEAD_BYTES_MAX).await?;
        }
    }

    async fn read_to(&mut self, end: usize) -> Result<()> {
        while self.filled < end {
            self.read_more(end.min(self.filled + READ_BYTES)).await?;
        }
        Ok(())
    }

    /// Reads once, up to byte `end` of the answer.
    async fn read_more(&mut self, end: usize) -> Result<()> {
        ensure!(end <= BODY_BYTES_MAX, "the answer is too long");
        if self.answer.len() < end {
            self.answer.resize(end.next_power_of_two(), 0);
        }
        let read = self.stream.read(&mut self.answer[self.filled..end]).await?;
        ensure!(read > 0, "the server closed the connection");
        self.filled += read;
        Ok(())
    }
}

/// No server here answers in chunks.
fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).context("the answer's head")?;
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lengths.next().context("an answer of unknown length")?;
    Ok(length.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_whatever_the_case_of_its_name() {
        let head = b"HTTP/1.1 200 OK\r\ndate: today\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(content_length(head).ok(), Some(12));
    }

    #[test]
    fn an_answer_of_unknown_length_is_refused() {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(content_length(head).is_err());
    }
}
