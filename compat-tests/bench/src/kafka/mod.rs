//! Loads over the Kafka protocol, by rdkafka.

mod consume;
mod latency;
mod perf;
mod produce;
mod rows;
mod topic;

pub use consume::Consume;
pub use latency::Latency;
pub use perf::Perf;
pub use produce::Produce;
pub use rows::rows;

use rdkafka::ClientConfig;
use std::collections::BTreeMap;

/// Further settings of librdkafka, by their names.
pub type Settings = BTreeMap<String, String>;

/// A client's settings: the server's address and these.
fn client(address: &str, settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.set("broker.address.family", "v4");
    for (name, value) in settings {
        config.set(name, value);
    }
    config
}

/// Bytes that no codec makes smaller, the same ones every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}
