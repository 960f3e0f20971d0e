//! Checkpoints that are taken while commits go on.

use super::*;
use crate::store::ProducerId;
use crate::store::batch::ProducerSequence;
use crate::store::engine::Placed;
use parking_lot::Mutex;
use std::sync::OnceLock;

const R: PartitionId = PartitionId(3);

type Meddler = Box<dyn Fn() + Send + Sync>;

/// An idempotent producer's batch of one record.
fn sent(partition: PartitionId, first: i32) -> Vec<Intent> {
    let plain = batch(1, b"sent");
    let mut bytes = plain.bytes().to_vec();
    let sequence = ProducerSequence {
        id: ProducerId(9),
        epoch: 0,
        first,
    };
    bytes[43..51].copy_from_slice(&sequence.id.0.to_be_bytes());
    bytes[51..53].copy_from_slice(&sequence.epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.first.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    vec![Intent::Append(Append {
        partition,
        named: partition,
        batch: Batch::parse(bytes.into()).unwrap(),
        times: AppendTimes::Kept,
    })]
}

/// An engine that does something when its next checkpoint has been begun and nothing is in it yet.
fn meddled(dir: &TempDir, meddle: impl Fn(&Local) + Send + Sync + 'static) -> Arc<Local> {
    let then = Arc::new(OnceLock::<Meddler>::new());
    let meddling = then.clone();
    let disk = Watched {
        directory: Directory::lock(dir.path()).unwrap(),
        opened: move |name: &str, mode, file| {
            if name.starts_with("checkpoint")
                && mode == Open::New
                && let Some(then) = meddling.get()
            {
                then();
            }
            file
        },
    };
    let clock = Clock::fixed(Timestamp(1000));
    let local = Local::open(Arc::new(disk), clock, settings(), Pace::Manual).unwrap();
    let local = Arc::new(local);
    let weak = Mutex::new(Some(Arc::downgrade(&local)));
    let meddler = move || {
        if let Some(local) = weak.lock().take().and_then(|local| local.upgrade()) {
            meddle(&local);
        }
    };
    assert!(then.set(Box::new(meddler)).is_ok());
    local
}

#[test]
fn commits_during_a_checkpoint_are_found_once_and_in_order_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let local = meddled(&dir, |local| {
        for first in 3..7 {
            commit(local, sent(P, first)).unwrap();
        }
        commit(local, put(2)).unwrap();
        commit(local, vec![Intent::Drop { partition: Q }]).unwrap();
        commit(local, open_partition(R)).unwrap();
        commit(local, append(R, 1, b"new")).unwrap();
        commit(local, trim(P, 2)).unwrap();
    });
    commit(&local, open_partition(P)).unwrap();
    commit(&local, open_partition(Q)).unwrap();
    commit(&local, append(Q, 1, &[1; 90_000])).unwrap();
    for first in 0..3 {
        commit(&local, sent(P, first)).unwrap();
    }
    commit(&local, put(1)).unwrap();
    tidy(&local);
    commit(&local, append(R, 1, b"newer")).unwrap();
    drop(local);

    for _ in 0..2 {
        let local = open(&dir);
        assert_eq!(fills(&local, P, 2).len(), 5);
        assert_eq!(local.status(P).unwrap().log_start, Offset(2));
        assert!(local.status(Q).is_none());
        assert_eq!(fills(&local, R, 0), ["new", "newer"]);
        let stored = local.get(&Key::Counter(Counter::Stamp)).value.unwrap();
        assert_eq!(stored.value, Value::Counter(2));
        // The producer's last five batches.
        for first in 2..7 {
            let outcome = commit(&local, sent(P, first)).unwrap()[0];
            let base = Offset(u64::try_from(first).unwrap());
            let is_it = |placed: Placed| placed.base == base;
            assert!(matches!(outcome, Outcome::Duplicate(placed) if is_it(placed)));
        }
        assert!(local.checkpoint());
    }
}
