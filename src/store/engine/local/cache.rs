//! The tail cache: the newest bytes of the log as whole groups, whatever partition they are of.
//!
//! While so much is written that all of it would be replaced within a quarter of a second, it keeps
//! only twice as much as readers look back: memory that is soon used again is still in the
//! processor's caches.

use super::buffers::Filled;
use super::segment::LogAt;
use bytes::Bytes;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

/// Groups that leave for each one that comes, at most: those of a segment that was just folded may
/// be many, and commits wait meanwhile.
const EVICTED_MAX: usize = 16;
/// What is kept, if that may be kept, for readers to come.
const BYTES_MIN: usize = 8 << 20;
/// Time within which as much must have been written as may be kept.
const FAST: Duration = Duration::from_millis(250);
/// Places of that stretch whose time is known.
const MARKS: usize = 8;

/// Groups in log order; the oldest leave first.
pub struct TailCache {
    groups: VecDeque<(LogAt, Filled)>,
    /// Memory that the groups take.
    bytes: usize,
    bytes_max: usize,
    unfolded: Unfolded,
    /// When the log was at these places, oldest first.
    marks: VecDeque<(LogAt, Instant)>,
    is_fast: bool,
    reach: Cell<Reach>,
}

/// How far a reader looked back, and where the newest group was then.
#[derive(Clone, Copy, Default)]
struct Reach {
    bytes: usize,
    newest: LogAt,
}

/// What is still to be folded, and is kept for that up to another bound.
#[derive(Clone, Copy, Debug)]
pub struct Unfolded {
    pub from: LogAt,
    pub bytes_max: usize,
}

impl Unfolded {
    pub const NOTHING: Unfolded = Unfolded {
        from: LogAt(u64::MAX),
        bytes_max: 0,
    };
}

impl TailCache {
    pub fn new(bytes_max: usize) -> TailCache {
        TailCache {
            groups: VecDeque::new(),
            bytes: 0,
            bytes_max,
            unfolded: Unfolded::NOTHING,
            marks: VecDeque::new(),
            is_fast: false,
            reach: Cell::default(),
        }
    }

    /// Adds the newest group, which was written by `now`.
    pub fn push(&mut self, at: LogAt, group: Filled, now: Instant) {
        self.bytes += group.memory;
        self.groups.push_back((at, group));
        self.mark(at, now);
        self.evict(EVICTED_MAX);
    }

    fn mark(&mut self, at: LogAt, now: Instant) {
        let step = self.bytes_max / MARKS;
        let is_due = |&(last, _): &(LogAt, Instant)| distance(last, at) >= step;
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((at, now));
        }
        if self.marks.len() > MARKS {
            let oldest = self.marks.pop_front();
            self.is_fast = oldest.is_some_and(|(_, then)| now - then < FAST);
        }
    }

    /// What is kept now.
    fn bound(&self) -> usize {
        let reach = self.reach.get();
        let wanted = if self.is_past(reach) {
            0
        } else {
            2 * reach.bytes
        };
        match self.is_fast {
            true => wanted.max(BYTES_MIN).min(self.bytes_max),
            false => self.bytes_max,
        }
    }

    fn is_past(&self, reach: Reach) -> bool {
        distance(reach.newest, self.newest()) > self.bytes_max
    }

    fn newest(&self) -> LogAt {
        self.groups.back().map_or(LogAt(0), |(at, _)| *at)
    }

    /// Notes that somebody reads from here. Whoever is further behind than what may be kept does
    /// not count.
    fn note(&self, at: LogAt) {
        let newest = self.newest();
        let bytes = distance(at, newest);
        let noted = self.reach.get();
        if bytes <= self.bytes_max && (bytes >= noted.bytes || self.is_past(noted)) {
            self.reach.set(Reach { bytes, newest });
        }
    }

    /// What is kept for folding from now on; what is not leaves with [`TailCache::evict`].
    pub fn keep(&mut self, unfolded: Unfolded) {
        self.unfolded = unfolded;
    }

    /// Lets go of at most `count_max` groups that are beyond the bound. False if none is.
    pub fn evict(&mut self, count_max: usize) -> bool {
        let (bound, unfolded) = (self.bound(), self.unfolded);
        let bound = |at: LogAt| match at >= unfolded.from {
            true => bound.max(unfolded.bytes_max),
            false => bound,
        };
        for _ in 0..count_max {
            let Some((at, oldest)) = self.groups.front() else {
                return false;
            };
            if self.bytes <= bound(*at) {
                return false;
            }
            self.bytes -= oldest.memory;
            self.groups.pop_front();
        }
        true
    }

    /// Where the oldest group starts: all from there on are here.
    pub fn oldest(&self) -> LogAt {
        self.groups.front().map_or(LogAt(u64::MAX), |(at, _)| *at)
    }

    /// The group that starts at `at`, if it has not left yet, for somebody who reads it.
    pub fn get(&self, at: LogAt) -> Option<&Bytes> {
        self.note(at);
        let found = self.groups.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        Some(&self.groups[found].1.bytes)
    }

    /// The groups that start in this range and have not left yet: the oldest of them, at most
    /// `count_max`.
    pub fn some(
        &self,
        range: Range<LogAt>,
        count_max: usize,
    ) -> impl Iterator<Item = (LogAt, Bytes)> {
        let first = self.groups.partition_point(|(at, _)| *at < range.start);
        let groups = self.groups.range(first..).take(count_max);
        let in_range = groups.take_while(move |(at, _)| *at < range.end);
        in_range.map(|(at, group)| (*at, group.bytes.clone()))
    }
}

fn distance(from: LogAt, to: LogAt) -> usize {
    usize::try_from(to.0.saturating_sub(from.0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn push(cache: &mut TailCache, at: u64, bytes: usize) {
        cache.push(LogAt(at), Filled::from(vec![1; bytes]), Instant::now());
    }

    /// Writes so many MiB, one after each pause, and tells where the newest is.
    async fn write(cache: &mut TailCache, mib: usize, pause_ms: u64) -> LogAt {
        for _ in 0..mib {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            push(cache, cache.newest().0 + MIB as u64, MIB);
        }
        cache.newest()
    }

    fn back(from: LogAt, mib: usize) -> LogAt {
        LogAt(from.0 - (mib * MIB) as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_may_be_kept_is_kept_unless_it_is_soon_replaced() {
        let mut cache = TailCache::new(32 * MIB);
        write(&mut cache, 32, 1).await;
        assert_eq!(cache.bytes, 32 * MIB);
        write(&mut cache, 100, 1).await;
        assert_eq!(cache.bytes, BYTES_MIN);
        write(&mut cache, 100, 50).await;
        assert_eq!(cache.bytes, 32 * MIB);
        // A burst after a while is not enough.
        write(&mut cache, 60, 1).await;
        assert_eq!(cache.bytes, BYTES_MIN);
        write(&mut cache, 1, 5000).await;
        write(&mut cache, 24, 1).await;
        assert_eq!(cache.bytes, 32 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_replaced_that_fast_it_keeps_twice_as_much_as_readers_look_back() {
        let mut cache = TailCache::new(32 * MIB);
        let end = write(&mut cache, 100, 1).await;
        assert_eq!(cache.bytes, BYTES_MIN);
        // Not there, but somebody wants as much: from now on it is kept.
        assert!(cache.get(back(end, 10)).is_none());
        let end = write(&mut cache, 30, 1).await;
        assert_eq!(cache.bytes, 20 * MIB);
        assert!(cache.get(back(end, 10)).is_some());
        let end = write(&mut cache, 30, 1).await;
        assert_eq!(cache.bytes, 20 * MIB);
        // Nobody looks back any more, or further than anything is kept.
        assert!(cache.get(back(end, 33)).is_none());
        write(&mut cache, 33, 1).await;
        assert_eq!(cache.bytes, BYTES_MIN);
    }

    #[test]
    fn the_oldest_groups_leave_when_the_cache_is_full() {
        let mut cache = TailCache::new(8192);
        for at in [0, 4096, 8192] {
            push(&mut cache, at, 4096);
        }
        assert!(cache.get(LogAt(0)).is_none());
        assert!(cache.get(LogAt(4096)).is_some());
        assert!(cache.get(LogAt(8192)).is_some());
    }

    #[test]
    fn what_is_to_be_folded_stays_longer() {
        let mut cache = TailCache::new(8192);
        let mut unfolded = Unfolded {
            from: LogAt(4096),
            bytes_max: 12_288,
        };
        cache.keep(unfolded);
        for at in [0, 4096, 8192, 12_288] {
            push(&mut cache, at, 4096);
        }
        let oldest = |cache: &TailCache| cache.groups.front().map(|(at, _)| at.0);
        assert_eq!(oldest(&cache), Some(4096));
        push(&mut cache, 16_384, 4096);
        assert_eq!(oldest(&cache), Some(8192));
        unfolded.from = LogAt(12_288);
        cache.keep(unfolded);
        assert!(cache.evict(1));
        assert_eq!(oldest(&cache), Some(12_288));
        assert!(!cache.evict(1));
    }

    #[test]
    fn groups_of_a_stretch_of_the_log_are_found_some_at_a_time() {
        let mut cache = TailCache::new(1 << 20);
        for at in [0, 4096, 8192, 12_288] {
            push(&mut cache, at, 4096);
        }
        let found = |from, to, count_max| -> Vec<u64> {
            let groups = cache.some(LogAt(from)..LogAt(to), count_max);
            groups.map(|(at, _)| at.0).collect()
        };
        assert_eq!(found(4096, 12_288, 9), [4096, 8192]);
        assert_eq!(found(1, 12_288, 1), [4096]);
        assert!(found(12_289, 20_000, 9).is_empty());
    }
}
