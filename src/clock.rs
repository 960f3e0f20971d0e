//! The only reader of time, so that a test can turn it.

use crate::store::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time in milliseconds. Clones share the same source.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Set by tests: the time to tell instead of the machine's; 0 tells the machine's.
    fixed_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A clock that stands still until it is set.
    #[cfg(test)]
    pub fn fixed(now: Timestamp) -> Clock {
        let clock = Clock::default();
        clock.set(now);
        clock
    }

    /// Makes this clock and all its clones tell `now`; later than the epoch.
    #[cfg(test)]
    pub fn set(&self, now: Timestamp) {
        self.fixed_ms.store(now.0, Ordering::Relaxed);
    }

    /// A moment for deadlines: never goes back, and is not what [`Clock::set`] sets.
    pub fn instant(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Timestamp {
        match self.fixed_ms.load(Ordering::Relaxed) {
            0 => Timestamp(machine_ms()),
            fixed => Timestamp(fixed),
        }
    }
}

fn machine_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
