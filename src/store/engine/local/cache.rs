//! The tail cache: the newest bytes of the log as whole groups, whatever partition they are of.

use super::buffers::Filled;
use super::segment::LogAt;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

/// Groups that leave for each one that comes, at most: those of a segment that was just folded may
/// be many, and commits wait meanwhile.
const EVICTED_MAX: usize = 16;

/// Groups in log order; the oldest leave first.
pub struct TailCache {
    groups: VecDeque<(LogAt, Filled)>,
    /// Memory that the groups take.
    bytes: usize,
    bytes_max: usize,
    unfolded: Unfolded,
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
        }
    }

    /// Adds the newest group.
    pub fn push(&mut self, at: LogAt, group: Filled) {
        self.bytes += group.memory;
        self.groups.push_back((at, group));
        self.evict(EVICTED_MAX);
    }

    /// What is kept for folding from now on; what is not leaves with [`TailCache::evict`].
    pub fn keep(&mut self, unfolded: Unfolded) {
        self.unfolded = unfolded;
    }

    /// Lets go of at most `count_max` groups that are beyond the bound. False if none is.
    pub fn evict(&mut self, count_max: usize) -> bool {
        let (bytes_max, unfolded) = (self.bytes_max, self.unfolded);
        let bound = |at: LogAt| match at >= unfolded.from {
            true => bytes_max.max(unfolded.bytes_max),
            false => bytes_max,
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

    /// The group that starts at `at`, if it has not left yet.
    pub fn get(&self, at: LogAt) -> Option<&Bytes> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_groups_leave_when_the_cache_is_full() {
        let mut cache = TailCache::new(8192);
        for at in [0, 4096, 8192] {
            cache.push(LogAt(at), Filled::from(vec![1; 4096]));
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
            cache.push(LogAt(at), Filled::from(vec![1; 4096]));
        }
        let oldest = |cache: &TailCache| cache.groups.front().map(|(at, _)| at.0);
        assert_eq!(oldest(&cache), Some(4096));
        cache.push(LogAt(16_384), Filled::from(vec![1; 4096]));
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
            cache.push(LogAt(at), Filled::from(vec![1; 4096]));
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
