//! One member of a group: what it said of itself, and what it waits for.

use super::state::{Moment, Ticket};
use crate::store::Name;
use bytes::Bytes;

/// A new member parked in its first join is dropped after this long: it may never have learnt
/// its id (Kafka's `group.new.member.join.timeout`).
pub const NEW_MEMBER_MS_MAX: u64 = 300_000;

/// One way of sharing out the work that a member can follow; its metadata is opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: Name,
    pub metadata: Bytes,
}

/// Who a member's connection said it was; for describing only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: Name,
    pub host: Name,
}

pub fn protocols_bytes(protocols: &[Protocol]) -> usize {
    let each = protocols.iter().map(|p| p.name.len() + p.metadata.len());
    each.sum()
}

#[derive(Clone, Debug)]
pub struct Member {
    pub id: Name,
    /// The instance id of a static member.
    pub instance: Option<Name>,
    pub client: Client,
    pub session_ms: u64,
    pub rebalance_ms: u64,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// Grows with each member; the smallest joined first.
    pub arrival: u64,
    /// The last sign of life.
    pub seen: Moment,
    pub waits_for: Wait,
    /// Whether it never had a join answered.
    pub is_new: bool,
    /// Whether it asked for its assignment in this generation.
    pub has_synced: bool,
}

/// The request of a member that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Nothing,
    Join(Ticket),
    Sync(Ticket),
}

impl Member {
    /// When the member is given up unless it gives a sign of life.
    pub fn deadline(&self) -> Option<Moment> {
        match self.waits_for {
            Wait::Nothing => Some(self.seen.after_ms(self.session_ms)),
            Wait::Join(_) if self.is_new => Some(self.seen.after_ms(NEW_MEMBER_MS_MAX)),
            Wait::Join(_) | Wait::Sync(_) => None,
        }
    }

    /// Bytes that it said of itself and was given.
    pub fn held_bytes(&self) -> usize {
        protocols_bytes(&self.protocols) + self.assignment.len()
    }

    pub fn awaits_join(&self) -> bool {
        matches!(self.waits_for, Wait::Join(_))
    }

    pub fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|p| &*p.name == protocol)
    }

    /// What the member said about a protocol; empty if it does not know it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|p| &*p.name == protocol);
        found.map_or_else(Bytes::new, |p| p.metadata.clone())
    }
}
