//! What the engine's threads share: the queue, the log's end, the index of what is durable.

use super::assemble;
use super::cold::Cold;
use super::disk::Disk;
use super::frame::Committed;
use super::index::{Group, Index};
use super::log::Writer;
use super::open::Opened;
use super::room::{Need, Room, is_full};
use super::segment::{LogAt, Segment};
use super::settings::{LocalSettings, Pace};
use super::upkeep::Upkeep;
use crate::clock::Clock;
use crate::config::Durability;
use crate::store::Position;
use crate::store::engine::sequencer::Sequencer;
use crate::store::engine::watchers::Watchers;
use crate::store::engine::{Answer, Atom, Decision, EngineError, Intent, Refusal};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{oneshot, watch};

/// Locks are taken in the order of these fields, and none is held across a wait. `core` and
/// `index` are never held across a read or write of a file either.
pub struct Shared {
    pub disk: Arc<dyn Disk>,
    pub clock: Clock,
    pub settings: LocalSettings,
    pub pace: Pace,
    pub watchers: Watchers,
    pub upkeep: Mutex<Upkeep>,
    /// Held by the one that writes.
    pub writer: Mutex<Writer>,
    /// Held by the one that syncs.
    pub syncing: Mutex<()>,
    pub core: Mutex<Core>,
    pub index: Mutex<Index>,
    pub cold: Arc<Cold>,
    /// With `core`: there is something to write, to sync, to prepare, to tidy up.
    pub to_write: Condvar,
    pub to_sync: Condvar,
    pub to_prepare: Condvar,
    pub to_tidy: Condvar,
    pub progress: watch::Sender<Progress>,
    /// Its own, so that those who wait for the end are not woken by every group.
    pub failure: watch::Sender<Option<EngineError>>,
    /// Written under `core`, for those who do without it.
    pub streams_changed: AtomicU64,
}

/// What others may wait for.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub durable: Position,
    pub failed: Option<EngineError>,
    pub has_stopped: bool,
}

/// Sequenced state, and the commits on their way to the disk.
pub struct Core {
    pub sequencer: Sequencer,
    pub room: Room,
    pub queue: VecDeque<Queued>,
    /// Groups that are written and not yet known to be synced.
    pub written: Vec<Written>,
    /// Calls of `commit` that wait for their answer.
    pub pending: usize,
    pub queued_bytes: usize,
    /// Whether the newest group was of more than one call.
    pub had_company: bool,
    /// Everything before this place of the log is synced.
    pub synced: LogAt,
    /// Full segments, oldest first, until they are folded.
    pub sealed: VecDeque<Sealed>,
    /// Whether the newest segment that was due to be folded was kept as it is instead.
    pub is_adopting: bool,
    /// Whether segments to come are filled with zeros.
    pub needs_zeros: bool,
    /// Whether the newest batch was refused for want of space.
    pub is_full: bool,
    pub is_stopping: bool,
    /// The threads are to end without another write.
    pub is_abandoned: bool,
    pub failed: Option<EngineError>,
}

/// What a call of `commit` left in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Nothing that is to be written.
    Unchanged,
    /// This commit, and nobody else's is on its way to the disk or was with the newest group.
    Alone,
    /// This commit, with others that are on their way to the disk or soon will be; the writer may
    /// be idle.
    Behind,
    /// This commit, behind others that are queued or about to be synced: the writer, if it waits,
    /// is told when it can go on.
    Following,
}

/// One call of `commit`.
pub struct Queued {
    pub commits: Vec<Committed>,
    pub bytes: u64,
    pub waiting: Waiting,
}

/// Somebody who is to be answered.
pub struct Waiting {
    sender: oneshot::Sender<Result<Vec<Decision>, EngineError>>,
    decisions: Vec<Decision>,
}

impl Waiting {
    /// The asker may have gone away; that is its own affair.
    pub fn answer(self) {
        let _ = self.sender.send(Ok(self.decisions));
    }

    pub fn fail(self, error: EngineError) {
        let _ = self.sender.send(Err(error));
    }
}

/// A group on its way from the writer to the disk.
pub struct Written {
    /// `None` if it took no frame.
    pub segment: Option<Arc<Segment>>,
    pub end: LogAt,
    /// `None` once it has been published.
    pub news: Option<News>,
}

/// What becomes visible with a group.
pub struct News {
    pub groups: Vec<Group>,
    pub last: Option<Position>,
    pub waiting: Vec<Waiting>,
    pub bytes: u64,
}

/// A segment that nothing more is written to.
#[derive(Clone)]
pub struct Sealed {
    pub segment: Arc<Segment>,
    /// Where the log goes on in another segment.
    pub end: LogAt,
}

impl Shared {
    pub fn new(
        disk: Arc<dyn Disk>,
        clock: Clock,
        settings: LocalSettings,
        pace: Pace,
        opened: Opened,
    ) -> Shared {
        let progress = Progress {
            durable: opened.core.sequencer.last(),
            ..Progress::default()
        };
        let streams_changed = opened.core.sequencer.streams_changed();
        Shared {
            disk,
            cold: Arc::new(Cold::new(clock.clone())),
            clock,
            settings,
            pace,
            watchers: Watchers::default(),
            upkeep: Mutex::new(opened.upkeep),
            writer: Mutex::new(opened.writer),
            syncing: Mutex::new(()),
            core: Mutex::new(opened.core),
            index: Mutex::new(opened.index),
            to_write: Condvar::new(),
            to_sync: Condvar::new(),
            to_prepare: Condvar::new(),
            to_tidy: Condvar::new(),
            progress: watch::Sender::new(progress),
            failure: watch::Sender::new(None),
            streams_changed: AtomicU64::new(streams_changed.0),
        }
    }

    /// Sequences `atoms` and queues their effects, which somebody has to write then.
    pub fn commit(&self, atoms: Vec<Atom>) -> (Answer, Queue) {
        let (sender, receiver) = oneshot::channel();
        let bytes = assemble::bytes_max(atoms.iter());
        let mut core = self.core.lock();
        if let Some(error) = core.closed() {
            let _ = sender.send(Err(error));
            return (receiver, Queue::Unchanged);
        }
        let before = core.room.mark();
        let judged = match core.make_room(atoms, bytes) {
            Ok(judged) => judged,
            Err(error) => {
                drop(core);
                let _ = sender.send(Err(self.fail(&format!("the log cannot grow: {error}"))));
                return (receiver, Queue::Unchanged);
            }
        };
        let (commits, decisions) = core.decide(judged, self.clock.now());
        let streams_changed = core.sequencer.streams_changed().0;
        if self.streams_changed.load(Ordering::Relaxed) != streams_changed {
            self.streams_changed
                .store(streams_changed, Ordering::Release);
        }
        let waiting = Waiting { sender, decisions };
        let has_effects = !commits.is_empty();
        if !has_effects {
            core.room.return_to(before);
            if core.pending == 0 {
                waiting.answer();
                return (receiver, Queue::Unchanged);
            }
        }
        let bytes = if has_effects { bytes } else { 0 };
        let is_told = self.settings.durability == Durability::Disk && !core.written.is_empty();
        let queue = match core.pending {
            0 if !core.had_company => Queue::Alone,
            0 => Queue::Behind,
            _ if is_told || !core.queue.is_empty() => Queue::Following,
            _ => Queue::Behind,
        };
        core.pending += 1;
        core.queued_bytes += usize::try_from(bytes).unwrap_or(usize::MAX);
        core.queue.push_back(Queued {
            commits,
            bytes,
            waiting,
        });
        (receiver, queue)
    }

    /// Stops writing for good: everybody who waits is told why. Answers with the first reason.
    pub fn fail(&self, reason: &str) -> EngineError {
        let mut core = self.core.lock();
        let error = core
            .failed
            .get_or_insert_with(|| EngineError::Failed(reason.into()))
            .clone();
        let queue = std::mem::take(&mut core.queue);
        let written = std::mem::take(&mut core.written);
        core.pending = 0;
        drop(core);
        let queued = queue.into_iter().map(|queued| queued.waiting);
        let written = written.into_iter().filter_map(|written| written.news);
        for waiting in queued.chain(written.flat_map(|news| news.waiting)) {
            waiting.fail(error.clone());
        }
        self.progress
            .send_modify(|progress| progress.failed = Some(error.clone()));
        self.failure.send_replace(Some(error.clone()));
        self.wake_threads();
        error
    }

    /// Fails unless the error says that the disk is full, which passes.
    pub fn fail_unless_full(&self, doing: &str, error: &io::Error) {
        if !is_full(error) {
            self.fail(&format!("{doing}: {error}"));
        }
    }

    pub fn has_failed(&self) -> bool {
        self.core.lock().failed.is_some()
    }

    pub fn wake_threads(&self) {
        self.to_write.notify_all();
        self.to_sync.notify_all();
        self.to_prepare.notify_all();
        self.to_tidy.notify_all();
    }
}

impl Core {
    /// After everything before `synced` was recovered.
    pub fn new(sequencer: Sequencer, room: Room, synced: LogAt, sealed: Vec<Sealed>) -> Core {
        Core {
            sequencer,
            room,
            queue: VecDeque::new(),
            written: Vec::new(),
            pending: 0,
            queued_bytes: 0,
            had_company: false,
            synced,
            sealed: sealed.into(),
            is_adopting: false,
            needs_zeros: true,
            is_full: false,
            is_stopping: false,
            is_abandoned: false,
            failed: None,
        }
    }

    /// Whether the threads are to end.
    pub fn is_over(&self) -> bool {
        self.is_abandoned || self.failed.is_some()
    }

    fn closed(&self) -> Option<EngineError> {
        let stopping = self.is_stopping.then_some(EngineError::Stopping);
        self.failed.clone().or(stopping)
    }

    /// Finds room for the atoms. With the disk full, those that append are refused and the rest
    /// goes into the reserve while it lasts.
    fn make_room(
        &mut self,
        atoms: Vec<Atom>,
        bytes: u64,
    ) -> io::Result<Vec<Result<Atom, Refusal>>> {
        let need = if atoms.iter().any(has_append) {
            Need::Append
        } else {
            Need::State
        };
        let planned = self.room.plan(bytes, need);
        self.is_full = planned.as_ref().is_err_and(is_full);
        match planned {
            Ok(()) => return Ok(atoms.into_iter().map(Ok).collect()),
            Err(error) if !self.is_full => return Err(error),
            Err(_) => {}
        }
        let state = atoms.iter().filter(|atom| !has_append(atom));
        let fits = match self.room.plan(assemble::bytes_max(state), Need::State) {
            Ok(()) => true,
            Err(error) if is_full(&error) => false,
            Err(error) => return Err(error),
        };
        let judge = |atom: Atom| match fits && !has_append(&atom) {
            true => Ok(atom),
            false => Err(Refusal::Full),
        };
        Ok(atoms.into_iter().map(judge).collect())
    }

    fn decide(
        &mut self,
        atoms: Vec<Result<Atom, Refusal>>,
        now: crate::store::Timestamp,
    ) -> (Vec<Committed>, Vec<Decision>) {
        let mut commits = Vec::new();
        let mut decisions = Vec::with_capacity(atoms.len());
        for atom in atoms {
            let sequenced = match atom {
                Ok(atom) => self.sequencer.decide(atom, now),
                Err(refusal) => {
                    decisions.push(Err(refusal));
                    continue;
                }
            };
            if !sequenced.effects.is_empty() {
                commits.push(Committed {
                    position: sequenced.position,
                    effects: sequenced.effects,
                });
            }
            decisions.push(sequenced.decision);
        }
        (commits, decisions)
    }
}

fn has_append(atom: &Atom) -> bool {
    atom.iter()
        .any(|intent| matches!(intent, Intent::Append(_)))
}

#[cfg(test)]
mod tests {
    use super::super::disk::Directory;
    use super::super::open::open;
    use super::*;
    use crate::config::StoreConfig;
    use crate::store::{PartitionId, Timestamp};
    use tempfile::TempDir;

    #[test]
    fn who_comes_after_a_group_of_several_is_not_taken_for_alone() {
        let dir = TempDir::new().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(Directory::lock(dir.path()).unwrap());
        let settings = LocalSettings::from(&StoreConfig::default());
        let opened = open(&disk, &settings).unwrap();
        let clock = Clock::fixed(Timestamp(1000));
        let shared = Shared::new(disk, clock, settings, Pace::Manual, opened);
        let commit = |partition| {
            let partition = PartitionId(partition);
            shared.commit(vec![vec![Intent::Open { partition }]]).1
        };
        let write = || assert!(shared.write_queued() && shared.sync_written());

        assert_eq!(commit(1), Queue::Alone);
        assert_eq!(commit(2), Queue::Following);
        write();
        assert_eq!(commit(3), Queue::Behind);
        write();
        assert_eq!(commit(4), Queue::Alone);
    }
}
