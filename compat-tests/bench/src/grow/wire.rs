//! A raw Kafka connection: a client library would cost more than what is measured.

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    ApiKey, CreateTopicsRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes longer.
const WAIT: Duration = Duration::from_secs(60);
/// Partitions that one request may make.
pub const CREATED_MAX: i32 = 10_000;

pub struct Connection {
    pub socket: TcpStream,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let socket = timeout(WAIT, TcpStream::connect(address)).await??;
        socket.set_nodelay(true)?;
        Ok(Connection { socket })
    }

    pub async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let mut answer = self.ask(&encode(request, version)?).await?;
        ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
        R::Response::decode(&mut answer, version)
    }

    /// Sends a frame and waits for the answer, without its length.
    pub async fn ask(&mut self, frame: &[u8]) -> Result<Bytes> {
        self.socket.write_all(frame).await?;
        timeout(WAIT, self.answer()).await?
    }

    async fn answer(&mut self) -> Result<Bytes> {
        let length = usize::try_from(self.socket.read_i32().await?)?;
        let mut answer = vec![0; length];
        self.socket.read_exact(&mut answer).await?;
        Ok(answer.into())
    }

    /// Makes topics of so many partitions each, as many at a time as may be.
    pub async fn create(&mut self, topics: &[Topic]) -> Result<()> {
        let each = topics.first().map_or(1, |topic| topic.partitions);
        let at_once = usize::try_from(CREATED_MAX / each)?.max(1);
        for some in topics.chunks(at_once) {
            let topics = some.iter().map(|topic| {
                CreatableTopic::default()
                    .with_name(TopicName(text(&topic.name)))
                    .with_num_partitions(topic.partitions)
                    .with_replication_factor(1)
            });
            let request = CreateTopicsRequest::default()
                .with_topics(topics.collect())
                .with_timeout_ms(60_000);
            let answer = self.call(&request, 7).await?;
            for topic in answer.topics {
                ensure!(topic.error_code == 0, "{:?}", topic.error_message);
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub partitions: i32,
}

impl Topic {
    pub fn new(name: &str, partitions: i32) -> Topic {
        Topic {
            name: name.to_owned(),
            partitions,
        }
    }

    /// So many partitions, in topics as large as a request can make them.
    pub fn with_partitions(count: i32) -> Vec<Topic> {
        let each = count.min(CREATED_MAX);
        let topic = |number| Topic::new(&format!("grow-{number}"), each);
        (0..count / each).map(topic).collect()
    }
}

/// A whole frame.
pub fn encode<R: Request>(request: &R, version: i16) -> Result<Bytes> {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let key = ApiKey::try_from(R::KEY).ok().context("a known key")?;
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("grow")))
        .encode(&mut frame, key.request_header_version(version))?;
    request.encode(&mut frame, version)?;
    let length = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
