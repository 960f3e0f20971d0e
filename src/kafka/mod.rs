//! The Kafka face: frames, the table of APIs, one handler for each.

mod api;
mod apis;
mod body;
mod broker_settings;
mod budget;
mod connection;
mod cx;
mod error;
mod face;
mod frame;
mod group;
mod in_flight;
mod meters;
mod reply;
mod shape;
mod text;
mod topic;
mod topic_settings;
mod wire;

#[cfg(test)]
pub use apis::APIS;
pub use connection::serve;
pub use face::Face;
