//! Reads pages off the log: decompression has its own threads, a bound, and a memory of the place
//! inside the batches that were not read to their end.

use super::page::{Opened, Page, PassedOver, batches};
use crate::store::{Codec, Offset, Partition, PartitionId, Run, StoreError};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes read from the log at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of the log that one page may pass, if they hold nothing to show.
const PASSED_BYTES_MAX: usize = 64 << 20;
/// Pages that may be decompressed at the same time: each may take a codec's window of memory.
const DECODES_MAX: usize = 8;
/// Uncompressed bytes that are decoded without leaving the runtime's thread.
const INLINE_BYTES_MAX: usize = 4 << 20;
/// Batches kept open for whoever goes on reading them with a small `Limit`.
const OPENED_MAX: usize = 16;
/// Memory that batches kept open may hold together, codecs' windows included.
const OPENED_BYTES_MAX: usize = 64 << 20;
/// Undecodable batches remembered as reported.
const REPORTED_MAX: usize = 1024;

/// Shared by all requests.
pub struct Reader {
    record_bytes_max: usize,
    decodes: Arc<Semaphore>,
    opened: Mutex<VecDeque<(Place, Opened)>>,
    reported: Mutex<VecDeque<Place>>,
}

/// A place in the log.
type Place = (PartitionId, Offset);

impl Reader {
    pub fn new(record_bytes_max: usize) -> Reader {
        Reader {
            record_bytes_max,
            decodes: Arc::new(Semaphore::new(DECODES_MAX)),
            opened: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    /// Fills a page from the log, as far as both go.
    pub async fn fill(&self, partition: &Partition, mut page: Page) -> Result<Page, StoreError> {
        let mut passed_bytes = 0;
        while !page.is_done() && passed_bytes < PASSED_BYTES_MAX {
            if passed_bytes > 0 {
                // A page of many reads must not hold up the requests of others.
                tokio::task::yield_now().await;
            }
            let runs = match partition.read(page.next, READ_BYTES).await {
                Ok(runs) => runs,
                // Trimmed in the meantime: the horizon is where it goes on.
                Err(StoreError::OffsetOutOfRange { start, .. }) if page.next < start => {
                    page.next = start;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if runs.is_empty() {
                break;
            }
            passed_bytes += runs.iter().map(|run| run.bytes.len()).sum::<usize>();
            page = self.decode(partition.id(), page, runs).await?;
        }
        self.report(partition.id(), &page.passed_over);
        Ok(page)
    }

    async fn decode(
        &self,
        partition: PartitionId,
        mut page: Page,
        runs: Vec<Run>,
    ) -> Result<Page, StoreError> {
        let known = self.reopen((partition, page.next));
        let record_bytes_max = self.record_bytes_max;
        let is_light = is_light(&runs);
        let work = move || {
            let opened = page.fill(&runs, known, record_bytes_max);
            (page, opened)
        };
        let (page, opened) = if is_light {
            work()
        } else {
            let permit = self.decodes.clone().acquire_owned().await;
            let permit = permit.map_err(|_| StoreError::Stopping)?;
            let work = move || {
                let _held = permit;
                work()
            };
            tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| StoreError::Stopping)?
        };
        if let Some(opened) = opened {
            self.keep((partition, page.next), opened);
        }
        Ok(page)
    }

    fn reopen(&self, place: Place) -> Option<Opened> {
        let mut opened = self.opened.lock();
        let at = opened.iter().position(|(kept, _)| *kept == place)?;
        opened.remove(at).map(|(_, opened)| opened)
    }

    fn keep(&self, place: Place, batch: Opened) {
        let mut opened = self.opened.lock();
        opened.push_back((place, batch));
        let mut bytes: usize = opened.iter().map(|(_, kept)| kept.memory_bytes()).sum();
        while opened.len() > OPENED_MAX || bytes > OPENED_BYTES_MAX {
            let Some((_, oldest)) = opened.pop_front() else {
                return;
            };
            bytes -= oldest.memory_bytes();
        }
    }

    /// Tells of each undecodable batch once, as far as memory of that goes.
    fn report(&self, partition: PartitionId, batches: &[PassedOver]) {
        let mut reported = self.reported.lock();
        for PassedOver { base, next, error } in batches {
            if reported.contains(&(partition, *base)) {
                continue;
            }
            if reported.len() == REPORTED_MAX {
                reported.pop_front();
            }
            reported.push_back((partition, *base));
            metrics::counter!("braid_kinesis_undecodable_batches_total").increment(1);
            tracing::warn!(%partition, %base, %next, %error, "passed over an undecodable batch");
        }
    }
}

/// Whether decoding costs so little that another thread would cost more.
fn is_light(runs: &[Run]) -> bool {
    let bytes: usize = runs.iter().map(|run| run.bytes.len()).sum();
    let mut batches = runs.iter().flat_map(batches);
    bytes <= INLINE_BYTES_MAX && batches.all(|(_, batch)| batch.codec() == Ok(Codec::None))
}

#[cfg(test)]
mod tests;
