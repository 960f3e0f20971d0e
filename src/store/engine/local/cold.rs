//! Reads that go to the disk: on threads that may wait for it, past the system's page cache where
//! that pays, and ahead of readers that go on.

use super::ahead::{AHEAD_BYTES_MAX, Ahead, Begun, Stock};
use super::batch_index::BatchIndexes;
use super::disk::DiskFile;
use super::disk_speed::DiskSpeed;
use super::read::{Plan, ended};
use super::read_memory::ReadMemory;
use super::segment::{BLOCK_BYTES, round_up_to_block};
use super::shared::Shared;
use super::span::Unchecked;
use crate::clock::Clock;
use crate::store::engine::{Read, ReadError, Run};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Shorter reads are not worth lent memory: theirs is of their own size.
const LENT_BYTES_MIN: usize = 64 << 10;
/// Shorter reads go through the page cache. Short stretches mean that others lie between them, and
/// each would wait for the disk alone, while the system reads ahead for all who read there.
const DIRECT_BYTES_MIN: usize = 512 << 10;

/// What cold readers share.
pub struct Cold {
    pub indexes: BatchIndexes,
    memory: ReadMemory,
    speed: DiskSpeed,
    ahead: Ahead,
    clock: Clock,
}

impl Cold {
    pub fn new(clock: Clock) -> Cold {
        Cold {
            indexes: BatchIndexes::default(),
            memory: ReadMemory::default(),
            speed: DiskSpeed::default(),
            ahead: Ahead::default(),
            clock,
        }
    }

    /// Reads these bytes of a file.
    pub fn stretch(&self, file: &dyn DiskFile, range: Range<u64>) -> io::Result<Bytes> {
        let in_memory = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        let length = in_memory(range.end - range.start)?;
        if length < LENT_BYTES_MIN {
            let mut bytes = vec![0; length];
            file.read_at(range.start, &mut bytes)?;
            return Ok(bytes.into());
        }
        let start = range.start / BLOCK_BYTES * BLOCK_BYTES;
        let wanted = in_memory(range.start - start)?;
        let wanted = wanted..wanted + length;
        let blocks = in_memory(round_up_to_block(range.end) - start)?;
        let mut lent = self.memory.lend(blocks);
        let is_long = length >= DIRECT_BYTES_MIN;
        if !is_long || !self.read_direct(file, start, &mut lent.blocks[..blocks])? {
            file.read_at(range.start, &mut lent.blocks[wanted.clone()])?;
        }
        Ok(lent.freeze().slice(wanted))
    }

    /// Reads past the page cache, unless the disk is too slow for that or the file ends within its
    /// last block.
    fn read_direct(&self, file: &dyn DiskFile, at: u64, into: &mut [u8]) -> io::Result<bool> {
        if !self.speed.is_direct() {
            return Ok(false);
        }
        let began = self.clock.instant();
        match file.read_blocks_at(at, into) {
            Ok(()) => self.speed.note(into.len(), self.clock.instant() - began),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Reads ahead on a thread that may wait.
    fn begin(self: &Arc<Self>, plan: Plan, runtime: &Handle) -> Begun {
        let cold = self.clone();
        runtime.spawn_blocking(move || plan.strictly().find(&cold))
    }

    /// Gives back memory that nobody has asked for in a while.
    pub fn tidy(&self) {
        if self.ahead.forget(self.clock.instant()) {
            self.memory.release();
        }
    }
}

impl Shared {
    /// Carries out a plan on threads that may wait, unless it was begun before; then begins the
    /// reader's next one.
    pub async fn read_cold(
        self: Arc<Self>,
        plan: Plan,
        runtime: Handle,
    ) -> Result<Vec<Run>, ReadError> {
        let read = plan.read;
        let stock = self.cold.ahead.meet(&read);
        let reading_on = stock.is_some().then_some(&runtime);
        let Stock { mut found, begun } = stock.unwrap_or_default();
        let begun = match begun {
            Some(begun) if found.is_empty() => {
                found = begun.await.unwrap_or(Ok(found)).unwrap_or_default();
                None
            }
            begun => begun,
        };
        if !found.is_empty() {
            let rest = split_fitting(&mut found, read.bytes_max);
            let last = found.last().map(|found| &found.run);
            let stock = Stock { found: rest, begun };
            self.go_on(read, last, stock, reading_on);
            // It is checked here and not where it was read: the disk's thread goes on meanwhile.
            // What failed is read once more, for the reader itself.
            let checked = found.into_iter().map(Unchecked::checked);
            let checked = checked.collect::<io::Result<Vec<_>>>().unwrap_or_default();
            if !checked.is_empty() {
                return Ok(checked);
            }
        }
        let cold = self.cold.clone();
        let work = runtime.spawn_blocking(move || plan.carry_out(&cold));
        let runs = work.await.map_err(ended)??;
        self.go_on(read, runs.last(), Stock::default(), reading_on);
        Ok(runs)
    }

    /// Expects a reader to ask for what follows its last run. On a runtime, what comes after its
    /// stock is begun.
    fn go_on(&self, read: Read, last: Option<&Run>, mut stock: Stock, runtime: Option<&Handle>) {
        let end = |run: &Run| run.batches.last().map(|batch| batch.next);
        let Some(from) = last.and_then(end) else {
            return;
        };
        let behind = stock.found.last().and_then(|found| end(&found.run));
        let ahead = Read {
            from: behind.unwrap_or(from),
            bytes_max: AHEAD_BYTES_MAX,
            ..read
        };
        // Where the log's newest bytes in memory begin, nothing is read ahead.
        let plan = self.index.lock().plan(ahead).ok();
        let plan = plan.filter(|plan| !plan.is_warm());
        if plan.is_none() && stock.found.is_empty() {
            return;
        }
        let runtime = runtime.filter(|_| stock.begun.is_none() && self.cold.ahead.has_room());
        if let (Some(plan), Some(runtime)) = (plan, runtime) {
            stock.begun = Some(self.cold.begin(plan, runtime));
        }
        let next = Read { from, ..read };
        self.cold.ahead.expect(&next, self.clock.instant(), stock);
    }
}

/// Keeps what the reader has room for, at least one batch; the rest is answered.
fn split_fitting(found: &mut Vec<Unchecked>, bytes_max: usize) -> Vec<Unchecked> {
    let mut bytes = 0;
    for at in 0..found.len() {
        let run = &found[at].run;
        for (count, batch) in run.batches.iter().enumerate() {
            bytes += usize::try_from(batch.bytes).unwrap_or(usize::MAX);
            if bytes <= bytes_max || (at, count) == (0, 0) {
                continue;
            }
            let mut rest = found.split_off(at + 1);
            rest.insert(0, found[at].split_off(count));
            found.retain(|found| !found.run.batches.is_empty());
            return rest;
        }
    }
    Vec::new()
}
