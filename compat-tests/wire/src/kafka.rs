//! A raw Kafka client: frames over a socket, messages by `kafka-protocol`, nothing else.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for an answer.
const WAIT: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug)]
pub enum KafkaError {
    /// The server closed the connection.
    Closed,
}

/// One connection.
pub struct Kafka {
    socket: TcpStream,
    correlation_id: i32,
}

impl Kafka {
    pub async fn connect(address: SocketAddr) -> Kafka {
        let socket = TcpStream::connect(address).await.expect("a connection");
        socket.set_nodelay(true).expect("a socket option");
        Kafka {
            socket,
            correlation_id: 0,
        }
    }

    /// Sends a request and waits for its answer.
    pub async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.try_call(request, version).await.expect("an answer")
    }

    pub async fn try_call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, KafkaError> {
        self.send(request, version).await;
        self.receive::<R>(version).await
    }

    /// Sends a request without waiting for anything.
    pub async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.correlation_id += 1;
        let frame = encode(request, version, self.correlation_id);
        self.send_raw(&frame).await;
    }

    /// Sends bytes as they are; the server may have gone away.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// The next answer, which must be to a request of this kind and version.
    pub async fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response, KafkaError> {
        let mut frame = self.receive_raw().await?;
        let header_version = R::Response::header_version(version);
        let _: ResponseHeader =
            Decodable::decode(&mut frame, header_version).expect("a response header");
        let response = R::Response::decode(&mut frame, version).expect("a response");
        assert!(!frame.has_remaining(), "bytes behind the response");
        Ok(response)
    }

    /// The next frame without its length.
    pub async fn receive_raw(&mut self) -> Result<Bytes, KafkaError> {
        let reading = async {
            let length = self.socket.read_i32().await?;
            let mut frame = vec![0; usize::try_from(length).expect("a length")];
            self.socket.read_exact(&mut frame).await?;
            Ok::<_, io::Error>(Bytes::from(frame))
        };
        let read = timeout(WAIT, reading).await.expect("an answer in time");
        read.map_err(|_| KafkaError::Closed)
    }

    /// Whether the server answers or closes the connection within this time.
    pub async fn is_served_within(&mut self, patience: Duration) -> bool {
        let mut byte = [0];
        timeout(patience, self.socket.read(&mut byte)).await.is_ok()
    }

    /// Whether the server closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(WAIT, self.socket.read(&mut byte)).await;
        !matches!(read.expect("an end in time"), Ok(1))
    }
}

/// A whole frame.
pub fn encode<R: Request>(request: &R, version: i16, correlation_id: i32) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let key = ApiKey::try_from(R::KEY).expect("a known key");
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("wire")))
        .encode(&mut frame, key.request_header_version(version))
        .expect("a request header");
    request.encode(&mut frame, version).expect("a request");
    let length = i32::try_from(frame.len() - 4).expect("a frame's length");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}
