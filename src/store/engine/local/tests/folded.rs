//! What partitions have in the log, exchanged for what they have in folded segments.

use super::*;

const PARTITIONS: u64 = 600;

/// A log of which nothing that was folded stays in memory.
fn open(dir: &TempDir) -> Local {
    let settings = LocalSettings {
        tail_cache_bytes: 0,
        ..settings()
    };
    open_with(dir, settings, Pace::Manual).unwrap()
}

/// A segment that holds records of more partitions than are visited at once.
fn produce(local: &Local) -> Vec<PartitionId> {
    let partitions: Vec<_> = (1..=PARTITIONS).map(PartitionId).collect();
    let opened = partitions.iter().map(|id| Intent::Open { partition: *id });
    commit(local, opened.collect()).unwrap();
    for fill in ["a", "b"] {
        let appends = partitions
            .iter()
            .flat_map(|id| append(*id, 1, fill.as_bytes()));
        commit(local, appends.collect()).unwrap();
    }
    // What follows lies in another segment.
    commit(local, append(P, 1, &[b'z'; 60_000])).unwrap();
    partitions
}

#[test]
fn every_partition_of_a_segment_finds_its_records_where_they_were_folded() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    let partitions = produce(&local);
    let before: Vec<_> = partitions.iter().map(|id| local.status(*id)).collect();
    tidy(&local);
    assert!(!names(&dir, "data").is_empty());
    for (id, before) in partitions.iter().zip(before) {
        assert_eq!(local.status(*id), before);
        assert_eq!(fills(&local, *id, 0)[..2], ["a", "b"]);
    }
}

#[test]
fn what_ends_or_begins_later_while_a_segment_waits_is_not_folded() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    let partitions = produce(&local);
    let (dropped, trimmed) = (partitions[300], partitions[301]);
    let drop = Intent::Drop { partition: dropped };
    let trim = Intent::Trim {
        partition: trimmed,
        to: Offset(1),
    };
    commit(&local, vec![drop, trim]).unwrap();
    commit(&local, append(trimmed, 1, b"c")).unwrap();
    let before = local.status(trimmed).unwrap();
    tidy(&local);
    assert!(local.status(dropped).is_none());
    assert_eq!(local.status(trimmed).unwrap(), before);
    assert_eq!(fills(&local, trimmed, 1), ["b", "c"]);
    assert_eq!(fills(&local, partitions[302], 0), ["a", "b"]);
}
