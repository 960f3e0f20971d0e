//! The engine's threads: one writes, one syncs, one makes room ahead, one tidies up.

use super::segment::LogAt;
use super::settings::Pace;
use super::shared::Shared;
use crate::config::Durability;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Full segments that wait to be kept as they are before that no longer gives way to producers.
const BACKLOG_SEGMENTS_MAX: usize = 2;
/// How often it is looked whether there is anything to tidy up, and how long folding gives way.
const TIDY: Duration = Duration::from_millis(1000);
const GIVE_WAY: Duration = Duration::from_millis(20);

/// What such work reads or writes at once, and its pause before the next piece: a commit then waits
/// for one piece, not for all of them.
const PIECE_BYTES: usize = 128 << 10;
const PIECE_PAUSE: Duration = Duration::from_micros(500);
/// Folding may be ahead of the log by one in so many bytes before it pauses.
const LEAD_SHARE: u64 = 4;
/// A piece when there is no time to lose: small ones would take twice as long.
pub const PIECE_BYTES_MAX: usize = 1 << 20;

/// Silence after which the log records that all of it is durable.
const IDLE: Duration = Duration::from_millis(100);

/// Starts the threads; they end when the engine stops, fails or is abandoned.
pub fn start(shared: &Arc<Shared>) -> io::Result<Vec<JoinHandle<()>>> {
    let start = |name: &str, run: fn(&Shared)| {
        let shared = shared.clone();
        Builder::new().name(name.into()).spawn(move || run(&shared))
    };
    Ok(vec![
        start("log-write", write)?,
        start("log-sync", sync)?,
        start("log-room", prepare)?,
        start("log-tidy", tidy)?,
    ])
}

/// Writes one group while another is being synced, and no more, so that what arrives meanwhile
/// shares the next sync. While nothing more is queued it syncs its group by itself: that spares a
/// lonely commit the way over another thread.
fn write(shared: &Shared) {
    let is_durable = shared.settings.durability == Durability::Disk;
    loop {
        let mut core = shared.core.lock();
        if core.is_over() {
            return;
        }
        let may_write = core.written.is_empty() || !is_durable;
        if core.queue.is_empty() {
            let is_idle = shared.to_write.wait_for(&mut core, IDLE).timed_out();
            drop(core);
            if is_idle && shared.record_idle() {
                shared.sync_written();
            }
        } else if may_write {
            drop(core);
            shared.write_queued();
            let is_alone = is_durable && shared.core.lock().queue.is_empty();
            match is_alone {
                true => drop(shared.sync_written()),
                false => drop(shared.to_sync.notify_one()),
            }
        } else {
            shared.to_write.wait(&mut core);
        }
    }
}

fn sync(shared: &Shared) {
    loop {
        let mut core = shared.core.lock();
        if core.is_over() {
            return;
        }
        if core.written.is_empty() {
            shared.to_sync.wait(&mut core);
        }
        drop(core);
        shared.sync_written();
    }
}

fn prepare(shared: &Shared) {
    while !shared.core.lock().is_over() {
        if shared.prepare() {
            continue;
        }
        let mut core = shared.core.lock();
        if !core.is_over() {
            shared.to_prepare.wait(&mut core);
        }
    }
}

fn tidy(shared: &Shared) {
    loop {
        let mut core = shared.core.lock();
        if core.is_over() {
            return;
        }
        if core.is_stopping {
            drop(core);
            shared.finish();
            shared.core.lock().is_abandoned = true;
            shared.wake_threads();
            return;
        }
        drop(core);
        let may_fold = give_way(shared);
        let has_folded = may_fold && shared.fold_one();
        // Also while there is always more to fold: what is folded is used again only after it.
        shared.checkpoint_if_due();
        shared.release();
        shared.cold.tidy();
        core = shared.core.lock();
        if !has_folded && may_fold && !core.is_over() && !core.is_stopping {
            // The newest full segment is soon synced, and nobody tells of that.
            let is_soon = core.sealed.front().is_some_and(|it| it.end > core.synced);
            let wait = if is_soon { GIVE_WAY } else { TIDY };
            shared.to_tidy.wait_for(&mut core, wait);
        }
    }
}

/// Lets producers go first while the backlog is small. False if they are still at it. What is to
/// be folded does not wait: it is still in memory, and would have to be read later.
fn give_way(shared: &Shared) -> bool {
    let mut core = shared.core.lock();
    let is_small = core.is_adopting && core.sealed.len() < BACKLOG_SEGMENTS_MAX;
    if core.pending == 0 || !is_small || core.sealed.is_empty() {
        return true;
    }
    shared.to_tidy.wait_for(&mut core, GIVE_WAY);
    core.pending == 0
}

impl Shared {
    /// Leaves the disk to the commits for a while, unless the log has grown by more than `done`
    /// bytes since it was at `began`: a segment is to be folded by the time the next one is full,
    /// and if it is not, there is no time to lose. Answers how many bytes to read or write then:
    /// whole blocks.
    pub fn pace_folding(&self, began: LogAt, done: u64) -> usize {
        let mut core = self.core.lock();
        let grown = core.synced.0.saturating_sub(began.0);
        let is_behind = done < grown + grown / LEAD_SHARE;
        let is_urgent = core.sealed.len() > 1 || core.is_stopping;
        if self.pace == Pace::Manual || is_behind || is_urgent || core.is_over() {
            return PIECE_BYTES_MAX;
        }
        self.to_tidy.wait_for(&mut core, PIECE_PAUSE);
        PIECE_BYTES
    }

    /// The same while the next segment is filled, unless the current one is nearly full.
    pub fn pace_filling(&self) -> usize {
        let is_urgent = self.writer.lock().is_nearly_full();
        let mut core = self.core.lock();
        if self.pace == Pace::Manual || is_urgent || core.is_stopping || core.is_over() {
            return PIECE_BYTES_MAX;
        }
        self.to_prepare.wait_for(&mut core, PIECE_PAUSE);
        PIECE_BYTES
    }
}
