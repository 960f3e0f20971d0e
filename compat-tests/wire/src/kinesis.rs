//! A raw Kinesis client: JSON over HTTP/1.1 on one socket, nothing else.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for an answer.
const WAIT: Duration = Duration::from_secs(30);
/// Well-formed; no server of these tests knows the key.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/kinesis/\
                             aws4_request, SignedHeaders=host;x-amz-date, \
                             Signature=00000000000000000000000000000000\
                             00000000000000000000000000000000";

/// A record as GetRecords answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    pub sequence_number: String,
    /// ApproximateArrivalTimestamp in milliseconds.
    pub arrival_ms: i64,
    pub data: Vec<u8>,
    pub partition_key: String,
}

/// One connection, kept alive.
pub struct Kinesis {
    socket: BufStream<TcpStream>,
}

/// An answer with its body as it came.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Kinesis {
    pub async fn connect(address: SocketAddr) -> Kinesis {
        let socket = TcpStream::connect(address).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket option");
        Kinesis {
            socket: BufStream::new(socket),
        }
    }

    /// The output of an operation that must succeed; null if it has none.
    pub async fn call(&mut self, operation: &str, input: Value) -> Value {
        let answer = self.try_call(operation, &input).await;
        assert_eq!(
            answer.status,
            200,
            "{operation}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// Type and message of an operation's refusal; the status must be 400.
    pub async fn refusal(&mut self, operation: &str, input: Value) -> (String, String) {
        let answer = self.try_call(operation, &input).await;
        let body = answer.json();
        assert_eq!(answer.status, 400, "{operation}: {body}");
        let message = body.get("message").or(body.get("Message"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
        (text(body.get("__type")), text(message))
    }

    /// Puts one record and gives its shard and sequence number.
    pub async fn put(&mut self, stream: &str, key: &str, data: &[u8]) -> (String, String) {
        let input = json!({"StreamName": stream, "PartitionKey": key, "Data": base64(data)});
        let stored = self.call("PutRecord", input).await;
        let text = |name: &str| stored[name].as_str().expect("text").to_owned();
        (text("ShardId"), text("SequenceNumber"))
    }

    /// A shard's iterator at its oldest record.
    pub async fn horizon(&mut self, stream: &str, shard: u32) -> String {
        let shard = shard.to_string();
        self.iterator(json!({
            "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON",
        }))
        .await
    }

    /// An iterator by a request of any kind.
    pub async fn iterator(&mut self, input: Value) -> String {
        let answer = self.call("GetShardIterator", input).await;
        answer["ShardIterator"]
            .as_str()
            .expect("an iterator")
            .to_owned()
    }

    /// Everything from an iterator on, in pages of `limit`, until the tip or the shard's end.
    pub async fn read_on(&mut self, mut iterator: String, limit: usize) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            let input = json!({"ShardIterator": iterator, "Limit": limit});
            let page = self.call("GetRecords", input).await;
            all.extend(got(&page));
            match page["NextShardIterator"].as_str() {
                Some(next) if page["MillisBehindLatest"] != 0 => iterator = next.to_owned(),
                _ => return all,
            }
        }
    }

    /// Everything in a shard.
    pub async fn read(&mut self, stream: &str, shard: u32) -> Vec<Got> {
        let iterator = self.horizon(stream, shard).await;
        self.read_on(iterator, 10_000).await
    }

    pub async fn try_call(&mut self, operation: &str, input: &Value) -> HttpAnswer {
        self.try_call_raw(operation, input.to_string().as_bytes())
            .await
    }

    /// Any body, signed and typed as JSON.
    pub async fn try_call_raw(&mut self, operation: &str, body: &[u8]) -> HttpAnswer {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: {AUTHORIZATION}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send_raw(head.as_bytes()).await;
        self.send_raw(body).await;
        self.receive().await
    }

    /// Sends bytes as they are; the server may have gone away.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
        let _ = self.socket.flush().await;
    }

    /// The next answer.
    pub async fn receive(&mut self) -> HttpAnswer {
        timeout(WAIT, self.answer())
            .await
            .expect("an answer in time")
    }

    async fn answer(&mut self) -> HttpAnswer {
        let status = self.line().await;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        let mut body = vec![0; length];
        self.socket
            .read_exact(&mut body)
            .await
            .expect("a whole body");
        HttpAnswer {
            status: status.expect("a status"),
            headers,
            body,
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.socket.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }
}

impl HttpAnswer {
    /// The body as JSON; null if it is empty.
    pub fn json(&self) -> Value {
        match self.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&self.body).expect("a JSON body"),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The records of a GetRecords answer.
pub fn got(page: &Value) -> Vec<Got> {
    let record = |record: &Value| {
        let text = |name: &str| record[name].as_str().expect("text").to_owned();
        let seconds = record["ApproximateArrivalTimestamp"]
            .as_f64()
            .expect("a time");
        let data = base64_simd::STANDARD
            .decode_to_vec(text("Data"))
            .expect("base64");
        Got {
            sequence_number: text("SequenceNumber"),
            arrival_ms: (seconds * 1000.0).round() as i64,
            data,
            partition_key: text("PartitionKey"),
        }
    };
    page["Records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(record)
        .collect()
}

pub fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}
