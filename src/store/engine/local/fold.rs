//! Folding: what lies in the log in the order of arrival is laid out by partition.

use super::batch_index::BatchIndexes;
use super::buffers::zero_blocks;
use super::data::{DataRun, DataSegment};
use super::data_writer::DataWriter;
use super::disk::DiskFile;
use super::found::Found;
use super::index::TailRun;
use super::read::{check_batches, read_batches};
use super::shared::{Sealed, Shared};
use super::span::chunks_of;
use super::upkeep::Upkeep;
use crate::store::PartitionId;
use crate::store::engine::BatchInfo;
use bytes::BytesMut;
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
        let folded = match self.foldable() {
            Some(sealed) => self.fold(&mut upkeep, sealed).map(|()| true),
            None => {
                upkeep.whole = None;
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
        self.core.lock().is_adopting = is_adopting;
        if is_adopting {
            return self.adopt(upkeep, &sealed, found);
        }
        let whole = self.read_whole(upkeep, &sealed, &found);
        let copied = self.write_data(upkeep, |writer| {
            for (partition, runs) in &found {
                copy_tail(writer, *partition, runs, whole.as_deref())?;
            }
            Ok(())
        });
        upkeep.whole = whole;
        let runs = match copied {
            // Whoever asks for the damaged records is told; the others stay readable.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%error, "a segment of the log stays as it is");
                return self.adopt(upkeep, &sealed, found);
            }
            copied => copied?,
        };
        drop(found);
        self.exchange(&sealed.segment, runs);
        self.core.lock().sealed.pop_front();
        upkeep.folded.push(sealed);
        Ok(())
    }

    /// Reads a segment into memory, past the system's cache, where it never was: its runs are
    /// short and many. `None` if it is too large, mostly dead, or unreadable somewhere: then runs
    /// are read one by one.
    fn read_whole(&self, upkeep: &mut Upkeep, sealed: &Sealed, found: &Found) -> Option<BytesMut> {
        let segment = &sealed.segment;
        let length = usize::try_from(segment.bytes).ok()?;
        let end = usize::try_from(segment.file_at(sealed.end)).ok()?;
        let runs = found.iter().flat_map(|(_, runs)| runs);
        let alive: u64 = runs.map(|run| run.bytes).sum();
        if length > WHOLE_BYTES_MAX || alive < segment.bytes / 4 {
            return None;
        }
        let kept = upkeep.whole.take().filter(|kept| kept.len() >= length);
        let mut whole = kept.unwrap_or_else(|| zero_blocks(length));
        let mut at = 0;
        while at < end {
            let next = end.min(at + self.pace_folding());
            let piece = &mut whole[at..next];
            segment.file.read_blocks_at(at as u64, piece).ok()?;
            at = next;
        }
        Some(whole)
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
        let pace = || self.pace_folding();
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

/// Copies a partition's runs from the segment in memory, or else from its file.
fn copy_tail(
    writer: &mut DataWriter<'_>,
    partition: PartitionId,
    runs: &[TailRun],
    whole: Option<&[u8]>,
) -> io::Result<()> {
    writer.begin(partition);
    for run in runs {
        let at = run.segment.file_at(run.group) + run.start as u64;
        let name = run.segment.name();
        match whole {
            Some(whole) => {
                let start = usize::try_from(at).map_err(io::Error::other)?;
                let bytes = usize::try_from(run.bytes).map_err(io::Error::other)?;
                let bytes = &whole[start..start + bytes];
                check_batches(bytes, || run.segment.name(), at, &run.batches)
                    .map_err(unreadable)?;
                writer.write(bytes, &run.batches)?;
            }
            None => copy((run.segment.file.as_ref(), &name, at), &run.batches, writer)?,
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

/// The largest segment that is read into memory to be folded.
const WHOLE_BYTES_MAX: usize = 64 << 20;

/// Bytes read at once, unless one batch is larger.
const COPY_BYTES: u64 = 1 << 20;
