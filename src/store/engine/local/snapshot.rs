//! Taking a checkpoint while commits go on: a few entries at a time under the locks they need.

use super::checkpoint::{DataFile, Files, Writing};
use super::data::{DataName, DataSegment};
use super::found::ENTRIES_MAX;
use super::shared::Shared;
use super::upkeep::Upkeep;
use crate::store::{PartitionId, Position};
use parking_lot::MutexGuard;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// A checkpoint on disk.
pub struct Taken {
    pub files: Files,
    pub bytes: u64,
}

impl Shared {
    /// Writes a checkpoint whole, or not at all.
    pub fn take_checkpoint(&self, upkeep: &Upkeep) -> io::Result<Taken> {
        let (mut files, position) = self.begin_checkpoint();
        let mut writing = Writing::begin(self.disk.as_ref(), upkeep.checkpoint + 1)?;
        writing.add(|into| into.encode(position)?.begin_array()?.ok());
        self.add_values(&mut writing)?;
        writing.add(|into| into.end()?.begin_array()?.ok());
        self.add_partitions(&mut writing)?;
        // What it holds must not be ahead of the log.
        self.flush();
        if self.has_failed() {
            return Err(io::Error::other("the log cannot be written"));
        }
        files.durable = self.core.lock().synced.0;
        writing.add(|into| into.end()?.begin_array()?.ok());
        files.data = self.add_runs(&mut writing, upkeep)?;
        writing.add(|into| into.end()?.encode(&files)?.ok());
        let bytes = writing.finish()?;
        Ok(Taken { files, bytes })
    }

    /// Where to follow the log from, and the newest position that need not be followed.
    fn begin_checkpoint(&self) -> (Files, Position) {
        let writer = self.writer.lock();
        let core = self.core.lock();
        let oldest = core.sealed.front().map(|sealed| &sealed.segment);
        let oldest = oldest.or(writer.segment.as_ref());
        let header = oldest.map_or_else(|| writer.next_header(), |segment| segment.header);
        let mut files = Files::default();
        files.follow(&header);
        (files, core.sequencer.last())
    }

    fn add_values(&self, writing: &mut Writing<'_>) -> io::Result<()> {
        let mut last = None;
        loop {
            let core = self.core.lock();
            let mut newest = None;
            for (key, entry) in core.sequencer.values_after(last.as_ref()).take(ENTRIES_MAX) {
                writing.add(|into| into.encode((key, &entry.value, entry.version))?.ok());
                newest = Some(key);
            }
            let newest = newest.cloned();
            MutexGuard::unlock_fair(core);
            writing.pass_on()?;
            if newest.is_none() {
                return Ok(());
            }
            last = newest;
        }
    }

    fn add_partitions(&self, writing: &mut Writing<'_>) -> io::Result<()> {
        let now = self.clock.now();
        let partitions = self.core.lock().sequencer.partitions();
        for some in partitions.chunks(ENTRIES_MAX) {
            let mut core = self.core.lock();
            let position = core.sequencer.last();
            for partition in some {
                if let Some(tail) = core.sequencer.without_idle_producers(*partition, now) {
                    writing.add(|into| into.encode((partition, tail, position))?.ok());
                }
            }
            MutexGuard::unlock_fair(core);
            writing.pass_on()?;
        }
        Ok(())
    }

    /// Lists the runs of all partitions. No run is added meanwhile: that needs the upkeep.
    fn add_runs(&self, writing: &mut Writing<'_>, upkeep: &Upkeep) -> io::Result<Vec<DataFile>> {
        let is_alive = |data: &&Arc<DataSegment>| data.live_bytes() > 0;
        let listed: Vec<_> = upkeep.data.iter().filter(is_alive).collect();
        let numbers = listed.iter().map(|data| data.name).zip(0_u32..);
        let numbers: HashMap<DataName, u32> = numbers.collect();
        let partitions: Vec<PartitionId> = self.index.lock().partitions.keys().copied().collect();
        for some in partitions.chunks(ENTRIES_MAX) {
            let index = self.index.lock();
            let found = some.iter().filter_map(|id| index.partitions.get(id));
            for run in found.flat_map(|partition| &partition.folded) {
                let file = numbers.get(&run.segment.name);
                let file = file.expect("whoever reads a run keeps its file alive");
                writing.add(|into| into.array(2)?.encode(file)?.encode(&run.summary)?.ok());
            }
            MutexGuard::unlock_fair(index);
            writing.pass_on()?;
        }
        let file = |data: &&Arc<DataSegment>| DataFile {
            name: data.name,
            bytes: data.bytes,
        };
        Ok(listed.iter().map(file).collect())
    }
}
