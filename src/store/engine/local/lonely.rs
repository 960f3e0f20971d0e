//! Which of the commits that meet nobody else's are quick: they are written without giving the
//! thread's other tasks away.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A write and its sync for which a thread of the runtime may keep its other tasks waiting: less
/// than they may keep each other.
const QUICK_WRITE: Duration = Duration::from_micros(500);
/// So many lonely commits in a row tell that nobody else is at it: two that take turns would only
/// keep each other from sharing syncs.
const LONELY_MIN: u32 = 16;
/// Newest commits that the mean mostly speaks of: the disk that takes its time once in a while is
/// a quick one all the same.
const MEAN_OF: u32 = 8;

/// What the newest commits were like.
#[derive(Debug, Default)]
pub struct Lonely {
    /// Commits in a row that met nobody else's.
    in_a_row: AtomicU32,
    /// Mean of what they took from the write to the end of its sync; the newest count most.
    mean_us: AtomicU32,
}

/// A lonely commit that is about to be written.
pub struct Begun {
    in_a_row: u32,
    pub is_quick: bool,
}

impl Lonely {
    /// A commit met others.
    pub fn met(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    pub fn begin(&self) -> Begun {
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        let mean = Duration::from_micros(self.mean_us.load(Ordering::Relaxed).into());
        Begun {
            in_a_row,
            is_quick: in_a_row >= LONELY_MIN && mean <= QUICK_WRITE,
        }
    }

    /// The commit that was begun took so long.
    pub fn end(&self, begun: &Begun, took: Duration) {
        let relaxed = Ordering::Relaxed;
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mean = self.mean_us.load(relaxed);
        let mean = mean - mean / MEAN_OF + took / MEAN_OF;
        self.mean_us.store(mean, relaxed);
        // Somebody may have come meanwhile.
        let (before, now) = (begun.in_a_row, begun.in_a_row.saturating_add(1));
        let _ = self
            .in_a_row
            .compare_exchange(before, now, relaxed, relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many commits, each of which takes so long, are quick.
    fn quick(lonely: &Lonely, count: usize, us: u64) -> usize {
        let commit = |_: &usize| {
            let begun = lonely.begin();
            lonely.end(&begun, Duration::from_micros(us));
            begun.is_quick
        };
        (0..count).filter(commit).count()
    }

    #[test]
    fn the_first_are_not_quick() {
        assert_eq!(quick(&Lonely::default(), 20, 100), 4);
    }

    #[test]
    fn who_met_others_begins_again() {
        let lonely = Lonely::default();
        quick(&lonely, 20, 100);
        let begun = lonely.begin();
        lonely.met();
        lonely.end(&begun, Duration::ZERO);
        assert_eq!(quick(&lonely, 20, 100), 4);
    }

    #[test]
    fn a_disk_that_is_slow_once_stays_quick() {
        let lonely = Lonely::default();
        quick(&lonely, 20, 200);
        assert_eq!(quick(&lonely, 1, 2_000), 1);
        assert_eq!(quick(&lonely, 8, 200), 8);
    }

    #[test]
    fn a_slow_disk_is_not_quick_until_it_has_become_so() {
        let lonely = Lonely::default();
        assert_eq!(quick(&lonely, 100, 2_000), 0);
        assert_eq!(quick(&lonely, 20, 200), 6);
        assert_eq!(quick(&lonely, 1, u64::MAX), 1);
        assert_eq!(quick(&lonely, 20, 200), 0);
    }
}
