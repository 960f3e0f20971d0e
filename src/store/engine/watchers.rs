//! Who waits for which partitions to grow.

use super::PartitionId;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Registered waits by partition. A partition nobody waits for costs nothing.
#[derive(Clone, Default)]
pub struct Watchers {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// By number; those without are to be given out again.
    waiters: Vec<Option<Arc<Waiter>>>,
    free: Vec<u32>,
    places: BTreeSet<Place>,
}

/// A partition, the number of a wait for it, and what that wait calls it.
type Place = (PartitionId, u32, u32);

/// A partition whose readers should look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub partition: PartitionId,
    /// Of new batches; any number if something else has happened to it.
    pub bytes: u64,
}

impl Growth {
    /// Its start has moved, or it is gone: of interest however much somebody waits for.
    pub fn other(partition: PartitionId) -> Growth {
        Growth {
            partition,
            bytes: u64::MAX,
        }
    }
}

impl Watchers {
    /// A wait, as yet for nothing.
    pub fn watch(&self) -> Watch {
        let waiter = Arc::<Waiter>::default();
        Watch {
            watchers: self.clone(),
            number: self.waiting.lock().number(waiter.clone()),
            partitions: Vec::new(),
            waiter,
        }
    }

    /// Tells whoever waits for one of the partitions.
    pub fn wake(&self, grown: impl IntoIterator<Item = Growth>) {
        let waiting = self.waiting.lock();
        if waiting.places.is_empty() {
            return;
        }
        for Growth { partition, bytes } in grown {
            let places = (partition, 0, 0)..=(partition, u32::MAX, u32::MAX);
            for (_, number, place) in waiting.places.range(places) {
                if let Some(waiter) = &waiting.waiters[*number as usize] {
                    waiter.tell(*place as usize, bytes);
                }
            }
        }
    }
}

impl Waiting {
    fn number(&mut self, waiter: Arc<Waiter>) -> u32 {
        if let Some(number) = self.free.pop() {
            self.waiters[number as usize] = Some(waiter);
            return number;
        }
        self.waiters.push(Some(waiter));
        index(self.waiters.len() - 1)
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("memory ends before there are as many")
}

/// What one wait has been told.
#[derive(Default)]
struct Waiter {
    news: Mutex<News>,
    woken: Notify,
}

#[derive(Default)]
struct News {
    /// What has grown since it was last asked for, each once.
    grown: Vec<usize>,
    is_listed: Vec<bool>,
    /// Growth that is not worth waking up for.
    bytes_missing: u64,
}

impl Waiter {
    fn tell(&self, place: usize, bytes: u64) {
        let mut news = self.news.lock();
        if let Some(is_listed) = news.is_listed.get_mut(place)
            && !std::mem::replace(is_listed, true)
        {
            news.grown.push(place);
        }
        news.bytes_missing = news.bytes_missing.saturating_sub(bytes);
        let is_enough = news.bytes_missing == 0;
        drop(news);
        if is_enough {
            self.woken.notify_one();
        }
    }
}

/// A wait for partitions to grow, to move their start or to go away; ends when dropped.
pub struct Watch {
    watchers: Watchers,
    number: u32,
    /// By what this wait calls them.
    partitions: Vec<Option<PartitionId>>,
    waiter: Arc<Waiter>,
}

impl Watch {
    /// Waits for a partition too from now on, under a number of the caller's, instead of the one
    /// that had that number.
    pub fn set(&mut self, place: usize, partition: Option<PartitionId>) {
        self.set_all([(place, partition)]);
    }

    /// The same for many, at the price of one.
    pub fn set_all(&mut self, all: impl IntoIterator<Item = (usize, Option<PartitionId>)>) {
        let mut waiting = self.watchers.waiting.lock();
        for (place, partition) in all {
            if place >= self.partitions.len() {
                self.partitions.resize(place + 1, None);
                let mut news = self.waiter.news.lock();
                news.is_listed.resize(place + 1, false);
            }
            if let Some(before) = std::mem::replace(&mut self.partitions[place], partition) {
                waiting.places.remove(&(before, self.number, index(place)));
            }
            if let Some(partition) = partition {
                waiting
                    .places
                    .insert((partition, self.number, index(place)));
            }
        }
    }

    /// What has grown since this was asked last. From now on any growth is worth a wake-up.
    pub fn grown(&self) -> Vec<usize> {
        let mut news = self.waiter.news.lock();
        let grown = std::mem::take(&mut news.grown);
        for place in &grown {
            news.is_listed[*place] = false;
        }
        news.bytes_missing = 0;
        grown
    }

    /// Resolves after growth of that many bytes since [`Watch::grown`], or some time before.
    pub async fn wait(&self, bytes: u64) {
        self.waiter.news.lock().bytes_missing = bytes;
        self.waiter.woken.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.watchers.waiting.lock();
        for (place, partition) in self.partitions.iter().enumerate() {
            if let Some(partition) = partition {
                let place = (*partition, self.number, index(place));
                waiting.places.remove(&place);
            }
        }
        waiting.waiters[self.number as usize] = None;
        waiting.free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn grown(partition: u64, bytes: u64) -> [Growth; 1] {
        [Growth {
            partition: PartitionId(partition),
            bytes,
        }]
    }

    #[test]
    fn a_wait_is_told_which_of_its_partitions_have_grown() {
        let watchers = Watchers::default();
        let mut watch = watchers.watch();
        watch.set_all((0..3).map(|place| (place, Some(PartitionId(10 + place as u64)))));
        let mut other = watchers.watch();
        other.set(0, Some(PartitionId(13)));

        watchers.wake(grown(12, 1));
        watchers.wake(grown(10, 1));
        watchers.wake(grown(12, 1));

        assert_eq!(watch.wait(1).now_or_never(), Some(()));
        assert_eq!(watch.grown(), [2, 0]);
        assert!(watch.grown().is_empty());
        assert_eq!(other.wait(1).now_or_never(), None);
    }

    #[test]
    fn growth_that_is_too_little_wakes_nobody_and_is_not_forgotten() {
        let watchers = Watchers::default();
        let mut watch = watchers.watch();
        watch.set(0, Some(PartitionId(1)));

        watchers.wake(grown(1, 40));
        watch.wait(100).now_or_never();
        watchers.wake(grown(1, 99));
        assert_eq!(watch.waiter.woken.notified().now_or_never(), None);
        watchers.wake(grown(1, 1));

        assert_eq!(watch.waiter.woken.notified().now_or_never(), Some(()));
        assert_eq!(watch.grown(), [0]);
    }

    #[test]
    fn a_partition_that_is_given_up_is_watched_no_more_and_a_dropped_wait_leaves_nothing() {
        let watchers = Watchers::default();
        let mut watch = watchers.watch();
        watch.set(0, Some(PartitionId(1)));
        watch.set(0, Some(PartitionId(2)));

        watchers.wake(grown(1, 1));
        assert!(watch.grown().is_empty());
        drop(watch);

        assert!(watchers.waiting.lock().places.is_empty());
    }
}
