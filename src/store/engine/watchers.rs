//! Who waits for which partition to grow.

use super::{PartitionId, Watch};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Registered waiters by partition. A partition nobody waits for costs nothing.
#[derive(Clone, Default)]
pub struct Watchers {
    waiting: Arc<Mutex<HashMap<PartitionId, Vec<Arc<Notify>>>>>,
}

impl Watchers {
    /// Registers `waiter` for each of `partitions` until the answer is dropped.
    pub fn watch(&self, partitions: &[PartitionId], waiter: Arc<Notify>) -> Watch {
        let mut waiting = self.waiting.lock();
        for partition in partitions {
            waiting.entry(*partition).or_default().push(waiter.clone());
        }
        let watchers = self.clone();
        Watch::new(Registration {
            watchers,
            partitions: partitions.to_vec(),
            waiter,
        })
    }

    /// Wakes whoever waits for one of `partitions`. A waiter that is not waiting yet finds the
    /// wake-up stored.
    pub fn wake(&self, partitions: impl IntoIterator<Item = PartitionId>) {
        let waiting = self.waiting.lock();
        if waiting.is_empty() {
            return;
        }
        for partition in partitions {
            for waiter in waiting.get(&partition).into_iter().flatten() {
                waiter.notify_one();
            }
        }
    }
}

struct Registration {
    watchers: Watchers,
    partitions: Vec<PartitionId>,
    waiter: Arc<Notify>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut waiting = self.watchers.waiting.lock();
        for partition in &self.partitions {
            let Some(waiters) = waiting.get_mut(partition) else {
                continue;
            };
            if let Some(at) = waiters.iter().position(|w| Arc::ptr_eq(w, &self.waiter)) {
                waiters.swap_remove(at);
            }
            if waiters.is_empty() {
                waiting.remove(partition);
            }
        }
    }
}
