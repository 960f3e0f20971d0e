<<<<<<< HEAD
//! The Kafka face: frames, the table of APIs, one handler for each.

mod api;
mod apis;
mod budget;
mod connection;
mod cx;
mod error;
mod face;
mod frame;
mod group;
mod reply;
mod topic;
mod wire;

pub use connection::serve;
pub use face::Face;
=======
//! The Kafka face.

mod group;
>>>>>>> da37c36 (kafka: the classic group protocol as a state machine, and its coordinator)
