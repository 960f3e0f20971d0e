//! The local engine on a real directory, step by step.

use super::segment::{BLOCK_BYTES, log_name};
use super::{Directory, Disk, DiskFile, Local, LocalSettings, Open, OpenError, Pace};
use crate::clock::Clock;
use crate::config::StoreConfig;
use crate::store::batch::Batch;
use crate::store::engine::{Append, AppendTimes, Decision, Engine, EngineError, Expect, Intent};
use crate::store::engine::{Outcome, Read, ReadError, Run, Seek};
use crate::store::state::{Counter, Key, Value};
use crate::store::{Offset, PartitionId, Timestamp};
use bytes::Bytes;
use futures_util::FutureExt;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

mod adopted;
mod berthed;
mod checkpointed;
mod cold;
mod folded;
mod threaded;
mod warm;

const P: PartitionId = PartitionId(1);
const Q: PartitionId = PartitionId(2);

/// A directory that hands every file that it opens to somebody first.
struct Watched<F> {
    directory: Directory,
    opened: F,
}

impl<F> Disk for Watched<F>
where
    F: Fn(&str, Open, Arc<dyn DiskFile>) -> Arc<dyn DiskFile> + Send + Sync + 'static,
{
    fn open(&self, name: &str, mode: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.directory.open(name, mode)?;
        Ok((self.opened)(name, mode, file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_directory()
    }
}

/// A batch of `count` records whose opaque bytes are `fill`.
fn batch(count: u32, fill: &[u8]) -> Batch {
    let mut bytes = vec![0; 61];
    let length = i32::try_from(49 + fill.len()).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[27..35].copy_from_slice(&5_i64.to_be_bytes());
    bytes[35..43].copy_from_slice(&7_i64.to_be_bytes());
    bytes[43..51].copy_from_slice(&(-1_i64).to_be_bytes());
    bytes[51..53].copy_from_slice(&(-1_i16).to_be_bytes());
    bytes[53..57].copy_from_slice(&(-1_i32).to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(fill);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::parse(bytes.into()).unwrap()
}

fn append(partition: PartitionId, count: u32, fill: &[u8]) -> Vec<Intent> {
    vec![Intent::Append(Append {
        partition,
        named: partition,
        batch: batch(count, fill),
        times: AppendTimes::Kept,
    })]
}

fn open_partition(partition: PartitionId) -> Vec<Intent> {
    vec![Intent::Open { partition }]
}

fn put(number: u64) -> Vec<Intent> {
    vec![Intent::Put {
        key: Key::Counter(Counter::Stamp),
        value: Some(Value::Counter(number)),
        expect: Expect::Anything,
    }]
}

fn settings() -> LocalSettings {
    LocalSettings {
        first_segment_bytes: 64 << 10,
        log_segment_bytes: 64 << 10,
        ..LocalSettings::from(&StoreConfig::default())
    }
}

fn open_with(dir: &TempDir, settings: LocalSettings, pace: Pace) -> Result<Local, OpenError> {
    let disk = Arc::new(Directory::lock(dir.path())?);
    Local::open(disk, Clock::fixed(Timestamp(1000)), settings, pace)
}

fn open(dir: &TempDir) -> Local {
    open_with(dir, settings(), Pace::Manual).unwrap()
}

/// Commits one atom and makes it durable.
fn commit(local: &Local, atom: Vec<Intent>) -> Decision {
    let answer = local.commit(vec![atom]);
    while local.write_queued() {}
    local.sync_written();
    let answer = answer.now_or_never().expect("it is durable").unwrap();
    answer.unwrap().remove(0)
}

fn read(local: &Local, partition: PartitionId, from: u64, bytes_max: usize) -> Vec<Run> {
    let read = Read {
        partition,
        from: Offset(from),
        bytes_max,
    };
    local
        .read(read)
        .now_or_never()
        .expect("it reads here")
        .unwrap()
}

/// The opaque bytes of every batch from `from` on.
fn fills(local: &Local, partition: PartitionId, from: u64) -> Vec<Bytes> {
    let mut fills = Vec::new();
    for run in read(local, partition, from, usize::MAX) {
        let mut at = 0;
        for info in &run.batches {
            let end = at + info.bytes as usize;
            let batch = Batch::parse(run.bytes.slice(at..end)).unwrap();
            assert_eq!(
                (batch.base_offset(), batch.span()),
                (info.base, info.next.0 - info.base.0)
            );
            fills.push(batch.records_bytes());
            at = end;
        }
    }
    fills
}

#[test]
fn nothing_is_visible_or_answered_before_it_is_synced() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();

    let mut answer = local.commit(vec![append(P, 3, b"abc")]);
    assert!(local.write_queued());

    assert!(answer.try_recv().is_err());
    assert_eq!(local.status(P).unwrap().high_watermark, Offset(0));
    assert!(local.sync_written());
    assert!(answer.try_recv().unwrap().unwrap()[0].is_ok());
    assert_eq!(local.status(P).unwrap().high_watermark, Offset(3));
    assert_eq!(fills(&local, P, 1), ["abc"]);
}

#[test]
fn what_was_acknowledged_is_there_after_every_restart() {
    let dir = TempDir::new().unwrap();
    for round in 0..4_u64 {
        let local = open(&dir);
        if round == 0 {
            commit(&local, open_partition(P)).unwrap();
        }
        assert_eq!(local.status(P).unwrap().high_watermark, Offset(2 * round));
        commit(&local, append(P, 2, format!("round {round}").as_bytes())).unwrap();
        commit(&local, put(round)).unwrap();
    }
    let local = open(&dir);
    assert_eq!(
        fills(&local, P, 0),
        ["round 0", "round 1", "round 2", "round 3"]
    );
    let stored = local.get(&Key::Counter(Counter::Stamp)).value.unwrap();
    assert_eq!(stored.value, Value::Counter(3));
}

#[test]
fn batches_of_one_partition_go_out_as_one_run() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    for (partition, fill) in [(P, b"p0"), (Q, b"q0"), (P, b"p1"), (Q, b"q1"), (P, b"p2")] {
        drop(local.commit(vec![append(partition, 1, fill)]));
    }
    while local.write_queued() {}
    local.sync_written();

    assert_eq!(read(&local, P, 0, usize::MAX).len(), 1);
    assert_eq!(fills(&local, P, 0), ["p0", "p1", "p2"]);
    assert_eq!(fills(&local, Q, 1), ["q1"]);
    // The first batch comes whatever its size, the next ones only if they fit.
    assert_eq!(read(&local, P, 0, 1)[0].batches.len(), 1);
    assert_eq!(read(&local, P, 1, 2 * 63)[0].batches.len(), 2);
}

#[test]
fn a_small_read_does_not_keep_a_large_group() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    let small = append(P, 1, b"a");
    let large = append(Q, 1, &[b'b'; 30_000]);
    let _both = local.commit(vec![small, large]);
    local.write_queued();
    local.sync_written();

    let small = read(&local, P, 0, 1000);
    let large = read(&local, Q, 0, 1000);

    assert!(small[0].bytes.is_unique());
    assert!(!large[0].bytes.is_unique());
}

#[test]
fn a_torn_tail_is_cut_and_its_offsets_are_given_out_again() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, append(P, 1, b"kept")).unwrap();
    drop(local.commit(vec![append(P, 1, &[1; 9000])]));
    local.write_queued();
    drop(local);
    overwrite(&dir, 1, 3 * BLOCK_BYTES + 4500, &[9; 100]);

    for fill in ["again", "and again"] {
        let local = open(&dir);
        let Outcome::Placed(placed) = commit(&local, append(P, 1, fill.as_bytes())).unwrap()[0]
        else {
            panic!("it should be placed");
        };
        assert_eq!(placed.base, Offset(if fill == "again" { 1 } else { 2 }));
    }
    assert_eq!(fills(&open(&dir), P, 0), ["kept", "again", "and again"]);
}

/// Two batches, of which the second is in the frame three blocks from the front of the log and
/// known to have been durable; then `damage` is done to that frame.
fn damaged_below_the_durable_position(dir: &TempDir, damage: u64) -> Result<Local, OpenError> {
    let local = open(dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, append(P, 1, b"one")).unwrap();
    commit(&local, append(P, 1, b"two")).unwrap();
    assert!(local.record_idle());
    local.sync_written();
    drop(local);
    overwrite(dir, 1, 3 * BLOCK_BYTES + damage, b"!");
    open_with(dir, settings(), Pace::Manual)
}

#[test]
fn a_damaged_table_below_the_durable_position_is_refused_with_file_and_place() {
    let dir = TempDir::new().unwrap();
    let damaged = damaged_below_the_durable_position(&dir, 100);
    let Err(OpenError::Damaged { file, at, .. }) = damaged else {
        panic!("damage should be refused");
    };
    assert_eq!((file, at), (log_name(1), 3 * BLOCK_BYTES));
}

#[test]
fn a_damaged_batch_below_the_durable_position_is_told_to_whoever_reads_it() {
    let dir = TempDir::new().unwrap();
    let local = damaged_below_the_durable_position(&dir, 180).unwrap();
    assert_eq!(local.status(P).unwrap().high_watermark, Offset(2));
    assert_eq!(read(&local, P, 0, 1)[0].batches.len(), 1);
    let read = Read {
        partition: P,
        from: Offset(1),
        bytes_max: 1,
    };
    let found = local.read(read).now_or_never().unwrap();
    assert!(matches!(found, Err(ReadError::Disk(_))));
}

#[test]
fn the_log_goes_on_through_many_segments_and_large_batches() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    let sizes = [100, 50_000, 10, 200_000, 30_000, 30_000, 30_000, 70];
    for (at, size) in (0_u8..).zip(sizes) {
        commit(&local, append(P, 1, &vec![at; size])).unwrap();
    }
    let expected: Vec<_> = (0_u8..)
        .zip(sizes)
        .map(|(at, size)| vec![at; size])
        .collect();
    assert_eq!(fills(&local, P, 0), expected);
    drop(local);
    assert_eq!(fills(&open(&dir), P, 0), expected);
}

#[test]
fn a_second_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let _first = open(&dir);
    let second = open_with(&dir, settings(), Pace::Manual);
    assert!(matches!(second, Err(OpenError::InUse(_))));
}

#[test]
fn a_duplicate_waits_for_what_it_repeats() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    let refused = append(Q, 1, b"nowhere");
    drop(local.commit(vec![append(P, 1, b"first")]));
    let mut answer = local.commit(vec![refused]);
    assert!(answer.try_recv().is_err());
    while local.write_queued() {}
    assert!(answer.try_recv().is_err());
    local.sync_written();
    assert!(answer.try_recv().unwrap().unwrap()[0].is_err());
}

#[test]
fn a_cold_read_finds_the_same_as_a_warm_one() {
    let dir = TempDir::new().unwrap();
    let cold = LocalSettings {
        tail_cache_bytes: 0,
        ..settings()
    };
    let local = open_with(&dir, cold, Pace::Manual).unwrap();
    commit(&local, open_partition(P)).unwrap();
    for fill in ["a", "b", "c"] {
        commit(&local, append(P, 1, fill.as_bytes())).unwrap();
    }
    assert_eq!(fills(&local, P, 1), ["b", "c"]);
    let found = local
        .seek(P, Seek::Offset(Offset(1)))
        .now_or_never()
        .unwrap();
    assert_eq!(found.unwrap().unwrap().base, Offset(1));
}

/// Folds all that can be folded, and writes a checkpoint.
fn tidy(local: &Local) {
    while local.fold_one() {}
    assert!(local.checkpoint());
}

fn names(dir: &TempDir, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

fn trim(partition: PartitionId, to: u64) -> Vec<Intent> {
    let to = Offset(to);
    vec![Intent::Trim { partition, to }]
}

#[test]
fn folded_batches_read_the_same_and_survive_restarts() {
    let dir = TempDir::new().unwrap();
    let mut local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    for at in 0..20_u8 {
        commit(&local, append(P, 1, &vec![at; 10_000])).unwrap();
        commit(&local, append(Q, 2, &[at])).unwrap();
    }
    let (p, q) = (fills(&local, P, 0), fills(&local, Q, 0));
    for _ in 0..3 {
        tidy(&local);
        assert!(!names(&dir, "data").is_empty());
        assert_eq!(
            (fills(&local, P, 0), fills(&local, Q, 0)),
            (p.clone(), q.clone())
        );
        assert_eq!(fills(&local, Q, 13), q[6..]);
        let status = local.status(P).unwrap();
        drop(local);
        local = open(&dir);
        assert_eq!(local.status(P).unwrap(), status);
        assert_eq!(
            (fills(&local, P, 0), fills(&local, Q, 0)),
            (p.clone(), q.clone())
        );
    }
    for offset in 0..20 {
        let found = local
            .seek(P, Seek::Offset(Offset(offset)))
            .now_or_never()
            .unwrap();
        assert_eq!(found.unwrap().unwrap().base, Offset(offset));
    }
}

#[test]
fn full_segments_are_used_again() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    let mut expected = Vec::new();
    for at in 0..60_u8 {
        commit(&local, append(P, 1, &vec![at; 10_000])).unwrap();
        expected.push(vec![at; 10_000]);
        if at % 10 == 9 {
            tidy(&local);
        }
    }
    assert!(names(&dir, "log").len() + names(&dir, "spare").len() <= 6);
    assert_eq!(names(&dir, "checkpoint").len(), 1);
    drop(local);
    assert_eq!(fills(&open(&dir), P, 0), expected);
}

#[test]
fn space_comes_back_when_records_are_trimmed_or_their_partition_ends() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    for at in 0..20_u8 {
        commit(&local, append(P, 1, &vec![at; 10_000])).unwrap();
        commit(&local, append(Q, 1, &vec![at; 1000])).unwrap();
    }
    tidy(&local);
    let bytes = || -> u64 {
        let names = names(&dir, "data").into_iter();
        names
            .map(|name| dir.path().join(name).metadata().unwrap().len())
            .sum()
    };
    let before = bytes();
    commit(&local, vec![Intent::Drop { partition: P }]).unwrap();
    tidy(&local);
    tidy(&local);
    assert!(bytes() * 2 < before, "{} of {before}", bytes());
    assert_eq!(fills(&local, Q, 0).len(), 20);
    drop(local);
    let local = open(&dir);
    assert_eq!(fills(&local, Q, 0).len(), 20);
    let all = local.status(Q).unwrap().high_watermark;
    commit(&local, trim(Q, all.0)).unwrap();
    tidy(&local);
    assert_eq!(names(&dir, "data"), [""; 0]);
    assert!(local.status(P).is_none());
}

#[test]
fn commits_after_a_checkpoint_are_replayed_on_top_of_it() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, append(P, 1, b"before")).unwrap();
    commit(&local, put(1)).unwrap();
    assert!(local.checkpoint());
    commit(&local, append(P, 1, b"after")).unwrap();
    commit(&local, put(2)).unwrap();
    commit(&local, trim(P, 1)).unwrap();
    drop(local);
    for _ in 0..2 {
        let local = open(&dir);
        assert_eq!(fills(&local, P, 1), ["after"]);
        let stored = local.get(&Key::Counter(Counter::Stamp)).value.unwrap();
        assert_eq!(stored.value, Value::Counter(2));
        assert_eq!(local.status(P).unwrap().log_start, Offset(1));
        assert!(local.checkpoint());
    }
}

fn overwrite(dir: &TempDir, segment: u64, at: u64, bytes: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .open(dir.path().join(log_name(segment)))
        .unwrap();
    file.write_all_at(bytes, at).unwrap();
}
