//! One answer's worth of records: taken from batches in order, until the answer is full.

use super::crossing::Seen;
use crate::store::{Batch, BatchInfo, Offset, Record, Records, Run, Shard, Timestamp, Undecodable};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of one answer's records, unless a single one is larger (spec C.6).
const PAGE_BYTES_MAX: usize = 10 << 20;

/// Records of one shard in order, and where the next page begins.
#[derive(Debug)]
pub struct Page {
    shard: Arc<Shard>,
    /// First offset that is not on the page.
    pub next: Offset,
    /// First offset that may not be on the page.
    pub end: Offset,
    pub records: Vec<Seen>,
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

/// A batch that is being read, with the record that did not fit on the last page.
pub struct Opened {
    base: Offset,
    ahead: Option<Record>,
    rest: Records,
}

impl Page {
    /// An empty page of at most `count_max` records.
    pub fn new(shard: Arc<Shard>, next: Offset, end: Offset, count_max: usize) -> Page {
        Page {
            shard,
            next,
            end,
            records: Vec::new(),
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
        loop {
            match opened.next() {
                None => break,
                Some(Err(error)) => {
                    let (base, next) = (info.base, info.next);
                    self.passed_over.push(PassedOver { base, next, error });
                    break;
                }
                Some(Ok(record)) if record.offset < self.next => {}
                Some(Ok(record)) if record.offset >= self.end => break,
                Some(Ok(record)) => {
                    if let Some(record) = self.put(record, info.arrival) {
                        self.next = record.offset;
                        opened.ahead = Some(record);
                        return Some(opened);
                    }
                    if self.is_full && self.next < info.next {
                        return Some(opened);
                    }
                }
            }
        }
        self.next = info.next.min(self.end);
        None
    }

    /// Adds a record, or gives it back if it has to wait for the next page.
    fn put(&mut self, record: Record, arrival: Timestamp) -> Option<Record> {
        let seen = Seen::of(&self.shard, &record, arrival);
        let bytes_len = self.bytes_len + seen.bytes_len();
        if bytes_len > PAGE_BYTES_MAX && !self.records.is_empty() {
            self.is_full = true;
            return Some(record);
        }
        self.bytes_len = bytes_len;
        self.records.push(seen);
        self.next = record.offset.plus(1);
        self.is_full = self.records.len() >= self.count_max || bytes_len >= PAGE_BYTES_MAX;
        None
    }
}

impl Opened {
    fn new(batch: &Batch, record_bytes_max: usize) -> Opened {
        Opened {
            base: batch.base_offset(),
            ahead: None,
            rest: batch.records(record_bytes_max),
        }
    }

    /// Memory that is held for going on in the batch.
    pub fn memory_bytes(&self) -> usize {
        let ahead = self.ahead.as_ref().and_then(|record| record.value.as_ref());
        self.rest.memory_bytes() + ahead.map_or(0, Bytes::len)
    }

    fn next(&mut self) -> Option<Result<Record, Undecodable>> {
        self.ahead.take().map(Ok).or_else(|| self.rest.next())
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
mod tests;
