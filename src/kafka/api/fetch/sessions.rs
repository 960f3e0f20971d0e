//! The fetch sessions of all clients: a bounded number, kept from one fetch to the next.

use super::session::Session;
use crate::kafka::error::Code;
use crate::store::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Time after which a session that is not used gives way to a new one, and before which no used
/// one does. Kafka's own, where it is no setting either.
const EVICTABLE_MS: i64 = 120_000;

pub struct Sessions {
    by_id: Mutex<HashMap<i32, Kept>>,
    count_max: usize,
}

struct Kept {
    /// What the next request has to say.
    epoch: i32,
    uses_ids: bool,
    created: Timestamp,
    used: Timestamp,
    partitions: usize,
    /// `None` while a fetch has it.
    session: Option<Session>,
}

/// A session that a fetch has. One that is not given back has ended: its client is gone.
pub struct Out {
    sessions: Arc<Sessions>,
    pub id: i32,
    is_back: bool,
}

impl Sessions {
    pub fn new(count_max: usize) -> Arc<Sessions> {
        Arc::new(Sessions {
            by_id: Mutex::default(),
            count_max,
        })
    }

    /// Keeps a session for the next fetch and names it; 0 if there are too many.
    pub fn open(&self, session: Session, uses_ids: bool, now: Timestamp) -> i32 {
        let mut by_id = self.by_id.lock();
        let mut evicted = None;
        if by_id.len() >= self.count_max {
            let Some(id) = evictable(&by_id, session.len(), now) else {
                drop(by_id);
                return 0;
            };
            evicted = by_id.remove(&id);
        }
        let id = loop {
            let id = new_id();
            if !by_id.contains_key(&id) {
                break id;
            }
        };
        let kept = Kept {
            epoch: 1,
            uses_ids,
            created: now,
            used: now,
            partitions: session.len(),
            session: Some(session),
        };
        by_id.insert(id, kept);
        drop(by_id);
        // It may be large, and nobody should wait for its end.
        drop(evicted);
        id
    }

    /// Takes a session out for the fetch that is due in it.
    pub fn take(
        self: &Arc<Sessions>,
        id: i32,
        epoch: i32,
        uses_ids: bool,
    ) -> Result<(Out, Session), Code> {
        let mut by_id = self.by_id.lock();
        let kept = by_id.get_mut(&id).ok_or(Code::FetchSessionIdNotFound)?;
        if kept.epoch != epoch {
            return Err(Code::InvalidFetchSessionEpoch);
        }
        if kept.uses_ids != uses_ids {
            return Err(Code::FetchSessionTopicIdError);
        }
        // A client that sends two at once does not know what it was told.
        let session = kept.session.take();
        let session = session.ok_or(Code::InvalidFetchSessionEpoch)?;
        kept.epoch = epoch.checked_add(1).unwrap_or(1);
        let out = Out {
            sessions: self.clone(),
            id,
            is_back: false,
        };
        Ok((out, session))
    }

    pub fn close(&self, id: i32) {
        let closed = self.by_id.lock().remove(&id);
        drop(closed);
    }
}

impl Out {
    pub fn give_back(mut self, session: Session, now: Timestamp) {
        self.is_back = true;
        let mut by_id = self.sessions.by_id.lock();
        let Some(kept) = by_id.get_mut(&self.id) else {
            drop(by_id);
            return;
        };
        kept.used = now;
        kept.partitions = session.len();
        kept.session = Some(session);
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if !self.is_back {
            self.sessions.close(self.id);
        }
    }
}

/// The session that gives way to one of so many partitions: one that is not used, else a smaller
/// one that has had its time.
fn evictable(by_id: &HashMap<i32, Kept>, partitions: usize, now: Timestamp) -> Option<i32> {
    let is_past = |since: Timestamp| now.0 - since.0 > EVICTABLE_MS;
    let (oldest, kept) = by_id.iter().min_by_key(|(_, kept)| kept.used)?;
    if is_past(kept.used) {
        return Some(*oldest);
    }
    let old = by_id.iter().filter(|(_, kept)| is_past(kept.created));
    let (smallest, kept) = old.min_by_key(|(_, kept)| kept.partitions)?;
    (kept.partitions < partitions).then_some(*smallest)
}

/// Unguessable, and never 0, which stands for none.
fn new_id() -> i32 {
    let random = uuid::Uuid::new_v4().as_fields().0;
    i32::try_from(random >> 1).unwrap_or(1).max(1)
}
