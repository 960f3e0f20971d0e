//! Consumer groups of the classic protocol (spec §2.9): a pure state machine per group, and the
//! coordinator that feeds it requests, time and the outcome of its writes.

mod coordinator;
mod join;
mod leave;
mod member;
mod parked;
mod rebalance;
mod record;
mod slot;
mod state;
mod sync;
mod timers;

#[cfg(test)]
mod tests;

pub use coordinator::Groups;
pub use join::{Join, Joined, JoinedMember};
pub use leave::Leaver;
pub use member::{Client, Member, Protocol};
pub use state::{Described, Limits, Phase, Refusal, Who};
pub use sync::{Sync, Synced};
