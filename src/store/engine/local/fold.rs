//! Folding: what lies in the log in the order of arrival is laid out by partition.

use super::batch_index::BatchIndexes;
use super::buffers::zero_blocks;
use super::cache::Unfolded;
use super::data::{DataRun, DataSegment};
use super::data_writer::DataWriter;
use super::disk::DiskFile;
use super::found::Found;
use super::index::TailRun;
use super::read::{check_batches, read_batches};
use super::segment::{LogAt, Segment};
use super::shared::{Sealed, Shared};
use super::span::chunks_of;
use super::upkeep::Upkeep;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;

impl Shared {
    /// Folds the oldest full log segment, or rewrites a folded one that is less than half alive;
    /// false if there is nothing of the kind to do, or no space to do it in.
    pub fn fold_one(&self) -> bool {
        let mut upkeep = self.upkeep.lock();
        if self.has_failed() {
            return false;
        }
        self.cool(&mut upkeep);
        let folded = match self.foldable() {
            Some(sealed) => {
                upkeep.idle_looks = 0;
                self.fold(&mut upkeep, sealed).map(|()| true)
            }
            None => {
                upkeep.idle_looks = upkeep.idle_looks.saturating_add(1);
                if upkeep.idle_looks == IDLE_LOOKS {
                    upkeep.whole = None;
                    self.keep_in_memory(None);
                }
                match upkeep.sparse() {
                    Some(data) => self.rewrite(&mut upkeep, &data),
                    None => Ok(false),
                }
            }
        };
        folded.unwrap_or_else(|error| {
            self.fail_unless_full("folding the log", &error);
            false
        })
    }

    /// The oldest full segment, once readers see everything in it.
    fn foldable(&self) -> Option<Sealed> {
        let core = self.core.lock();
        let oldest = core.sealed.front()?;
        (oldest.end <= core.synced).then(|| oldest.clone())
    }

    fn fold(&self, upkeep: &mut Upkeep, sealed: Sealed) -> io::Result<()> {
        let found = self.find_in_log(&sealed.segment);
        let is_adopting = self.is_worth_keeping(&sealed, &found);
        let needs_zeros = !is_adopting || !self.has_large_groups(&found);
        {
            let mut core = self.core.lock();
            core.is_adopting = is_adopting;
            core.needs_zeros = needs_zeros;
        }
        if is_adopting {
            self.keep_in_memory(None);
            return self.adopt(upkeep, &sealed, found);
        }
        self.keep_in_memory(Some(sealed.segment.header.start));
        let memory = self.take_from_memory(upkeep, &sealed, &found);
        let copied = self.write_data(upkeep, |writer| {
            for (partition, runs) in &found {
                copy_tail(writer, *partition, runs, &memory)?;
            }
            Ok(())
        });
        upkeep.whole = memory.front;
        drop(memory.groups);
        let runs = match copied {
            // Whoever asks for the damaged records is told; the others stay readable.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%error, "a segment of the log stays as it is");
                return self.adopt(upkeep, &sealed, found);
            }
            copied => copied?,
        };
        drop(found);
        self.exchange(upkeep, &sealed, runs);
        self.keep_in_memory(Some(sealed.end));
        self.core.lock().sealed.pop_front();
        upkeep.folded.push(sealed);
        Ok(())
    }

    /// Has the log's newest bytes stay in memory from `from` on, for as long as segments are
    /// folded: what is there then need not be read, nor checked once more.
    fn keep_in_memory(&self, from: Option<LogAt>) {
        let segment_bytes = usize::try_from(self.settings.log_segment_bytes).unwrap_or(usize::MAX);
        let unfolded = match from.filter(|_| segment_bytes <= WHOLE_BYTES_MAX) {
            Some(from) => Unfolded {
                from,
                bytes_max: SEGMENTS_KEPT * segment_bytes,
            },
            None => Unfolded::NOTHING,
        };
        let bytes = unfolded.bytes_max.max(self.settings.tail_cache_bytes);
        self.writer.lock().buffers.keep(bytes);
        self.keep_cached(unfolded);
    }

    /// What is in memory of a segment: the groups that the tail cache still has, and what comes
    /// before them, read in one go.
    fn take_from_memory(&self, upkeep: &mut Upkeep, sealed: &Sealed, found: &Found) -> Memory {
        let groups = self.cached_groups(sealed.segment.header.start, sealed.end);
        let end = groups.first().map_or(sealed.end, |(at, _)| *at);
        let is_needed = |run: &TailRun| run.group < end;
        let runs = found.iter().flat_map(|(_, runs)| runs);
        let alive: u64 = runs.filter(|run| is_needed(run)).map(|run| run.bytes).sum();
        let front = self.read_front(upkeep, &sealed.segment, end, alive);
        Memory { front, groups }
    }

    /// Reads a segment up to a place of the log, past the system's cache, where it never was: its
    /// runs are short and many. `None` if that is too much, mostly dead, or unreadable somewhere:
    /// then runs are read one by one.
    fn read_front(
        &self,
        upkeep: &mut Upkeep,
        segment: &Segment,
        end: LogAt,
        alive: u64,
    ) -> Option<BytesMut> {
        let end = usize::try_from(segment.file_at(end)).ok()?;
        let kept = upkeep.whole.take();
        if end > WHOLE_BYTES_MAX || alive < end as u64 / 4 {
            return None;
        }
        let kept = kept.filter(|kept| kept.len() >= end);
        let mut front = kept.unwrap_or_else(|| zero_blocks(end));
        let (began, mut at) = (self.core.lock().synced, 0);
        while at < end {
            let next = end.min(at + self.pace_folding(began, at as u64));
            let piece = &mut front[at..next];
            segment.file.read_blocks_at(at as u64, piece).ok()?;
            at = next;
        }
        Some(front)
    }

    fn rewrite(&self, upkeep: &mut Upkeep, data: &Arc<DataSegment>) -> io::Result<bool> {
        let old = self.find_in_data(data);
        let indexes = BatchIndexes::default();
        let new = self.write_data(upkeep, |writer| {
            for run in &old {
                let index = indexes.of(run).map_err(unreadable)?;
                writer.begin(run.summary.partition);
                let (file, name) = (run.segment.file.as_ref(), run.segment.name.file());
                for stretch in index.stretches(0..index.batches.len()) {
                    let batches = &index.batches[stretch.batches];
                    copy((file, &name, stretch.at), batches, writer)?;
                }
                writer.end_run();
            }
            Ok(())
        });
        let new = match new {
            // Whoever asks for the damaged records is told; the others stay readable.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%error, "a folded segment stays as it is");
                data.keep_as_it_is();
                return Ok(false);
            }
            new => new?,
        };
        let mut index = self.index.lock();
        for (old, new) in old.iter().zip(new) {
            index.replace(old, new);
        }
        Ok(true)
    }

    /// Writes a folded segment. When this returns it is on disk; nobody knows of it yet.
    fn write_data(
        &self,
        upkeep: &mut Upkeep,
        fill: impl FnOnce(&mut DataWriter<'_>) -> io::Result<()>,
    ) -> io::Result<Vec<Arc<DataRun>>> {
        upkeep.next_data += 1;
        let began = self.core.lock().synced;
        let pace = |written| self.pace_folding(began, written);
        let mut writer = DataWriter::new(self.disk.clone(), upkeep.next_data, &pace);
        let Some((segment, runs)) = fill(&mut writer).and_then(|()| writer.finish())? else {
            return Ok(Vec::new());
        };
        self.disk.sync_directory()?;
        let segment = Arc::new(segment);
        upkeep.data.push(segment.clone());
        let runs = runs.into_iter();
        Ok(runs
            .map(|summary| DataRun::new(segment.clone(), summary))
            .collect())
    }
}

/// The bytes of a segment as far as they need no further read.
struct Memory {
    /// The segment's file from its beginning on.
    front: Option<BytesMut>,
    /// Groups as they were written, in log order: nothing that the disk could have lost.
    groups: Vec<(LogAt, Bytes)>,
}

impl Memory {
    fn group(&self, at: LogAt) -> Option<&Bytes> {
        let found = self.groups.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        Some(&self.groups[found].1)
    }
}

/// Copies a partition's runs from memory, or else from their file.
fn copy_tail(
    writer: &mut DataWriter<'_>,
    partition: PartitionId,
    runs: &[TailRun],
    memory: &Memory,
) -> io::Result<()> {
    writer.begin(partition);
    for run in runs {
        let length = usize::try_from(run.bytes).map_err(io::Error::other)?;
        if let Some(group) = memory.group(run.group) {
            writer.write(&group[run.start..run.start + length], &run.batches)?;
            continue;
        }
        let at = run.segment.file_at(run.group) + run.start as u64;
        match &memory.front {
            Some(front) => {
                let start = usize::try_from(at).map_err(io::Error::other)?;
                let bytes = &front[start..start + length];
                let name = || run.segment.name();
                check_batches(bytes, name, at, &run.batches).map_err(unreadable)?;
                writer.write(bytes, &run.batches)?;
            }
            None => {
                let name = run.segment.name();
                copy((run.segment.file.as_ref(), &name, at), &run.batches, writer)?;
            }
        }
    }
    writer.end_run();
    Ok(())
}

/// Copies consecutive batches that begin at a place in a file of that name.
fn copy(
    (file, name, mut at): (&dyn DiskFile, &str, u64),
    batches: &[BatchInfo],
    writer: &mut DataWriter<'_>,
) -> io::Result<()> {
    for some in batches.chunk_by(chunks_of(COPY_BYTES)) {
        let bytes = read_batches(file, name, at, some).map_err(unreadable)?;
        writer.write(&bytes, some)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

/// Marks an error of reading, so that it is told apart from one of writing.
fn unreadable(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Segments that are kept in memory to be folded: one that is, and the next one while it fills.
const SEGMENTS_KEPT: usize = 2;

/// The largest segment that is read into memory to be folded.
const WHOLE_BYTES_MAX: usize = 64 << 20;

/// Looks in a row that find nothing to fold before memory for it is given back: a few seconds.
const IDLE_LOOKS: u32 = 3;

/// Bytes read at once, unless one batch is larger.
const COPY_BYTES: u64 = 1 << 20;
