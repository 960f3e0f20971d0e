//! Batches that came in where the log can write them from.

use super::*;
use crate::store::engine::suite::bytes::in_berth;

fn berthed(count: u32, fill: &[u8]) -> Batch {
    in_berth(batch(count, fill).bytes(), false)
}

fn append_batch(partition: PartitionId, batch: Batch) -> Vec<Intent> {
    vec![Intent::Append(Append {
        partition,
        named: partition,
        batch,
        times: AppendTimes::Appended,
    })]
}

/// Commits each of these in a call of its own; they share a write and a sync.
fn commit_together(local: &Local, atoms: Vec<Vec<Intent>>) {
    let answers: Vec<_> = atoms.into_iter().map(|it| local.commit(vec![it])).collect();
    while local.write_queued() {}
    local.sync_written();
    for answer in answers {
        let answer = answer.now_or_never().expect("it is durable").unwrap();
        assert!(answer.unwrap().remove(0).is_ok());
    }
}

#[test]
fn a_batch_is_served_from_the_memory_that_it_came_in() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    let batch = berthed(3, &[7; 40_000]);
    let came_in_at = batch.bytes().as_ptr();

    commit(&local, append_batch(P, batch)).unwrap();

    let run = &read(&local, P, 0, usize::MAX)[0];
    assert_eq!(run.bytes.as_ptr(), came_in_at);
    assert_eq!(fills(&local, P, 0), [vec![7; 40_000]]);
}

#[test]
fn a_batch_that_somebody_else_has_a_part_of_is_copied() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    let batch = berthed(3, &[7; 40_000]);
    let part = batch.records_bytes().slice(100..200);
    let came_in_at = batch.bytes().as_ptr();

    commit(&local, append_batch(P, batch)).unwrap();

    let run = &read(&local, P, 0, usize::MAX)[0];
    assert_ne!(run.bytes.as_ptr(), came_in_at);
    assert_eq!(fills(&local, P, 0), [vec![7; 40_000]]);
    assert_eq!(part, [7; 100].as_slice());
}

#[test]
fn berthed_batches_and_others_that_are_written_together_keep_their_order() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    let long = |fill: u8| append_batch(P, berthed(2, &vec![fill; 5000 + usize::from(fill)]));
    let mut expected = Vec::new();
    for round in 0..6_u8 {
        let [first, second] = [round, 100 + round];
        commit_together(
            &local,
            vec![
                append(P, 2, &[first]),
                append(Q, 1, &[first]),
                long(first),
                long(second),
                append(P, 1, &[second]),
                put(u64::from(round)),
            ],
        );
        for fill in [first, second] {
            let long = vec![fill; 5000 + usize::from(fill)];
            let short = vec![fill];
            let pair = if fill == first {
                [short, long]
            } else {
                [long, short]
            };
            expected.extend(pair);
        }
    }
    assert_eq!(fills(&local, P, 0), expected);
    assert_eq!(fills(&local, Q, 0).len(), 6);

    drop(local);

    let local = open(&dir);
    assert_eq!(fills(&local, P, 0), expected);
    assert_eq!(fills(&local, Q, 0).len(), 6);
    let stored = local.get(&Key::Counter(Counter::Stamp)).value.unwrap();
    assert_eq!(stored.value, Value::Counter(5));
}

#[test]
fn one_call_with_berthed_batches_among_others_has_the_room_that_it_takes() {
    let dir = TempDir::new().unwrap();
    let local = open(&dir);
    commit(&local, open_partition(P)).unwrap();
    for fill in 0..40_u8 {
        let short = || append(P, 1, &[fill]);
        let long = || append_batch(P, berthed(1, &[fill; 4000]));
        let answer = local.commit(vec![short(), long(), short(), long(), long(), short()]);
        while local.write_queued() {}
        local.sync_written();
        answer
            .now_or_never()
            .expect("it is durable")
            .unwrap()
            .unwrap();
    }
    let found: Vec<u8> = fills(&local, P, 0).iter().map(|fill| fill[0]).collect();
    let expected: Vec<u8> = (0..40).flat_map(|fill| [fill; 6]).collect();
    assert_eq!(found, expected);
}
