//! What goes on behind the producers' backs: folding, checkpoints, and giving space back.

use super::data::DataSegment;
use super::shared::{Sealed, Shared};
use std::sync::Arc;

/// Files that are not the writer's any more.
#[derive(Default)]
pub struct Upkeep {
    /// Folded segments that readers may still find something in.
    pub data: Vec<Arc<DataSegment>>,
    /// Log segments that are folded, until a checkpoint says so.
    pub folded: Vec<Sealed>,
    /// Files that no checkpoint should mention any more, until one does not.
    pub ended: Vec<Arc<DataSegment>>,
    pub next_data: u64,
    pub next_checkpoint: u64,
}

impl Shared {
    /// Makes everything durable that was queued before.
    pub fn flush(&self) {
        while self.write_queued() {}
        self.sync_written();
    }

    /// The last things an engine does.
    pub fn finish(&self) {
        self.flush();
        self.progress
            .send_modify(|progress| progress.has_stopped = true);
    }

    /// Runs on the thread that tidies up.
    pub fn tidy(&self) {
        loop {
            let mut core = self.core.lock();
            if core.is_over() {
                return;
            }
            if core.is_stopping {
                drop(core);
                self.finish();
                self.core.lock().is_abandoned = true;
                self.wake_threads();
                return;
            }
            self.to_tidy.wait(&mut core);
        }
    }
}
