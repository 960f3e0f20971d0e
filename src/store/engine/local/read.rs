//! Reading: a plan is made under the index's lock, and carried out without it.
//!
//! A plan whose batches are all in the tail cache is carried out at once; any other one reads
//! files and runs on a thread that may block. It holds on to the segments that it reads.

use super::batch_index::{BatchIndexes, RunIndex};
use super::buffers::SHARED_BYTES;
use super::data::DataRun;
use super::disk::DiskFile;
use super::frame;
use super::index::{Index, PartitionIndex, TailRun, bytes_of};
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
    read: Read,
    pieces: Vec<Piece>,
}

enum Piece {
    Folded(Arc<DataRun>),
    Tail { run: TailRun, cached: Option<Bytes> },
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
            } else if let Piece::Tail { run, .. } = &piece {
                let skipped = run.batches.partition_point(|info| info.next <= read.from);
                planned = bytes_of(&run.batches[skipped..]);
            }
            pieces.push(piece);
        }
        Ok(Plan { read, pieces })
    }

    fn pieces_from<'a>(
        &'a self,
        partition: &'a PartitionIndex,
        from: Offset,
    ) -> impl Iterator<Item = Piece> + 'a {
        let folded = partition
            .folded
            .partition_point(|run| run.summary.next <= from);
        let folded = partition.folded.range(folded..).cloned().map(Piece::Folded);
        let tail = partition.tail.partition_point(|run| run.next() <= from);
        let tail = partition.tail.range(tail..).map(|run| Piece::Tail {
            run: run.clone(),
            cached: self.cache.get(run.group).cloned(),
        });
        folded.chain(tail)
    }
}

impl Plan {
    /// Whether carrying it out reads no file.
    pub fn is_warm(&self) -> bool {
        let is_warm = |piece: &Piece| {
            matches!(
                piece,
                Piece::Tail {
                    cached: Some(_),
                    ..
                }
            )
        };
        self.pieces.iter().all(is_warm)
    }

    pub fn carry_out(self, indexes: &BatchIndexes) -> Result<Vec<Run>, ReadError> {
        let mut room = self.read.bytes_max as u64;
        let mut runs: Vec<Run> = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            let wanted = |batches: &[BatchInfo]| {
                let first = batches.partition_point(|info| info.next <= self.read.from);
                first..first + fitting(&batches[first..], room, runs.is_empty())
            };
            let (wanted, count) = match piece {
                Piece::Folded(run) => {
                    let index = indexes.of(&run).map_err(disk)?;
                    let wanted = wanted(&index.batches);
                    read_folded(&run, &index, wanted.clone(), &mut runs).map_err(disk)?;
                    (wanted, index.batches.len())
                }
                Piece::Tail { run, cached } => {
                    let wanted = wanted(&run.batches);
                    if !wanted.is_empty() {
                        let found = read_tail(&run, cached.as_ref(), wanted.clone());
                        runs.push(found.map_err(disk)?);
                    }
                    (wanted, run.batches.len())
                }
            };
            if wanted.end < count {
                break;
            }
            let read = runs.iter().map(|run| run.bytes.len() as u64).sum();
            room = (self.read.bytes_max as u64).saturating_sub(read);
        }
        Ok(runs)
    }
}

/// How many batches fit; the first of a read always does.
fn fitting(batches: &[BatchInfo], room: u64, is_first: bool) -> usize {
    let mut bytes = 0;
    let fitting = batches.iter().take_while(|info| {
        bytes += u64::from(info.bytes);
        bytes <= room
    });
    let count = fitting.count();
    if is_first {
        count.max(1).min(batches.len())
    } else {
        count
    }
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Piece::Folded(run) => run.summary.bytes,
            Piece::Tail { run, .. } => run.bytes,
        }
    }
}

/// Reads some batches of a data segment, each stretch of the file as a run of its own.
fn read_folded(
    run: &DataRun,
    index: &RunIndex,
    wanted: Range<usize>,
    runs: &mut Vec<Run>,
) -> io::Result<()> {
    let name = run.segment.name.file();
    for stretch in index.stretches(wanted) {
        let batches = &index.batches[stretch.batches];
        runs.push(Run {
            bytes: read_batches(run.segment.file.as_ref(), &name, stretch.at, batches)?,
            batches: batches.to_vec(),
        });
    }
    Ok(())
}

/// Takes some batches of the log from the cache, or reads them.
fn read_tail(run: &TailRun, cached: Option<&Bytes>, wanted: Range<usize>) -> io::Result<Run> {
    let start = run.start as u64 + bytes_of(&run.batches[..wanted.start]);
    let batches = &run.batches[wanted];
    let bytes = match cached {
        Some(group) => {
            let end = start + bytes_of(batches);
            part(group, start as usize..end as usize)
        }
        None => {
            let at = run.segment.file_at(run.group) + start;
            let file = run.segment.file.as_ref();
            read_batches(file, &run.segment.name(), at, batches)?
        }
    };
    Ok(Run {
        bytes,
        batches: batches.to_vec(),
    })
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
    check_batches(&bytes, name, at, batches)?;
    Ok(bytes.into())
}

/// Whether bytes that were read at a place are these batches.
pub fn check_batches(
    mut bytes: &[u8],
    name: &str,
    mut at: u64,
    batches: &[BatchInfo],
) -> io::Result<()> {
    for info in batches {
        let (batch, rest) = bytes.split_at(info.bytes as usize);
        if !frame::is_batch(info.base, batch) {
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
