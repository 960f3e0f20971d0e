//! Full segments of the log that are kept as they are.

use super::*;

fn adopting() -> LocalSettings {
    LocalSettings {
        adopt_run_bytes_min: 8 << 10,
        ..settings()
    }
}

fn open(dir: &TempDir) -> Local {
    open_with(dir, adopting(), Pace::Manual).unwrap()
}

/// Twenty long batches for P and a few short ones for Q.
fn produce(local: &Local) {
    commit(local, open_partition(P)).unwrap();
    commit(local, open_partition(Q)).unwrap();
    for at in 0..20_u8 {
        commit(local, append(P, 1, &vec![at; 18_000])).unwrap();
        if at % 8 == 0 {
            commit(local, append(Q, 2, &[at])).unwrap();
        }
    }
}

#[test]
fn a_full_segment_with_long_runs_is_not_written_again() {
    let dir = TempDir::new().unwrap();
    let mut local = open(&dir);
    produce(&local);
    let (p, q) = (fills(&local, P, 0), fills(&local, Q, 0));
    let before = names(&dir, "log");
    for _ in 0..3 {
        tidy(&local);
        assert!(names(&dir, "data").is_empty());
        assert!(before.len() > 4 && names(&dir, "log").starts_with(&before));
        let status = local.status(P).unwrap();
        assert_eq!(fills(&local, P, 0), p);
        assert_eq!(fills(&local, P, 7), p[7..]);
        assert_eq!(fills(&local, Q, 0), q);
        drop(local);
        local = open(&dir);
        assert_eq!(local.status(P).unwrap(), status);
        assert_eq!(fills(&local, P, 0), p);
        assert_eq!(fills(&local, Q, 0), q);
    }
    for offset in 0..20 {
        let found = local.seek(P, Seek::Offset(Offset(offset)));
        let found = found.now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(found.base, Offset(offset));
    }
}

#[test]
fn a_kept_segment_gives_its_space_back_when_its_records_are_gone() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    produce(&local);
    tidy(&local);
    let (before, q) = (names(&dir, "log"), fills(&local, Q, 0));

    commit(&local, vec![Intent::Drop { partition: P }]).unwrap();
    tidy(&local);
    tidy(&local);

    // What is left of Q was written anew, by partition.
    assert!(
        names(&dir, "log")
            .iter()
            .all(|name| !before[..4].contains(name))
    );
    assert!(!names(&dir, "data").is_empty());
    assert_eq!(fills(&local, Q, 0), q);
    drop(local);
    assert_eq!(fills(&open(&dir), Q, 0), q);
}

#[test]
fn a_segment_with_short_runs_is_folded() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    for at in 0..60_u8 {
        commit(&local, append(P, 1, &[at; 3000])).unwrap();
    }
    tidy(&local);
    assert!(!names(&dir, "data").is_empty());
}

#[test]
fn damage_in_a_full_segment_is_told_to_whoever_reads_it_and_stops_nobody_else() {
    let dir = TempDir::new().unwrap();
    let cold = LocalSettings {
        tail_cache_bytes: 0,
        ..settings()
    };
    let local = open_with(&dir, cold, Pace::Manual).unwrap();
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    for at in 0..20_u8 {
        commit(&local, append(P, 1, &vec![at; 10_000])).unwrap();
        commit(&local, append(Q, 1, &[at])).unwrap();
    }
    overwrite(&dir, 1, 3 * BLOCK_BYTES + 4500, &[9; 100]);

    tidy(&local);
    tidy(&local);

    let damaged = local.read(Read {
        partition: P,
        from: Offset(0),
        bytes_max: 1,
    });
    assert!(damaged.now_or_never().unwrap().is_err());
    assert_eq!(fills(&local, P, 1).len(), 19);
    assert_eq!(fills(&local, Q, 0).len(), 20);
}

#[test]
fn a_segment_in_which_folding_would_bring_nothing_together_is_not_written_again() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    let partitions = || (100..200).map(PartitionId);
    for partition in partitions() {
        commit(&local, open_partition(partition)).unwrap();
    }
    for partition in partitions() {
        commit(&local, append(partition, 1, &[7; 3000])).unwrap();
    }

    tidy(&local);

    // The first segment has next to nothing but the partitions' making in it.
    assert!(names(&dir, "data").len() <= 1);
    assert!(names(&dir, "log").len() > 4);
    for partition in partitions() {
        assert_eq!(fills(&local, partition, 0), [[7; 3000].as_slice()]);
    }
}
