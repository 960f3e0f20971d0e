//! The local engine with its own threads, many callers, and a machine that goes down meanwhile.

use super::bytes::Shape;
use super::faulty::Faulty;
use super::judge::batches;
use super::on_disk::settings;
use super::ops::Power;
use super::subject::BEGINNING;
use crate::clock::Clock;
use crate::store::batch::ProducerSequence;
use crate::store::engine::{Append, AppendTimes, Atom, Engine, EngineError, Intent, Local};
use crate::store::engine::{Outcome, Pace, Read};
use crate::store::{Offset, PartitionId, ProducerId};
use std::sync::Arc;

const PARTITIONS: u64 = 3;
const PRODUCERS: u64 = 8;

fn open(disk: &Faulty) -> Local {
    let disk = Arc::new(disk.clone());
    let clock = Clock::fixed(BEGINNING);
    Local::open(disk, clock, settings(), Pace::Threads).expect("opens")
}

/// A producer's batch number `number`; of its own and the next partition.
fn atom(producer: u64, number: u32) -> Atom {
    let append = |partition: u64| {
        let shape = Shape {
            span: 2,
            bytes: 200,
            seed: producer * 1_000_000 + u64::from(number),
            producer: Some(ProducerSequence {
                id: ProducerId(producer.cast_signed()),
                epoch: 0,
                first: i32::try_from(number * 2).expect("few"),
            }),
            max_timestamp: 1,
        };
        let partition = PartitionId(1 + partition % PARTITIONS);
        Intent::Append(Append {
            partition,
            named: partition,
            batch: shape.batch(),
            times: AppendTimes::Kept,
        })
    };
    vec![append(producer), append(producer + 1)]
}

/// Produces until the engine fails; what was acknowledged, in order.
async fn produce(local: Arc<Local>, producer: u64, from: u32) -> Vec<(u32, Vec<Outcome>)> {
    let mut acknowledged = Vec::new();
    for number in from.. {
        let answer = local.commit(vec![atom(producer, number)]).await;
        match answer.expect("an engine answers") {
            Ok(decisions) => {
                let decision = decisions.into_iter().next().expect("one atom");
                acknowledged.push((number, decision.expect("nothing is refused")));
            }
            Err(EngineError::Failed(_)) => break,
            Err(EngineError::Stopping) => panic!("nobody stopped it"),
        }
    }
    acknowledged
}

/// A producer's batch as it is found: base, producer, sequence.
async fn found(local: &Local, partition: u64) -> Vec<(Offset, i64, i32)> {
    let partition = PartitionId(1 + partition % PARTITIONS);
    let status = local.status(partition).expect("opened");
    let mut found = Vec::new();
    let mut from = status.log_start;
    while from < status.high_watermark {
        let read = Read {
            partition,
            from,
            bytes_max: 50_000,
        };
        for kept in batches(&local.read(read).await.expect("readable")) {
            let producer = crate::store::batch::Batch::trusted(kept.bytes).producer();
            let producer = producer.expect("all have one");
            assert_eq!(kept.info.base, from, "offsets are dense");
            found.push((from, producer.id.0, producer.first));
            from = kept.info.next;
        }
    }
    found
}

/// Opens, produces until the machine goes down after `changes`, and tells what was acknowledged
/// to each producer.
async fn live(disk: &Faulty, next: &[u32], changes: u64) -> Vec<Vec<(u32, Vec<Outcome>)>> {
    let local = Arc::new(open(disk));
    let opens = (1..=PARTITIONS).map(|partition| Intent::Open {
        partition: PartitionId(partition),
    });
    let opened = local.commit(vec![opens.collect()]).await;
    let opened = opened.expect("answered").expect("alive");
    opened[0].as_ref().expect("opened");
    disk.light_fuse(changes);
    let start = |(producer, from): (u64, &u32)| {
        let producing = produce(local.clone(), producer, *from);
        tokio::spawn(producing)
    };
    let producers: Vec<_> = (0..).zip(next).map(start).collect();
    let mut acknowledged = Vec::new();
    for producer in producers {
        acknowledged.push(producer.await.expect("no panic"));
    }
    local.failed().await;
    acknowledged
}

/// Every producer's batches are there in order and once.
fn check_order(found: &[(Offset, i64, i32)]) {
    for producer in 0..PRODUCERS.cast_signed() {
        let mine = found.iter().filter(|(_, id, _)| *id == producer);
        let sequences: Vec<i32> = mine.map(|(_, _, first)| *first).collect();
        let due = (0..).step_by(2).take(sequences.len());
        assert_eq!(sequences, due.collect::<Vec<i32>>(), "of {producer}");
    }
}

/// Whatever a producer was told of a partition is there.
fn check_kept(
    found: &[(Offset, i64, i32)],
    partition: u64,
    producer: u64,
    acknowledged: &[(u32, Vec<Outcome>)],
) {
    for (number, outcomes) in acknowledged {
        for (outcome, of) in outcomes.iter().zip([producer, producer + 1]) {
            let (Outcome::Placed(placed) | Outcome::Duplicate(placed)) = outcome else {
                panic!("{outcome:?}")
            };
            let first = i32::try_from(number * 2).expect("few");
            let kept = (placed.base, producer.cast_signed(), first);
            let is_here = of % PARTITIONS == partition;
            assert!(!is_here || found.contains(&kept), "{kept:?} is lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_producers_had_acknowledged_survives_the_machine_in_order_and_once() {
    let disk = Faulty::default();
    let mut next = [0; PRODUCERS as usize];
    let mut total = 0;
    for round in 0..12 {
        let acknowledged = live(&disk, &next, 40 + round * 17).await;
        let power = if round % 3 == 0 {
            Power::Stays
        } else {
            Power::Fails
        };
        disk.crash(power, round);

        let local = open(&disk);
        for partition in 0..PARTITIONS {
            let found = found(&local, partition).await;
            check_order(&found);
            for (producer, acknowledged) in (0..).zip(&acknowledged) {
                check_kept(&found, partition, producer, acknowledged);
            }
        }
        for (next, acknowledged) in next.iter_mut().zip(&acknowledged) {
            total += acknowledged.len();
            *next = acknowledged.last().map_or(*next, |(number, _)| number + 1);
        }
    }
    assert!(total > 100, "only {total} atoms were acknowledged");
}
