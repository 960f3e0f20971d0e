//! The tail cache: the newest bytes of the log as whole groups, whatever partition they are of.

use super::buffers::Filled;
use super::segment::LogAt;
use bytes::Bytes;
use std::collections::VecDeque;

/// Groups in log order; the oldest leave first.
pub struct TailCache {
    groups: VecDeque<(LogAt, Filled)>,
    /// Memory that the groups take.
    bytes: usize,
    bytes_max: usize,
}

impl TailCache {
    pub fn new(bytes_max: usize) -> TailCache {
        TailCache {
            groups: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Adds the newest group.
    pub fn push(&mut self, at: LogAt, group: Filled) {
        self.bytes += group.memory;
        self.groups.push_back((at, group));
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.groups.pop_front() else {
                return;
            };
            self.bytes -= oldest.memory;
        }
    }

    /// The group that starts at `at`, if it has not left yet.
    pub fn get(&self, at: LogAt) -> Option<&Bytes> {
        let found = self.groups.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        Some(&self.groups[found].1.bytes)
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
}
