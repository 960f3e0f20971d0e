//! Two listeners, one store, and an orderly stop.

use crate::admin::Admin;
use crate::clock::Clock;
use crate::config::{Config, StoreConfig};
use crate::kafka;
use crate::kinesis;
use crate::store::{Directory, Engine, EngineError, Local, LocalSettings, Memory, OpenError, Pace};
use crate::store::{Retention, Store, StoreError};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A running server. Dropping it ends it at once; [`Server::stop`] ends it in good order.
pub struct Server {
    kafka_address: SocketAddr,
    http_address: SocketAddr,
    store: Arc<Store>,
    admin: Arc<Admin>,
    faces: JoinSet<()>,
    stop: watch::Sender<bool>,
    stop_ms_max: u64,
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("cannot listen on {address} ({setting}): {error}")]
    Listen {
        address: SocketAddr,
        setting: &'static str,
        error: io::Error,
    },
    #[error("the store does not open: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Open(#[from] OpenError),
}

impl Server {
    /// Claims the ports, opens the store, then listens: a client that can connect is answered,
    /// and a port in use is found before the disk is touched.
    pub async fn start(config: Config) -> Result<Server, StartError> {
        let kafka = Port::claim(config.kafka.listen, "kafka-listen")?;
        let http = Port::claim(config.kinesis.listen, "kinesis-listen")?;
        let clock = Clock::system();
        let engine = open_engine(&config.store, &clock)?;
        let store = Store::new(engine, clock.clone());
        // First of all, so that what the faces count is told.
        let admin = Arc::new(Admin::new(store.clone()));
        let kafka_face = kafka::Face::open(store.clone(), config.kafka, clock.clone()).await?;
        let (kafka, kafka_address) = kafka.listen()?;
        let (http, http_address) = http.listen()?;
        let (stop, stopping) = watch::channel(false);
        let mut faces = JoinSet::new();
        faces.spawn(kafka::serve(kafka, kafka_face, stopping.clone()));
        let face = kinesis::Face::new(store.clone(), config.kinesis, clock, admin.clone());
        faces.spawn(kinesis::serve(http, face, stopping.clone()));
        let retention = Retention {
            check_ms: config.store.retention_check_ms,
            offsets_ms: config.store.offsets_retention_ms,
        };
        faces.spawn(retention.run(store.clone(), stopping));
        admin.set_ready(true);
        Ok(Server {
            kafka_address,
            http_address,
            store,
            admin,
            faces,
            stop,
            stop_ms_max: config.process.stop_ms_max,
        })
    }

    /// Where Kafka clients connect.
    pub fn kafka_address(&self) -> SocketAddr {
        self.kafka_address
    }

    /// Where Kinesis clients connect, and where health and metrics are.
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Resolves with the reason once nothing can be kept any more; the process should end.
    pub fn failed(&self) -> impl Future<Output = EngineError> + use<> {
        self.store.failed()
    }

    /// Accepts no more, lets requests in flight finish until the deadline, makes everything
    /// accepted durable.
    pub async fn stop(mut self) {
        self.admin.set_ready(false);
        self.stop.send_replace(true);
        let finished = async { while self.faces.join_next().await.is_some() {} };
        let deadline = Duration::from_millis(self.stop_ms_max);
        if tokio::time::timeout(deadline, finished).await.is_err() {
            tracing::warn!(
                stop_ms_max = self.stop_ms_max,
                "requests in flight were cut off"
            );
            self.faces.shutdown().await;
        }
        self.store.stop().await;
    }
}

fn open_engine(config: &StoreConfig, clock: &Clock) -> Result<Arc<dyn Engine>, OpenError> {
    if config.memory {
        return Ok(Arc::new(Memory::new(
            clock.clone(),
            config.memory_bytes_max,
        )));
    }
    let directory = Arc::new(Directory::lock(&config.data_dir)?);
    let settings = LocalSettings::from(config);
    let local = Local::open(directory, clock.clone(), settings, Pace::Threads)?;
    Ok(Arc::new(local))
}

/// A port that is ours, on which nobody is answered yet.
struct Port {
    socket: TcpSocket,
    address: SocketAddr,
    setting: &'static str,
}

impl Port {
    fn claim(address: SocketAddr, setting: &'static str) -> Result<Port, StartError> {
        let claimed = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // A restart need not wait for the last run's connections to fade.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        match claimed() {
            Ok(socket) => Ok(Port {
                socket,
                address,
                setting,
            }),
            Err(error) => Err(StartError::Listen {
                address,
                setting,
                error,
            }),
        }
    }

    fn listen(self) -> Result<(TcpListener, SocketAddr), StartError> {
        let listening = || {
            let listener = self.socket.listen(BACKLOG)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        listening().map_err(|error| StartError::Listen {
            address: self.address,
            setting: self.setting,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        config.kafka.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.kinesis.listen = config.kafka.listen;
        config.store.memory = true;
        config
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_setting() {
        let first = Server::start(config()).await.expect("a first server");
        let mut second = config();
        second.kafka.listen = first.kafka_address();

        let Err(refused) = Server::start(second).await else {
            panic!("a second server on the same port")
        };

        let text = refused.to_string();
        let address = first.kafka_address();
        let expected = format!("cannot listen on {address} (kafka-listen): Address already in use");
        assert!(text.starts_with(&expected), "{text}");
    }

    #[tokio::test]
    async fn a_stopped_server_gives_its_ports_back() {
        let first = Server::start(config()).await.expect("a first server");
        let mut again = config();
        again.kafka.listen = first.kafka_address();
        again.kinesis.listen = first.http_address();

        first.stop().await;

        Server::start(again).await.expect("the ports are free");
    }
}
