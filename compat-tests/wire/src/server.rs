//! A server in this process, on ports of its own.

use braid::{Config, Server};
use std::net::SocketAddr;

/// Ends with the test.
pub struct TestServer {
    server: Server,
}

impl TestServer {
    /// A server that keeps everything in memory.
    pub async fn start() -> TestServer {
        TestServer::with(TestServer::config()).await
    }

    pub async fn with(config: Config) -> TestServer {
        let server = Server::start(config).await.expect("the server starts");
        TestServer { server }
    }

    /// A server with one stream of so many partitions.
    pub async fn with_stream(name: &str, partitions: u32) -> TestServer {
        let server = TestServer::start().await;
        server.make_stream(name, partitions).await;
        server
    }

    pub async fn make_stream(&self, name: &str, partitions: u32) {
        let input = serde_json::json!({"StreamName": name, "ShardCount": partitions});
        self.kinesis().await.call("CreateStream", input).await;
    }

    /// What [`TestServer::start`] uses, to be changed by a test.
    pub fn config() -> Config {
        let mut config = Config::default();
        config.kafka.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.kinesis.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.store.memory = true;
        config
    }

    pub fn kafka_address(&self) -> SocketAddr {
        self.server.kafka_address()
    }

    pub fn http_address(&self) -> SocketAddr {
        self.server.http_address()
    }

    /// A new connection to the Kafka port.
    pub async fn kafka(&self) -> crate::Kafka {
        crate::Kafka::connect(self.kafka_address()).await
    }

    /// A new connection to the HTTP port.
    pub async fn kinesis(&self) -> crate::Kinesis {
        crate::Kinesis::connect(self.http_address()).await
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}
