//! The state machine, event by event; then the coordinator over the memory engine.

mod coordinator;
mod events;
mod members;
mod played;
mod statics;
