//! What an atom means, as sentences: intents are judged one after the other, all take effect or
//! none does.

use super::bytes::Shape;
use super::subject::BEGINNING;
use crate::clock::Clock;
use crate::store::batch::ProducerSequence;
use crate::store::engine::sequencer::Sequencer;
use crate::store::engine::{
    Append, AppendTimes, Atom, Decision, Engine, Expect, Intent, Memory, Outcome, Placed, Refusal,
};
use crate::store::producers::PRODUCER_IDLE_MS_MAX;
use crate::store::state::{Counter, Key, Value};
use crate::store::{Offset, PartitionId, ProducerId, Timestamp};

const P: PartitionId = PartitionId(1);
const KEY: Key = Key::Counter(Counter::Stamp);

fn sent(producer: i64, first: i32) -> Intent {
    let shape = Shape {
        span: 2,
        bytes: 10,
        seed: 1,
        producer: Some(ProducerSequence {
            id: ProducerId(producer),
            epoch: 0,
            first,
        }),
        max_timestamp: 1,
    };
    Intent::Append(Append {
        partition: P,
        named: P,
        batch: shape.batch(),
        times: AppendTimes::Kept,
    })
}

fn put(value: u64, expect: Expect) -> Intent {
    Intent::Put {
        key: KEY,
        value: Some(Value::Counter(value)),
        expect,
    }
}

fn placed(base: u64) -> Placed {
    Placed {
        base: Offset(base),
        arrival: BEGINNING,
        log_start: Offset(0),
    }
}

/// A memory engine with partition P.
fn memory() -> Memory {
    let memory = Memory::new(Clock::fixed(BEGINNING), u64::MAX);
    commit(&memory, vec![Intent::Open { partition: P }]).unwrap();
    memory
}

fn commit(memory: &Memory, atom: Atom) -> Decision {
    let answer = memory.commit(vec![atom]).try_recv();
    answer.unwrap().unwrap().remove(0)
}

#[test]
fn the_same_batch_twice_in_one_atom_is_placed_once() {
    let decision = commit(&memory(), vec![sent(7, 0), sent(7, 0), sent(7, 2)]);
    let outcomes = [
        Outcome::Placed(placed(0)),
        Outcome::Duplicate(placed(0)),
        Outcome::Placed(placed(2)),
    ];
    assert_eq!(decision, Ok(outcomes.to_vec()));
}

#[test]
fn a_refused_intent_takes_back_all_that_came_before_it() {
    let memory = memory();
    let trim = Intent::Trim {
        partition: P,
        to: Offset(1),
    };
    let atom = vec![
        put(5, Expect::Absent),
        sent(7, 0),
        trim,
        put(6, Expect::Absent),
    ];
    assert_eq!(commit(&memory, atom), Err(Refusal::Unexpected { key: KEY }));

    assert_eq!(memory.get(&KEY).value, None);
    assert_eq!(memory.status(P).unwrap().high_watermark, Offset(0));
    let again = commit(&memory, vec![sent(7, 0)]);
    assert_eq!(again, Ok(vec![Outcome::Placed(placed(0))]));
}

#[test]
fn a_new_partition_takes_records_in_the_atom_that_opens_it_and_none_behind_its_end() {
    let memory = Memory::new(Clock::fixed(BEGINNING), u64::MAX);
    let open = Intent::Open { partition: P };
    assert!(commit(&memory, vec![open, sent(7, 0)]).is_ok());

    let end = Intent::Drop { partition: P };
    let decision = commit(&memory, vec![end, sent(7, 2)]);
    assert_eq!(decision, Err(Refusal::UnknownPartition(P)));
    assert!(memory.status(P).is_some());
}

#[test]
fn a_producer_that_comes_back_after_a_day_is_not_answered_from_its_former_life() {
    let clock = Clock::fixed(BEGINNING);
    let memory = Memory::new(clock.clone(), u64::MAX);
    commit(&memory, vec![Intent::Open { partition: P }]).unwrap();
    commit(&memory, vec![sent(7, 0)]).unwrap();
    clock.set(Timestamp(BEGINNING.0 + PRODUCER_IDLE_MS_MAX + 1));
    commit(&memory, vec![sent(7, 0)]).unwrap();

    let Ok(outcomes) = commit(&memory, vec![sent(7, 0)]) else {
        panic!("a retry is no mistake")
    };
    let Outcome::Duplicate(placed) = outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(placed.base, Offset(2));
}

#[test]
fn producers_that_were_forgotten_leave_their_room_to_new_ones() {
    let mut sequencer = Sequencer::default();
    sequencer.decide(vec![Intent::Open { partition: P }], BEGINNING);
    for producer in 0..1_000 {
        let now = BEGINNING.0 + producer * PRODUCER_IDLE_MS_MAX / 10;
        sequencer.decide(vec![sent(producer, 0)], Timestamp(now));
    }
    let known = sequencer.tail(P).unwrap().producers.len();
    assert!(known < 50, "{known} producers of which ten are alive");
}
