//! Everything the connections of this face share.

use super::api::fetch::Sessions;
use super::budget::Budget;
use super::cx::{Broker, Cx, Endpoint};
use super::group::{Groups, Limits};
use super::meters::Meters;
use crate::clock::Clock;
use crate::config::KafkaConfig;
use crate::store::{Caller, Store, StoreError};
use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The id of the one broker.
const BROKER_ID: BrokerId = BrokerId(1);
/// Where clients are sent that were told no port.
const PORT_DEFAULT: u16 = 9092;

/// The Kafka face of one store.
pub struct Face {
    store: Arc<Store>,
    pub(super) config: Arc<KafkaConfig>,
    clock: Clock,
    broker: Arc<Broker>,
    groups: Arc<Groups>,
    pub(super) budget: Arc<Budget>,
    sessions: Arc<Sessions>,
    pub(super) meters: Meters,
    advertised: Option<Endpoint>,
}

impl Face {
    /// Names the cluster on first start, and waits until that is durable.
    pub async fn open(
        store: Arc<Store>,
        config: KafkaConfig,
        clock: Clock,
    ) -> Result<Arc<Face>, StoreError> {
        let cluster = store.view().cluster().await?;
        let budget = Budget::new(config.decode_bytes_max);
        let broker = Broker {
            id: BROKER_ID,
            cluster_id: StrBytes::from_string(cluster.to_string()),
        };
        let limits = Limits {
            members_max: config.group_members_max,
            initial_delay_ms: config.group_initial_rebalance_delay_ms,
        };
        let groups = Groups::start(store.clone(), clock.clone(), limits);
        Ok(Arc::new(Face {
            store,
            advertised: config.advertised.as_deref().map(endpoint),
            sessions: Sessions::new(config.fetch_sessions_max),
            config: Arc::new(config),
            clock,
            broker: Arc::new(broker),
            groups,
            budget: Arc::new(budget),
            meters: Meters::new(),
        }))
    }

    /// What the requests of one connection see; each gets its own view of the store.
    pub(super) fn cx(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
    ) -> Cx {
        // Whoever reached us at an address can reach us there again; it is never 0.0.0.0.
        let reached = || Endpoint {
            host: StrBytes::from_string(local.ip().to_canonical().to_string()),
            port: local.port(),
        };
        Cx {
            store: self.store.view(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            broker: self.broker.clone(),
            groups: self.groups.clone(),
            budget: self.budget.clone(),
            sessions: self.sessions.clone(),
            endpoint: self.advertised.clone().unwrap_or_else(reached),
            client_id: None,
            client_host: peer.ip().to_canonical(),
            stop,
            caller: Caller::GoesOn,
        }
    }

    /// The same for one request.
    pub(super) fn cx_of_request(&self, connection: &Cx) -> Cx {
        Cx {
            store: self.store.view(),
            ..connection.clone()
        }
    }
}

/// `host`, `host:port` or `[v6]:port`.
fn endpoint(advertised: &str) -> Endpoint {
    let (host, port) = match advertised.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(PORT_DEFAULT)),
        None => (advertised, PORT_DEFAULT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Endpoint {
        host: StrBytes::from_string(host.into()),
        port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_may_leave_out_the_port_or_be_ipv6() {
        let read = |text| {
            let Endpoint { host, port } = endpoint(text);
            (host.to_string(), port)
        };
        assert_eq!(read("kafka.example:19092"), ("kafka.example".into(), 19092));
        assert_eq!(read("kafka.example"), ("kafka.example".into(), 9092));
        assert_eq!(read("[::1]:9093"), ("::1".into(), 9093));
    }
}
