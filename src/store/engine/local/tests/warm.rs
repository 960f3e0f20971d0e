//! Full segments of which the newest groups are still in memory.

use super::*;

/// Segments are folded, or kept if their runs are this long, and two of them fit into memory.
fn open(dir: &TempDir, adopt_run_bytes_min: u64) -> Local {
    let settings = LocalSettings {
        adopt_run_bytes_min,
        tail_cache_bytes: 128 << 10,
        ..settings()
    };
    open_with(dir, settings, Pace::Manual).unwrap()
}

/// Batches for P and Q in turn, over several segments, most of which are no part of the log's
/// ring any more when this returns.
fn produce(local: &Local) {
    commit(local, open_partition(P)).unwrap();
    commit(local, open_partition(Q)).unwrap();
    for at in 0..40_u8 {
        commit(local, append(P, 1, &vec![at; 18_000])).unwrap();
        commit(local, append(Q, 1, &[at])).unwrap();
    }
    while local.fold_one() {}
}

fn is_readable(local: &Local, from: u64) -> bool {
    let read = Read {
        partition: P,
        from: Offset(from),
        bytes_max: 1,
    };
    local.read(read).now_or_never().unwrap().is_ok()
}

/// Makes sure that nothing in these files can be read any more.
fn wipe(dir: &TempDir, names: Vec<String>) {
    for name in names {
        let path = dir.path().join(name);
        let bytes = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&vec![0; usize::try_from(bytes).unwrap()], 0)
            .unwrap();
    }
}

/// The newest of P, read while it is in memory, and when it is not any more.
fn read_from_memory(adopt_run_bytes_min: u64, is_kept: bool) {
    let dir = TempDir::new().unwrap();
    let local = open(&dir, adopt_run_bytes_min);
    produce(&local);
    let before = fills(&local, P, 36);
    assert_eq!(names(&dir, "data").is_empty(), is_kept);
    wipe(&dir, names(&dir, "data"));
    wipe(&dir, names(&dir, "log"));
    assert_eq!(fills(&local, P, 36), before);
    assert!(!is_readable(&local, 0));
    for at in 0..20_u8 {
        commit(&local, append(Q, 1, &vec![at; 10_000])).unwrap();
    }
    while local.fold_one() {}
    assert!(!is_readable(&local, 36));
    assert_eq!(fills(&local, Q, 50).len(), 10);
}

#[test]
fn what_was_just_folded_is_read_from_memory_while_it_is_there() {
    read_from_memory(1 << 20, false);
}

#[test]
fn what_was_just_kept_is_read_from_memory_while_it_is_there() {
    read_from_memory(1, true);
}

#[test]
fn what_was_trimmed_or_ended_is_gone_from_memory_too() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir, 1);
    produce(&local);
    commit(&local, trim(P, 36)).unwrap();
    assert!(!is_readable(&local, 35));
    assert_eq!(fills(&local, P, 36).len(), 4);
    commit(&local, vec![Intent::Drop { partition: P }]).unwrap();
    assert!(!is_readable(&local, 38));
}
