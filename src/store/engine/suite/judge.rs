//! Compares what an engine tells with what the model holds.

use super::model::{Kept, Part, State, entry};
use super::resolve::{KEYS, key};
use crate::store::PartitionId;
use crate::store::batch::Batch;
use crate::store::engine::{Engine, Read, ReadError, Run, Status};
use crate::store::state::{Entry, Key};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Everything an engine tells when asked for all of it.
pub struct Dump {
    partitions: BTreeMap<PartitionId, Option<(Status, Vec<Kept>)>>,
    values: BTreeMap<Key, Entry>,
}

impl Dump {
    pub fn of(engine: &dyn Engine, partitions: &[PartitionId], runtime: &Runtime) -> Dump {
        let dump = |partition: &PartitionId| {
            let status = engine.status(*partition);
            let kept = status.map(|status| (status, read_all(engine, *partition, runtime)));
            (*partition, kept)
        };
        let values = (0..KEYS).filter_map(|k| Some((key(k), engine.get(&key(k)).value?)));
        Dump {
            partitions: partitions.iter().map(dump).collect(),
            values: values.collect(),
        }
    }

    /// What differs from the model, if anything does.
    pub fn difference(&self, state: &State) -> Option<String> {
        for (partition, dumped) in &self.partitions {
            let part = state.partitions.get(partition);
            let status = dumped.as_ref().map(|(status, _)| *status);
            let expected = part.map(Part::status);
            if !is_status(status, expected) {
                return Some(format!("{partition}: {status:?}, not {expected:?}"));
            }
            if let (Some((_, kept)), Some(part)) = (dumped, part)
                && let Some(text) = batches_difference(kept, &part.batches)
            {
                return Some(format!("partition {partition}: {text}"));
            }
        }
        let keys = (0..KEYS).map(key);
        let mut pairs = keys.map(|key| (self.values.get(&key).cloned(), state.values.get(&key)));
        let (found, expected) = pairs.find(|(found, model)| *found != entry(*model))?;
        Some(format!("value {found:?}, not {expected:?}"))
    }
}

fn batches_difference(found: &[Kept], expected: &[Arc<Kept>]) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} batches, not {}", found.len(), expected.len()));
    }
    let mut pairs = found.iter().zip(expected);
    let (found, expected) = pairs.find(|(found, expected)| **found != ***expected)?;
    Some(format!("{:?} differs from {:?}", found.info, expected.info))
}

/// Everything from the log start on, in reads of an odd size.
fn read_all(engine: &dyn Engine, partition: PartitionId, runtime: &Runtime) -> Vec<Kept> {
    let status = engine.status(partition).expect("asked for one that exists");
    let mut kept = Vec::new();
    let mut from = status.log_start;
    while from < status.high_watermark {
        let read = Read {
            partition,
            from,
            bytes_max: 10_007,
        };
        let runs = runtime.block_on(engine.read(read)).expect("in range");
        let page = batches(&runs);
        from = page.last().expect("a read makes progress").info.next;
        kept.extend(page);
    }
    kept
}

/// The batches of runs, which must be whole, valid and filled by them.
pub fn batches(runs: &[Run]) -> Vec<Kept> {
    let mut kept = Vec::new();
    for run in runs {
        assert!(!run.batches.is_empty(), "a run without batches");
        let mut at = 0;
        for info in &run.batches {
            let end = at + usize::try_from(info.bytes).expect("a small batch");
            let bytes = run.bytes.slice(at..end);
            let batch = Batch::parse(bytes.clone()).expect("a whole, valid batch");
            assert_eq!(batch.base_offset(), info.base);
            kept.push(Kept { info: *info, bytes });
            at = end;
        }
        assert_eq!(at, run.bytes.len(), "bytes after the last batch of a run");
    }
    kept
}

/// Judges one read against the partition as it is shown.
pub fn check_read(read: Read, answer: Result<Vec<Run>, ReadError>, part: Option<&Part>) {
    let Some(part) = part else {
        let unknown = ReadError::UnknownPartition(read.partition);
        assert_eq!(answer.err(), Some(unknown));
        return;
    };
    let status = part.status();
    let (start, end) = (status.log_start, status.high_watermark);
    let from = read.from;
    if from < start || from > end {
        assert_eq!(
            answer.err(),
            Some(ReadError::OutOfRange { from, start, end })
        );
        return;
    }
    let found = batches(&answer.expect("in range"));
    let expected = part
        .batches
        .iter()
        .skip_while(|kept| kept.info.next <= from);
    let expected: Vec<Arc<Kept>> = expected.take(found.len()).cloned().collect();
    assert_eq!(batches_difference(&found, &expected), None, "{read:?}");
    assert_eq!(found.is_empty(), from == end, "{read:?} makes progress");
    let bytes: usize = found.iter().map(|kept| kept.bytes.len()).sum();
    let fits = bytes <= read.bytes_max || found.len() <= 1;
    assert!(fits, "{bytes} bytes in answer to {read:?}");
}

/// Whether an engine may tell this status. It may count batches before the log start for as long
/// as it keeps them, because space comes back in pieces.
pub fn is_status(found: Option<Status>, expected: Option<Status>) -> bool {
    let (Some(found), Some(expected)) = (found, expected) else {
        return found == expected;
    };
    let bytes = found.bytes;
    bytes >= expected.bytes && found == Status { bytes, ..expected }
}
