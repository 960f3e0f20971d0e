//! Reading: a plan is made under the index's lock, and carried out without it.
//!
//! A plan whose batches are all in the tail cache is carried out at once; any other one reads
//! files and runs on a thread that may block. It holds on to the segments that it reads.

use super::batch_index::RunIndex;
use super::buffers::SHARED_BYTES;
use super::cold::Cold;
use super::data::DataRun;
use super::disk::DiskFile;
use super::frame;
use super::index::{Index, PartitionIndex, bytes_of};
use super::segment::{LogAt, Segment};
use super::span::{FileOf, Part, Place, SPAN_BYTES_MAX, Unchecked, chunks_of, read_parts};
use crate::store::Offset;
use crate::store::engine::{BatchInfo, Read, ReadError, Run};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// How much larger than what was read the buffer may be that is kept for it.
const PINNED_FACTOR_MAX: usize = 8;

/// Where to find the batches that a read may answer with, in order.
pub struct Plan {
    pub read: Read,
    first: First,
    pieces: Vec<Piece>,
}

/// What becomes of a first batch that is larger than the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// It is read: its reader must get past it.
    Whole,
    /// It is left, as any other.
    Fitting,
}

enum Piece {
    Folded(Arc<DataRun>),
    Group(InGroup),
}

/// Consecutive batches in one frame of the log.
struct InGroup {
    batches: Arc<[BatchInfo]>,
    /// Of all of them.
    bytes: u64,
    /// Where they are in the frame.
    start: usize,
    group: At,
}

enum At {
    Memory(Bytes),
    Log(Arc<Segment>, LogAt),
}

impl Index {
    pub fn plan(&self, read: Read) -> Result<Plan, ReadError> {
        let partition = self.partition(read.partition)?;
        let (start, end) = (partition.log_start, partition.high_watermark);
        if read.from < start || read.from > end {
            return Err(ReadError::OutOfRange {
                from: read.from,
                start,
                end,
            });
        }
        let mut planned = 0;
        let mut pieces = Vec::new();
        let budget = read.bytes_max as u64;
        for piece in self.pieces_from(partition, read.from) {
            // Of the first piece only a part may count, so it is not held against the budget.
            if !pieces.is_empty() {
                if planned >= budget {
                    break;
                }
                planned += piece.bytes();
            } else if let Piece::Group(InGroup { batches, .. }) = &piece {
                let skipped = batches.partition_point(|info| info.next <= read.from);
                planned = bytes_of(&batches[skipped..]);
            }
            pieces.push(piece);
        }
        let first = First::Whole;
        Ok(Plan {
            read,
            first,
            pieces,
        })
    }

    fn pieces_from<'a>(
        &'a self,
        partition: &'a PartitionIndex,
        from: Offset,
    ) -> impl Iterator<Item = Piece> + 'a {
        let warm = partition.warm.starting_at(from, self.cache.oldest());
        let folded = match warm.len() {
            0 => partition
                .folded
                .partition_point(|run| run.summary.next <= from),
            _ => partition.folded.len(),
        };
        let folded = partition.folded.range(folded..).cloned().map(Piece::Folded);
        let warm = warm.map(|run| {
            let group = self.cache.get(run.group);
            let group = group.expect("the cache has every group from its oldest on");
            Piece::Group(InGroup {
                batches: run.batches.clone(),
                bytes: run.bytes,
                start: run.start,
                group: At::Memory(group.clone()),
            })
        });
        let tail = partition.tail.partition_point(|run| run.next() <= from);
        let tail = partition.tail.range(tail..).map(|run| {
            Piece::Group(InGroup {
                batches: run.batches.clone(),
                bytes: run.bytes,
                start: run.start,
                group: match self.cache.get(run.group) {
                    Some(group) => At::Memory(group.clone()),
                    None => At::Log(run.segment.clone(), run.group),
                },
            })
        });
        folded.chain(warm).chain(tail)
    }
}

impl Plan {
    /// Keeps to the bound even if nothing is read then.
    pub fn strictly(self) -> Plan {
        let first = First::Fitting;
        Plan { first, ..self }
    }

    /// Whether carrying it out reads no file.
    pub fn is_warm(&self) -> bool {
        let is_warm = |piece: &Piece| match piece {
            Piece::Folded(_) => false,
            Piece::Group(found) => matches!(found.group, At::Memory(_)),
        };
        self.pieces.iter().all(is_warm)
    }

    /// Reads whole batches up to the bound; the first one comes whatever its size.
    pub fn carry_out(self, cold: &Cold) -> Result<Vec<Run>, ReadError> {
        let found = self.find(cold)?.into_iter();
        found.map(|run| run.checked().map_err(disk)).collect()
    }

    /// The same, without looking at what was read.
    pub fn find(self, cold: &Cold) -> Result<Vec<Unchecked>, ReadError> {
        let mut room = self.read.bytes_max as u64;
        let mut parts: Vec<Part> = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            let wanted = |batches: &[BatchInfo]| {
                let first = batches.partition_point(|info| info.next <= self.read.from);
                let is_exempt = self.first == First::Whole && parts.is_empty();
                first..first + fitting(&batches[first..], room, is_exempt)
            };
            let (wanted, count) = match piece {
                Piece::Folded(run) => {
                    let index = cold.indexes.of(&run).map_err(disk)?;
                    let wanted = wanted(&index.batches);
                    parts.extend(folded_parts(&run, &index, wanted.clone()));
                    (wanted, index.batches.len())
                }
                Piece::Group(found) => {
                    let wanted = wanted(&found.batches);
                    if !wanted.is_empty() {
                        parts.push(found.part(wanted.clone()));
                    }
                    (wanted, found.batches.len())
                }
            };
            if wanted.end < count {
                break;
            }
            let planned: u64 = parts.iter().map(|part| bytes_of(&part.batches)).sum();
            room = (self.read.bytes_max as u64).saturating_sub(planned);
        }
        read_parts(parts, cold).map_err(disk)
    }
}

/// How many batches fit; one that is exempt from the bound always does.
fn fitting(batches: &[BatchInfo], room: u64, is_exempt: bool) -> usize {
    let mut bytes = 0;
    let fitting = batches.iter().take_while(|info| {
        bytes += u64::from(info.bytes);
        bytes <= room
    });
    let count = fitting.count();
    if is_exempt {
        count.max(1).min(batches.len())
    } else {
        count
    }
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Piece::Folded(run) => run.summary.bytes,
            Piece::Group(found) => found.bytes,
        }
    }
}

/// Some batches of a data segment: a part for each stretch of the file, or several if it is long.
fn folded_parts(run: &DataRun, index: &RunIndex, wanted: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    for stretch in index.stretches(wanted) {
        let mut at = stretch.at;
        for batches in index.batches[stretch.batches].chunk_by(chunks_of(SPAN_BYTES_MAX)) {
            let file = FileOf::Data(run.segment.clone());
            parts.push(Part {
                batches: batches.to_vec(),
                place: Place::File { file, at },
            });
            at += bytes_of(batches);
        }
    }
    parts
}

impl InGroup {
    /// Some of the batches.
    fn part(&self, wanted: Range<usize>) -> Part {
        let start = self.start as u64 + bytes_of(&self.batches[..wanted.start]);
        let batches = self.batches[wanted].to_vec();
        let place = match &self.group {
            At::Memory(group) => {
                let end = start + bytes_of(&batches);
                Place::Memory(part(group, start as usize..end as usize))
            }
            At::Log(segment, group) => Place::File {
                file: FileOf::Log(segment.clone()),
                at: segment.file_at(*group) + start,
            },
        };
        Part { batches, place }
    }
}

/// A small part is copied: an answer that waits for its reader must not keep a whole group, which
/// the cache no longer counts, for a few bytes of it.
fn part(group: &Bytes, range: Range<usize>) -> Bytes {
    if range.len() * PINNED_FACTOR_MAX < group.len().max(SHARED_BYTES) {
        return Bytes::copy_from_slice(&group[range]);
    }
    group.slice(range)
}

/// Reads consecutive batches that begin at `at`, and checks that they are what was written: what
/// a disk has forgotten meanwhile must not reach a reader, nor a folded segment.
pub fn read_batches(
    file: &dyn DiskFile,
    name: &str,
    at: u64,
    batches: &[BatchInfo],
) -> io::Result<Bytes> {
    let length = usize::try_from(bytes_of(batches)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_at(at, &mut bytes)?;
    check_batches(&bytes, || name.to_owned(), at, batches)?;
    Ok(bytes.into())
}

/// Whether bytes that were read at a place are these batches.
pub fn check_batches(
    mut bytes: &[u8],
    name: impl Fn() -> String,
    mut at: u64,
    batches: &[BatchInfo],
) -> io::Result<()> {
    for info in batches {
        let (batch, rest) = bytes.split_at(info.bytes as usize);
        if !frame::is_batch(info.base, batch) {
            let name = name();
            return Err(io::Error::other(format!(
                "{name} is damaged at byte {at}: a batch"
            )));
        }
        at += batch.len() as u64;
        bytes = rest;
    }
    Ok(())
}

pub fn disk(error: std::io::Error) -> ReadError {
    ReadError::Disk(error.to_string().into())
}

/// The runtime has ended, and with it whoever read.
pub fn ended(error: tokio::task::JoinError) -> ReadError {
    ReadError::Disk(error.to_string().into())
}
