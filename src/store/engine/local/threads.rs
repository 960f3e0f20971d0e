//! The engine's threads: one writes, one syncs, one tidies up.

use super::shared::Shared;
use crate::config::Durability;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

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
        start("log-tidy", Shared::tidy)?,
    ])
}

/// Writes one group while another is being synced, and no more, so that what arrives meanwhile
/// shares the next sync.
fn write(shared: &Shared) {
    loop {
        let mut core = shared.core.lock();
        if core.is_over() {
            return;
        }
        let may_write = core.written.is_empty() || shared.settings.durability == Durability::Os;
        if core.queue.is_empty() {
            let is_idle = shared.to_write.wait_for(&mut core, IDLE).timed_out();
            drop(core);
            if is_idle {
                shared.record_idle();
            }
        } else if may_write {
            drop(core);
            shared.write_queued();
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
