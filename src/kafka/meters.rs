//! What is counted of this face, for `/metrics`.

use super::apis::APIS;
use kafka_protocol::messages::ApiKey;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

const REQUESTS: &str = "braid_kafka_requests_total";
const RECEIVED: &str = "braid_kafka_received_bytes_total";
const SENT: &str = "braid_kafka_sent_bytes_total";
const CONNECTIONS: &str = "braid_kafka_connections";

/// Handles that are looked up once, at the start.
pub struct Meters {
    /// By the number of the API.
    requests: Vec<Counter>,
    received: Counter,
    sent: Counter,
    connections: Gauge,
}

impl Meters {
    pub fn new() -> Meters {
        describe_counter!(REQUESTS, "Kafka requests that were received whole, by API.");
        describe_counter!(RECEIVED, "Bytes of these requests.");
        describe_counter!(SENT, "Bytes of answers to Kafka clients.");
        describe_gauge!(CONNECTIONS, "Kafka connections that are open.");
        let mut requests = Vec::new();
        for api in APIS {
            // No number in between is served, so none of them is counted.
            requests.resize_with(number(api.key), Counter::noop);
            requests.push(counter!(REQUESTS, "api" => format!("{:?}", api.key)));
        }
        Meters {
            requests,
            received: counter!(RECEIVED),
            sent: counter!(SENT),
            connections: gauge!(CONNECTIONS),
        }
    }

    pub fn request(&self, key: ApiKey, bytes: usize) {
        if let Some(requests) = self.requests.get(number(key)) {
            requests.increment(1);
        }
        self.received.increment(count(bytes));
    }

    pub fn sent(&self, bytes: usize) {
        self.sent.increment(count(bytes));
    }

    /// Counts a connection as open until what is returned is dropped.
    pub fn connection(&self) -> Connected {
        self.connections.increment(1);
        Connected {
            connections: self.connections.clone(),
        }
    }
}

/// One open connection.
pub struct Connected {
    connections: Gauge,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.decrement(1);
    }
}

fn number(key: ApiKey) -> usize {
    usize::try_from(key as i16).unwrap_or(usize::MAX)
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
