//! A folded segment: batches grouped by partition, each run with an index of its batches.

use super::disk::{Disk, DiskFile, Open};
use super::segment::{BLOCK_BYTES, FORMAT, NoHeader, data_name, u32_at, u64_at};
use crate::store::engine::BatchInfo;
use crate::store::{Offset, PartitionId, Timestamp};
use minicbor::{Decode, Encode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A file of folded runs. Its bytes never change.
pub struct DataSegment {
    pub number: u64,
    pub file: Arc<dyn DiskFile>,
    /// Bytes of all its runs.
    pub bytes: u64,
    /// Bytes of the runs that somebody may still read.
    live: AtomicU64,
    /// Not to be rewritten: part of it cannot be read.
    is_fixed: AtomicBool,
}

/// Consecutive batches of one partition in a folded segment.
pub struct DataRun {
    pub segment: Arc<DataSegment>,
    pub summary: RunSummary,
    ended: AtomicBool,
}

/// What memory and checkpoint keep of a run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunSummary {
    #[n(0)]
    pub partition: PartitionId,
    #[n(1)]
    pub first: Offset,
    #[n(2)]
    pub next: Offset,
    /// Where its batches begin in the file.
    #[n(3)]
    pub at: u64,
    #[n(4)]
    pub bytes: u64,
    #[n(5)]
    pub first_arrival: Timestamp,
    #[n(6)]
    pub last_arrival: Timestamp,
    #[n(7)]
    pub max_timestamp: Timestamp,
    #[n(8)]
    pub batches: u32,
    /// Where the index of its batches begins in the file.
    #[n(9)]
    pub index_at: u64,
    #[n(10)]
    pub index_crc: u32,
}

impl DataSegment {
    pub fn new(number: u64, file: Arc<dyn DiskFile>, bytes: u64) -> DataSegment {
        DataSegment {
            number,
            file,
            bytes,
            live: AtomicU64::new(bytes),
            is_fixed: AtomicBool::new(false),
        }
    }

    /// After a restart only some of its runs are still of use.
    pub fn set_live(&self, bytes: u64) {
        self.live.store(bytes, Ordering::Release);
    }

    pub fn keep_as_it_is(&self) {
        self.is_fixed.store(true, Ordering::Release);
    }

    /// Whether less than half of it is alive, but some.
    pub fn is_sparse(&self) -> bool {
        let live = self.live_bytes();
        live > 0 && live < self.bytes / 2 && !self.is_fixed.load(Ordering::Acquire)
    }

    pub fn live_bytes(&self) -> u64 {
        self.live.load(Ordering::Acquire)
    }
}

impl DataRun {
    pub fn new(segment: Arc<DataSegment>, summary: RunSummary) -> Arc<DataRun> {
        Arc::new(DataRun {
            segment,
            summary,
            ended: AtomicBool::new(false),
        })
    }

    /// Nobody will look for the run any more; its space may be taken back.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.segment
                .live
                .fetch_sub(self.summary.bytes, Ordering::AcqRel);
        }
    }
}

/// Bytes of one batch in a run's index.
const BATCH_BYTES: usize = 40;
/// Batches whose infos are kept in memory for cold readers.
const CACHED_BATCHES_MAX: usize = 1 << 17;

/// Indexes of the runs that were read last.
#[derive(Default)]
pub struct BatchIndexes {
    recent: Mutex<VecDeque<Recent>>,
}

type Recent = (Weak<DataRun>, Arc<[BatchInfo]>);

impl BatchIndexes {
    /// A run's batches; reads the file if the run was not among the last ones.
    pub fn of(&self, run: &Arc<DataRun>) -> io::Result<Arc<[BatchInfo]>> {
        if let Some(found) = self.recent(run) {
            return Ok(found);
        }
        let mut bytes = vec![0; run.summary.batches as usize * BATCH_BYTES];
        run.segment.file.read_at(run.summary.index_at, &mut bytes)?;
        if crc32c::crc32c(&bytes) != run.summary.index_crc {
            let name = data_name(run.segment.number);
            let at = run.summary.index_at;
            return Err(io::Error::other(format!(
                "{name} is damaged at byte {at}: an index"
            )));
        }
        let batches: Arc<[BatchInfo]> = bytes.chunks_exact(BATCH_BYTES).map(decode_batch).collect();
        self.keep(run, batches.clone());
        Ok(batches)
    }

    fn recent(&self, run: &Arc<DataRun>) -> Option<Arc<[BatchInfo]>> {
        let mut recent = self.recent.lock();
        let is_it = |(other, _): &Recent| other.as_ptr() == Arc::as_ptr(run);
        let found = recent.iter().position(is_it)?;
        let entry = recent.remove(found)?;
        let batches = entry.1.clone();
        recent.push_back(entry);
        Some(batches)
    }

    fn keep(&self, run: &Arc<DataRun>, batches: Arc<[BatchInfo]>) {
        let mut recent = self.recent.lock();
        recent.push_back((Arc::downgrade(run), batches));
        let mut kept: usize = recent.iter().map(|(_, batches)| batches.len()).sum();
        while kept > CACHED_BATCHES_MAX
            && let Some((_, oldest)) = recent.pop_front()
        {
            kept -= oldest.len();
        }
    }
}

pub fn encode_batch(info: &BatchInfo, into: &mut Vec<u8>) {
    let span = u32::try_from(info.next.0 - info.base.0).expect("a span is at most 2^31");
    into.extend_from_slice(&info.base.0.to_le_bytes());
    into.extend_from_slice(&span.to_le_bytes());
    into.extend_from_slice(&info.bytes.to_le_bytes());
    into.extend_from_slice(&info.arrival.0.to_le_bytes());
    into.extend_from_slice(&info.max_timestamp.0.to_le_bytes());
    into.extend_from_slice(&info.named.0.to_le_bytes());
}

fn decode_batch(bytes: &[u8]) -> BatchInfo {
    let base = Offset(u64_at(bytes, 0));
    BatchInfo {
        base,
        next: Offset(base.0.saturating_add(u64::from(u32_at(bytes, 8)))),
        bytes: u32_at(bytes, 12),
        arrival: Timestamp(u64_at(bytes, 16).cast_signed()),
        max_timestamp: Timestamp(u64_at(bytes, 24).cast_signed()),
        named: PartitionId(u64_at(bytes, 32)),
    }
}

const MAGIC: &[u8; 8] = b"braiddat";
/// A run is cut here, so that its index is small and its space comes back in pieces.
const RUN_BATCHES_MAX: u32 = 4096;
const RUN_BYTES_MAX: u64 = 4 << 20;
/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1 << 20;

/// Writes a folded segment: runs first, then their indexes, then the list of runs.
pub struct DataWriter {
    disk: Arc<dyn Disk>,
    number: u64,
    /// Made with the first batch.
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes written to the file before `buffer`.
    written: u64,
    buffer: Vec<u8>,
    runs: Vec<RunSummary>,
    /// Indexes of all runs so far.
    indexes: Vec<u8>,
    run: Option<RunSummary>,
    partition: PartitionId,
    index_start: usize,
}

impl DataWriter {
    pub fn new(disk: Arc<dyn Disk>, number: u64) -> DataWriter {
        DataWriter {
            disk,
            number,
            file: None,
            written: 0,
            buffer: header(number),
            runs: Vec::new(),
            indexes: Vec::new(),
            run: None,
            partition: PartitionId(0),
            index_start: 0,
        }
    }

    /// What follows is of this partition.
    pub fn begin(&mut self, partition: PartitionId) {
        self.end_run();
        self.partition = partition;
    }

    /// Adds whole batches, in order.
    pub fn write(&mut self, bytes: &[u8], batches: &[BatchInfo]) -> io::Result<()> {
        let mut rest = bytes;
        for info in batches {
            let is_full = |run: &RunSummary| {
                run.batches == RUN_BATCHES_MAX || run.bytes + u64::from(info.bytes) > RUN_BYTES_MAX
            };
            if self.run.as_ref().is_some_and(is_full) {
                self.end_run();
            }
            let at = self.written + self.buffer.len() as u64;
            let run = self
                .run
                .get_or_insert_with(|| RunSummary::before(self.partition, at, info));
            run.add(info);
            encode_batch(info, &mut self.indexes);
            let (batch, after) = rest.split_at(info.bytes as usize);
            rest = after;
            self.buffer.extend_from_slice(batch);
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    pub fn end_run(&mut self) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        // Relative until it is known where the indexes begin.
        run.index_at = self.index_start as u64;
        run.index_crc = crc32c::crc32c(&self.indexes[self.index_start..]);
        self.index_start = self.indexes.len();
        self.runs.push(run);
    }

    /// Writes indexes and list, and syncs. `None` if there was no batch, and then no file.
    pub fn finish(&mut self) -> io::Result<Option<(DataSegment, Vec<RunSummary>)>> {
        self.end_run();
        if self.runs.is_empty() {
            return Ok(None);
        }
        let indexes_at = self.written + self.buffer.len() as u64;
        for run in &mut self.runs {
            run.index_at += indexes_at;
        }
        let indexes = std::mem::take(&mut self.indexes);
        self.buffer.extend_from_slice(&indexes);
        let list_at = self.written + self.buffer.len() as u64;
        let list = minicbor::to_vec(&self.runs).map_err(io::Error::other)?;
        self.buffer.extend_from_slice(&list);
        self.buffer.extend_from_slice(&list_at.to_le_bytes());
        self.buffer
            .extend_from_slice(&crc32c::crc32c(&list).to_le_bytes());
        self.buffer.extend_from_slice(&FORMAT.to_le_bytes());
        self.flush()?;
        let file = self.file.take().expect("flush() made it");
        if let Err(error) = file.sync() {
            self.file = Some(file);
            return Err(error);
        }
        let bytes = self.runs.iter().map(|run| run.bytes).sum();
        let runs = std::mem::take(&mut self.runs);
        Ok(Some((DataSegment::new(self.number, file, bytes), runs)))
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self
                .file
                .insert(self.disk.open(&data_name(self.number), Open::New)?),
        };
        file.write_at(self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A file that was not finished is of no use; if it cannot be removed, the next start does.
impl Drop for DataWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.disk.remove(&data_name(self.number));
        }
    }
}

impl RunSummary {
    fn before(partition: PartitionId, at: u64, first: &BatchInfo) -> RunSummary {
        RunSummary {
            partition,
            first: first.base,
            next: first.base,
            at,
            bytes: 0,
            first_arrival: first.arrival,
            last_arrival: first.arrival,
            max_timestamp: first.max_timestamp,
            batches: 0,
            index_at: 0,
            index_crc: 0,
        }
    }

    fn add(&mut self, info: &BatchInfo) {
        self.next = info.next;
        self.bytes += u64::from(info.bytes);
        self.last_arrival = info.arrival;
        self.max_timestamp = self.max_timestamp.max(info.max_timestamp);
        self.batches += 1;
    }

    /// Whether it lies within a file of this length.
    pub fn fits(&self, file_bytes: u64) -> bool {
        let ends_by =
            |at: u64, bytes: u64| at.checked_add(bytes).is_some_and(|end| end <= file_bytes);
        ends_by(self.at, self.bytes)
            && ends_by(self.index_at, u64::from(self.batches) * BATCH_BYTES as u64)
    }
}

fn header(number: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&FORMAT.to_le_bytes());
    block.extend_from_slice(&[0; 4]);
    block.extend_from_slice(&number.to_le_bytes());
    let crc = crc32c::crc32c(&block);
    block.extend_from_slice(&crc.to_le_bytes());
    block.resize(BLOCK_BYTES as usize, 0);
    block
}

/// Whether a file begins as the folded segment of this number.
pub fn check_header(number: u64, block: &[u8]) -> Result<(), NoHeader> {
    if block.len() < 28 || &block[..8] != MAGIC {
        return Err(NoHeader::Damaged);
    }
    match u32_at(block, 8) {
        newer if newer > FORMAT => Err(NoHeader::Newer(newer)),
        _ if block[..28] != header(number)[..28] => Err(NoHeader::Damaged),
        _ => Ok(()),
    }
}
