//! What a handler sees of the world: one for each request.

use super::api::fetch::Sessions;
use super::budget::Budget;
use super::group::Groups;
use crate::clock::Clock;
use crate::config::KafkaConfig;
use crate::store::{Caller, View};
use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The store as this request sees it, the face's settings, the time, and who asks.
#[derive(Clone)]
pub struct Cx {
    pub store: View,
    pub config: Arc<KafkaConfig>,
    pub clock: Clock,
    pub broker: Arc<Broker>,
    pub groups: Arc<Groups>,
    pub budget: Arc<Budget>,
    pub sessions: Arc<Sessions>,
    /// Where this client is told to find every broker.
    pub endpoint: Endpoint,
    pub client_id: Option<StrBytes>,
    pub client_host: IpAddr,
    pub stop: watch::Receiver<bool>,
    /// Whether this connection has anything else to do until this request is answered.
    pub caller: Caller,
}

impl Cx {
    /// Resolves once the server is to stop: a parked wait answers with what it has.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move {
            // An error means that the server is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

/// This server as Kafka's one broker.
#[derive(Clone, Debug)]
pub struct Broker {
    pub id: BrokerId,
    pub cluster_id: StrBytes,
}

/// The leader epoch of every partition, for ever: nothing is ever truncated (spec §0, decision 6).
pub const LEADER_EPOCH: i32 = 0;

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: StrBytes,
    pub port: u16,
}
