//! The local engine as the store sees it.

use super::disk::Disk;
use super::lonely::Lonely;
use super::open::open;
use super::read;
use super::settings::{LocalSettings, OpenError, Pace};
use super::shared::{Progress, Queue, Shared};
use super::threads;
use crate::clock::Clock;
use crate::config::Durability;
use crate::store::engine::{Answer, Atom, BatchInfo, Engine, EngineError, Observed, Read};
use crate::store::engine::{ReadError, Run, Seek, Status, Watch};
use crate::store::state::{Entry, Key};
use crate::store::{PartitionId, Position};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use tokio::runtime::{Handle, RuntimeFlavor};

/// One shared write-ahead log on a local disk, folded later by partition.
pub struct Local {
    shared: Arc<Shared>,
    lonely: Lonely,
    threads: Vec<JoinHandle<()>>,
}

impl Local {
    /// Recovers what the disk holds and goes on from there.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Clock,
        settings: LocalSettings,
        pace: Pace,
    ) -> Result<Local, OpenError> {
        let opened = open(&disk, &settings)?;
        let shared = Arc::new(Shared::new(disk, clock, settings, pace, opened));
        let threads = match pace {
            Pace::Threads => {
                threads::start(&shared).map_err(OpenError::disk("starting the log's threads"))?
            }
            Pace::Manual => Vec::new(),
        };
        Ok(Local {
            shared,
            lonely: Lonely::default(),
            threads,
        })
    }
}

/// The steps that the threads otherwise take.
#[cfg(test)]
impl Local {
    /// Writes one group of what is queued; false if there was nothing to write.
    pub fn write_queued(&self) -> bool {
        self.shared.write_queued()
    }

    /// Syncs what is written and shows it; false if there was nothing to sync.
    pub fn sync_written(&self) -> bool {
        self.shared.sync_written()
    }

    /// Records in the log that all of it is durable, if it does not say so yet.
    pub fn record_idle(&self) -> bool {
        self.shared.record_idle()
    }

    /// Folds one segment of the log, or rewrites a folded one; false if none is due.
    pub fn fold_one(&self) -> bool {
        self.shared.fold_one()
    }

    /// Writes a checkpoint and gives back the space that it makes free; false if it could not.
    pub fn checkpoint(&self) -> bool {
        self.shared.checkpoint()
    }

    /// Gives back log segments that were still being read at the last checkpoint.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Makes the next log segment before it is needed; false if none is due.
    pub fn prepare(&self) -> bool {
        self.shared.prepare()
    }
}

/// Ends the threads without another write, as the end of the process would.
impl Drop for Local {
    fn drop(&mut self) {
        self.shared.core.lock().is_abandoned = true;
        self.shared.wake_threads();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Engine for Local {
    fn commit(&self, atoms: Vec<Atom>) -> Answer {
        let (answer, queued) = self.shared.commit(atoms);
        if let Queue::Alone | Queue::Behind = queued {
            self.shared.to_write.notify_one();
        }
        answer
    }

    fn commit_and_wait(&self, atoms: Vec<Atom>) -> Answer {
        let (answer, queued) = self.shared.commit(atoms);
        if let Queue::Behind | Queue::Following = queued {
            self.lonely.met();
        }
        match queued {
            Queue::Unchanged | Queue::Following => {}
            Queue::Alone if self.may_block() => self.write_alone(),
            Queue::Alone | Queue::Behind => drop(self.shared.to_write.notify_one()),
        }
        answer
    }

    fn admit(&self, bytes: usize) -> BoxFuture<'_, Result<(), EngineError>> {
        let queued = self.shared.core.lock().queued_bytes;
        if queued == 0 || queued + bytes <= self.shared.settings.queue_bytes_max {
            return ready(Ok(())).boxed();
        }
        let shared = self.shared.clone();
        let fits = move |_: &Progress| {
            let queued = shared.core.lock().queued_bytes;
            queued == 0 || queued + bytes <= shared.settings.queue_bytes_max
        };
        self.progress(fits).boxed()
    }

    fn get(&self, key: &Key) -> Observed<Option<Entry>> {
        self.shared.core.lock().sequencer.get(key)
    }

    fn scan(&self, range: Range<Key>, count_max: usize) -> Observed<Vec<(Key, Entry)>> {
        self.shared.core.lock().sequencer.scan(range, count_max)
    }

    fn streams_changed(&self) -> Position {
        Position(self.shared.streams_changed.load(Ordering::Acquire))
    }

    fn status(&self, partition: PartitionId) -> Option<Status> {
        let index = self.shared.index.lock();
        index.partitions.get(&partition).map(|index| index.status())
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Vec<Run>, ReadError>> {
        let plan = match self.shared.index.lock().plan(read) {
            Ok(plan) => plan,
            Err(error) => return ready(Err(error)).boxed(),
        };
        match self.runtime().filter(|_| !plan.is_warm()) {
            Some(runtime) => self.shared.clone().read_cold(plan, runtime).boxed(),
            None => ready(plan.carry_out(&self.shared.cold)).boxed(),
        }
    }

    fn seek(
        &self,
        partition: PartitionId,
        seek: Seek,
    ) -> BoxFuture<'static, Result<Option<BatchInfo>, ReadError>> {
        let plan = match self.shared.index.lock().plan_seek(partition, seek) {
            Ok(plan) => plan,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let Some(runtime) = self.runtime().filter(|_| !plan.is_warm()) else {
            return ready(plan.carry_out(&self.shared.cold.indexes)).boxed();
        };
        let cold = self.shared.cold.clone();
        let work = runtime.spawn_blocking(move || plan.carry_out(&cold.indexes));
        async move { work.await.map_err(read::ended)? }.boxed()
    }

    fn watch(&self) -> Watch {
        self.shared.watchers.watch()
    }

    fn durable(&self, position: Position) -> BoxFuture<'static, Result<(), EngineError>> {
        if self.shared.progress.borrow().durable >= position {
            return ready(Ok(())).boxed();
        }
        self.progress(move |progress| progress.durable >= position)
            .boxed()
    }

    fn failed(&self) -> BoxFuture<'static, EngineError> {
        let mut failure = self.shared.failure.subscribe();
        // The engine holds the sender: a waiter must not end before it.
        let shared = self.shared.clone();
        async move {
            let failed = failure.wait_for(Option::is_some).await;
            let failed = failed.ok().and_then(|failed| failed.clone());
            drop(shared);
            failed.unwrap_or(EngineError::Stopping)
        }
        .boxed()
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.shared.core.lock().is_stopping = true;
        self.shared.wake_threads();
        if self.shared.pace == Pace::Manual {
            self.shared.finish();
            return ready(()).boxed();
        }
        let mut progress = self.shared.progress.subscribe();
        async move {
            let over = |progress: &Progress| progress.has_stopped || progress.failed.is_some();
            // An error means that the engine is gone, and with it what could be waited for.
            let _ = progress.wait_for(over).await;
        }
        .boxed()
    }
}

impl Local {
    /// Waits until `holds`, or until the engine has failed.
    fn progress<F: Fn(&Progress) -> bool + Send + Sync + 'static>(
        &self,
        holds: F,
    ) -> impl Future<Output = Result<(), EngineError>> + Send + use<F> {
        let mut progress = self.shared.progress.subscribe();
        async move {
            let found = progress
                .wait_for(|progress| progress.failed.is_some() || holds(progress))
                .await;
            match found.map(|progress| progress.failed.clone()) {
                Ok(Some(error)) => Err(error),
                Ok(None) => Ok(()),
                Err(_) => Err(EngineError::Stopping),
            }
        }
    }

    /// Writes a lonely commit on this thread, and syncs it if it is waited for. Leaving the
    /// thread's other tasks to another one would wake that one for each commit, so it is done only
    /// where the disk takes its time or others may come.
    fn write_alone(&self) {
        let begun = self.lonely.begin();
        let write = || {
            let began = self.shared.clock.instant();
            self.shared.write_queued();
            match self.shared.settings.durability {
                Durability::Disk => drop(self.shared.sync_written()),
                Durability::Os => drop(self.shared.to_sync.notify_one()),
            }
            let took = self.shared.clock.instant() - began;
            self.lonely.end(&begun, took);
        };
        let has_others = Handle::try_current().is_ok_and(|it| it.metrics().num_workers() > 1);
        match has_others && begun.is_quick {
            true => write(),
            false => tokio::task::block_in_place(write),
        }
    }

    /// Whether this thread may wait for the disk: others of its runtime go on meanwhile.
    fn may_block(&self) -> bool {
        let is_shared = |runtime: Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        self.shared.pace == Pace::Threads && Handle::try_current().is_ok_and(is_shared)
    }

    /// Where reads may wait for files; `None` if they are to be carried out where they are asked.
    fn runtime(&self) -> Option<Handle> {
        let runtime = Handle::try_current().ok();
        runtime.filter(|_| self.shared.pace == Pace::Threads)
    }
}
