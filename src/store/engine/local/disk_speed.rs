//! How fast the disk reads, and so whether reads go past the system's page cache.
//!
//! Past it a read costs a third of the processor's time (decision 12), but the next reader of the
//! same bytes finds nothing: on a slow disk that would be worse.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A disk that takes longer for a MiB is one whose bytes are worth keeping in the page cache.
const FAST_NANOS_PER_MIB_MAX: u64 = 4_000_000;
/// The share of each new read in the mean: one in so many.
const INERTIA: u64 = 8;
/// On a slow disk one read in so many goes past the cache, to see whether it still is slow.
const PROBED: u64 = 64;

/// The mean over the last direct reads. A new one is taken to be fast.
#[derive(Default)]
pub struct DiskSpeed {
    nanos_per_mib: AtomicU64,
    asked: AtomicU64,
}

impl DiskSpeed {
    /// Whether the next read goes past the page cache.
    pub fn is_direct(&self) -> bool {
        self.nanos_per_mib.load(Ordering::Relaxed) <= FAST_NANOS_PER_MIB_MAX
            || self.asked.fetch_add(1, Ordering::Relaxed) % PROBED == PROBED - 1
    }

    /// Notes how long a direct read took, which must be a long one to tell anything. Notes that
    /// meet may lose one: it is a mean.
    pub fn note(&self, bytes: usize, took: Duration) {
        let nanos = took.as_nanos() * (1 << 20) / bytes as u128;
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX / INERTIA);
        let mean = self.nanos_per_mib.load(Ordering::Relaxed);
        let mean = (mean * (INERTIA - 1) + nanos.min(u64::MAX / INERTIA)) / INERTIA;
        self.nanos_per_mib.store(mean, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(speed: &DiskSpeed, ms_per_mib: u64, count: usize) {
        for _ in 0..count {
            speed.note(1 << 20, Duration::from_millis(ms_per_mib));
        }
    }

    #[test]
    fn a_slow_disk_is_read_through_the_cache_until_it_is_fast_again() {
        let speed = DiskSpeed::default();
        read(&speed, 1, 20);
        assert!(speed.is_direct());
        read(&speed, 10, 20);
        let direct = (0..PROBED).filter(|_| speed.is_direct()).count();
        assert_eq!(direct, 1);
        read(&speed, 1, 20);
        assert!(speed.is_direct());
    }

    #[test]
    fn one_slow_read_changes_nothing() {
        let speed = DiskSpeed::default();
        read(&speed, 1, 20);
        read(&speed, 20, 1);
        assert!(speed.is_direct());
    }
}
