//! HTTP/2 with prior knowledge on the port that also speaks HTTP/1.1, frame by frame (RFC 9113).

use braid_wire::TestServer;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(30);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Http2(TcpStream);

impl Http2 {
    /// Sends the preface a byte at a time, as a slow network would, and empty settings.
    async fn connect(server: &TestServer) -> Http2 {
        let stream = TcpStream::connect(server.http_address()).await;
        let mut http2 = Http2(stream.expect("a connection"));
        http2.0.set_nodelay(true).expect("a socket option");
        for byte in PREFACE {
            http2.0.write_all(&[*byte]).await.expect("a byte is sent");
        }
        http2.send(SETTINGS, 0, 0, b"").await;
        http2
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a short frame");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.expect("a frame is sent");
    }

    /// The next frame of this kind.
    async fn receive(&mut self, kind: u8) -> Frame {
        loop {
            let frame = timeout(WAIT, self.frame()).await.expect("a frame in time");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    async fn frame(&mut self) -> Frame {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.expect("a frame's head");
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        let length = usize::try_from(number(&head[..3])).expect("a length");
        let mut payload = vec![0; length];
        self.0
            .read_exact(&mut payload)
            .await
            .expect("a whole frame");
        Frame {
            kind: head[3],
            flags: head[4],
            stream: number(&head[5..]),
            payload,
        }
    }

    /// A signed ListStreams with `:authority` in the place of Host, as the JavaScript SDK sends.
    async fn list_streams(&mut self, stream: u32) {
        let authorization = "AWS4-HMAC-SHA256 Credential=a/b/us-east-1/kinesis/aws4_request, \
                             SignedHeaders=:authority;x-amz-date, Signature=c";
        let mut block = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "localhost"),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "Kinesis_20131202.ListStreams"),
            ("x-amz-date", "20260101T000000Z"),
            ("authorization", authorization),
        ] {
            // A literal that is not indexed, neither part Huffman-coded (RFC 7541 §6.2.2).
            block.push(0);
            for text in [name, value] {
                write_text(&mut block, text);
            }
        }
        self.send(HEADERS, END_HEADERS, stream, &block).await;
        self.send(DATA, END_STREAM, stream, b"{}").await;
    }
}

/// A length with a prefix of seven bits, then the text (RFC 7541 §5).
fn write_text(block: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).expect("a short text");
    match length {
        0..127 => block.push(length),
        _ => block.extend([127, length - 127]),
    }
    block.extend(text.as_bytes());
}

#[tokio::test]
async fn requests_overlap_on_one_connection() {
    let server = TestServer::start().await;
    let mut client = Http2::connect(&server).await;

    let settings = client.frame().await;
    for stream in [1, 3, 5] {
        client.list_streams(stream).await;
    }
    // Frames of different streams come in any order.
    let mut answered = Vec::new();
    while answered.len() < 3 {
        let frame = timeout(WAIT, client.frame())
            .await
            .expect("a frame in time");
        match frame.kind {
            // 0x88 is `:status: 200` in the static table.
            HEADERS => assert_eq!(frame.payload[0], 0x88),
            DATA => {
                let body = String::from_utf8(frame.payload).expect("text");
                assert!(body.contains("\"StreamNames\":[]"), "{body}");
                answered.push(frame.stream);
            }
            _ => {}
        }
    }

    assert_eq!((settings.kind, settings.flags), (SETTINGS, 0));
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5]);
}

#[tokio::test]
async fn a_ping_is_answered() {
    let server = TestServer::start().await;
    let mut client = Http2::connect(&server).await;

    client.send(PING, 0, 0, b"12345678").await;

    let pong = client.receive(PING).await;
    assert_eq!((pong.flags, &*pong.payload), (ACK, &b"12345678"[..]));
}
