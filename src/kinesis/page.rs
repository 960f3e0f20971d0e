//! One answer's worth of records: taken from batches in order, until the answer is full.

use super::crossing::Seen;
use super::records_json::RecordsJson;
use crate::store::{Batch, BatchInfo, Offset, Records, Run, Shard, Timestamp, Undecodable};
use std::sync::Arc;

/// Bytes of one answer's records, unless a single one is larger (spec C.6).
const PAGE_BYTES_MAX: usize = 10 << 20;

/// How an answer begins.
const OPENING: &[u8] = b"{\"Records\":[";

/// Records of one shard in order, and where the next page begins.
#[derive(Debug)]
pub struct Page {
    shard: Arc<Shard>,
    /// First offset that is not on the page.
    pub next: Offset,
    /// First offset that may not be on the page.
    pub end: Offset,
    pub records: RecordsJson,
    /// Arrival of the newest batch that was looked at.
    pub reached: Option<Timestamp>,
    /// Batches that could not be decoded and were passed over.
    pub passed_over: Vec<PassedOver>,
    count_max: usize,
    bytes_len: usize,
    is_full: bool,
}

/// A batch that cannot be decoded, from some record on.
#[derive(Debug)]
pub struct PassedOver {
    pub base: Offset,
    pub next: Offset,
    pub error: Undecodable,
}

/// A batch that is being read.
pub struct Opened {
    base: Offset,
    rest: Records,
}

/// What became of a record.
enum Put {
    OnPage,
    /// It has to wait for the next page.
    Left,
}

impl Page {
    /// An empty page of at most `count_max` records.
    pub fn new(shard: Arc<Shard>, next: Offset, end: Offset, count_max: usize) -> Page {
        Page {
            shard,
            next,
            end,
            records: RecordsJson::new(OPENING),
            reached: None,
            passed_over: Vec::new(),
            count_max,
            bytes_len: 0,
            is_full: false,
        }
    }

    /// Whether nothing more can come onto it.
    pub fn is_done(&self) -> bool {
        self.is_full || self.next >= self.end
    }

    /// Takes records from `runs`. `opened` is the batch at the page's position if it was being
    /// read before; what comes back is the batch in which the page became full.
    pub fn fill(
        &mut self,
        runs: &[Run],
        mut opened: Option<Opened>,
        record_bytes_max: usize,
    ) -> Option<Opened> {
        for (info, batch) in runs.iter().flat_map(batches) {
            if self.is_done() {
                return None;
            }
            if info.next <= self.next {
                continue;
            }
            self.reached = Some(info.arrival);
            let known = opened.take().filter(|opened| opened.base == info.base);
            if batch.is_control() {
                self.next = info.next.min(self.end);
                continue;
            }
            // A record no larger than what arrived need not be feared.
            let bytes_max = record_bytes_max.max(batch.bytes().len());
            let opened = known.unwrap_or_else(|| Opened::new(&batch, bytes_max));
            if let Some(opened) = self.take(info, opened) {
                return Some(opened);
            }
        }
        None
    }

    /// Takes one batch's records; gives the batch back if the page is full before its end.
    fn take(&mut self, info: BatchInfo, mut opened: Opened) -> Option<Opened> {
        while let Some(record) = opened.rest.peek() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let (base, next) = (info.base, info.next);
                    self.passed_over.push(PassedOver { base, next, error });
                    break;
                }
            };
            if record.offset >= self.end {
                break;
            }
            if record.offset >= self.next {
                let offset = record.offset;
                if let Put::Left = self.put(&Seen::of(record), info.arrival) {
                    self.next = offset;
                    return Some(opened);
                }
            }
            opened.rest.pass();
            if self.is_full && self.next < info.next {
                return Some(opened);
            }
        }
        self.next = info.next.min(self.end);
        None
    }

    fn put(&mut self, seen: &Seen<'_>, arrival: Timestamp) -> Put {
        let bytes_len = self.bytes_len + seen.bytes_len();
        if bytes_len > PAGE_BYTES_MAX && self.records.count() > 0 {
            self.is_full = true;
            return Put::Left;
        }
        self.bytes_len = bytes_len;
        self.records.push(&self.shard, seen, arrival);
        self.next = seen.offset.plus(1);
        self.is_full = self.records.count() >= self.count_max || bytes_len >= PAGE_BYTES_MAX;
        Put::OnPage
    }
}

impl Opened {
    fn new(batch: &Batch, record_bytes_max: usize) -> Opened {
        Opened {
            base: batch.base_offset(),
            rest: batch.records(record_bytes_max),
        }
    }

    /// Memory that is held for going on in the batch.
    pub fn memory_bytes(&self) -> usize {
        self.rest.memory_bytes()
    }
}

/// The batches of a run, as the engine says they lie.
pub fn batches(run: &Run) -> impl Iterator<Item = (BatchInfo, Batch)> {
    let mut at = 0;
    run.batches.iter().map(move |info| {
        let bytes = usize::try_from(info.bytes).expect("a batch fits into memory");
        let batch = Batch::trusted(run.bytes.slice(at..at + bytes));
        at += bytes;
        (*info, batch)
    })
}

#[cfg(test)]
pub mod tests;
