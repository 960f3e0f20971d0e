//! What may happen to an engine, in small numbers that shrink well and always mean something.

use crate::store::engine::AppendTimes;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub enum Op {
    /// One call of commit: atoms of intents.
    Commit(Vec<Vec<Want>>),
    Read {
        partition: u8,
        from: u16,
        bytes_max: u16,
    },
    Seek {
        partition: u8,
        seek: SeekWant,
    },
    Get(u8),
    Scan {
        from: u8,
        to: u8,
        count_max: u8,
    },
    Watch(u8),
    /// The clock moves, perhaps backwards.
    Turn {
        ms: i64,
    },
    Step(Step),
    Crash(Crash),
    /// The disk operation of this kind after so many others fails.
    Trouble {
        trouble: Trouble,
        others: u8,
    },
    /// The disk has so many KiB left, or again as many as one likes.
    Space {
        left_kib: Option<u8>,
    },
}

/// Which disk operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Read,
    Write,
    Sync,
    Allocate,
    /// Creating, renaming or removing.
    Name,
    /// Any change, and all that come after it: the machine goes down in the middle of something.
    Down,
}

/// What an engine's threads would do, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write,
    Sync,
    Fold,
    Checkpoint,
    Recycle,
    Idle,
    /// Writing and syncing until nothing is left to do.
    Settle,
    /// Folding, a checkpoint and recycling after that.
    Tidy,
}

/// An end without warning.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub power: Power,
    /// Chooses what survives.
    pub seed: u64,
    /// Disk operations after which the recovery that follows crashes, too.
    pub again_after: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The process dies: whatever was written stays.
    Stays,
    /// The machine dies: whatever was not synced may be gone, or half there.
    Fails,
}

#[derive(Clone, Debug)]
pub enum Want {
    Append(AppendWant),
    Put {
        key: u8,
        value: ValueWant,
        expect: ExpectWant,
    },
    Require {
        key: u8,
        expect: ExpectWant,
    },
    Open,
    /// To so many 16ths of what is there; 17 is one beyond the end.
    Trim {
        partition: u8,
        sixteenths: u8,
    },
    Drop {
        partition: u8,
    },
}

#[derive(Clone, Debug)]
pub struct AppendWant {
    pub partition: u8,
    /// Another partition that the producer named.
    pub named: Option<u8>,
    pub writer: Option<(u8, Sequence)>,
    pub span: u8,
    pub bytes: u16,
    pub seed: u16,
    pub times: AppendTimes,
}

/// Which sequence an idempotent producer sends.
#[derive(Clone, Copy, Debug)]
pub enum Sequence {
    Next,
    /// The batch sent this many before the last again.
    Again(u8),
    Gap(u8),
    StaleEpoch,
    /// A new epoch, rightly from 0 or not.
    NewEpoch {
        first: u8,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum ValueWant {
    Nothing,
    Bytes { count: u16, seed: u16 },
}

#[derive(Clone, Copy, Debug)]
pub enum ExpectWant {
    Anything,
    Absent,
    Present,
    Current,
    Outdated,
}

#[derive(Clone, Copy, Debug)]
pub enum SeekWant {
    Arrival(u16),
    Timestamp(u16),
    MaxTimestamp,
    Offset(u16),
    TailBytes(u16),
}

/// A whole life of an engine.
pub fn lives(ops_max: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..ops_max)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => commit().prop_map(Op::Commit),
        8 => (any::<u8>(), any::<u16>(), any::<u16>()).prop_map(|(partition, from, bytes_max)| {
            Op::Read { partition, from, bytes_max }
        }),
        5 => (any::<u8>(), seek()).prop_map(|(partition, seek)| Op::Seek { partition, seek }),
        3 => any::<u8>().prop_map(Op::Get),
        2 => (any::<u8>(), any::<u8>(), 0_u8..40).prop_map(|(from, to, count_max)| {
            Op::Scan { from, to, count_max }
        }),
        2 => any::<u8>().prop_map(Op::Watch),
        4 => turn().prop_map(|ms| Op::Turn { ms }),
        30 => step().prop_map(Op::Step),
        4 => crash().prop_map(Op::Crash),
        2 => (trouble(), 0_u8..9).prop_map(|(trouble, others)| Op::Trouble { trouble, others }),
        2 => space().prop_map(|left_kib| Op::Space { left_kib }),
    ]
}

fn turn() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0_i64..50_000, 5 => -5_000_i64..0, 1 => 86_000_000_i64..90_000_000]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Write),
        10 => Just(Step::Sync),
        4 => Just(Step::Fold),
        2 => Just(Step::Checkpoint),
        3 => Just(Step::Recycle),
        2 => Just(Step::Idle),
        2 => Just(Step::Settle),
        3 => Just(Step::Tidy),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    let power = prop_oneof![1 => Just(Power::Stays), 3 => Just(Power::Fails)];
    let again = prop_oneof![2 => Just(None), 1 => (0_u8..60).prop_map(Some)];
    (power, any::<u64>(), again).prop_map(|(power, seed, again_after)| Crash {
        power,
        seed,
        again_after,
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        3 => Just(Trouble::Write),
        3 => Just(Trouble::Sync),
        1 => Just(Trouble::Read),
        1 => Just(Trouble::Allocate),
        1 => Just(Trouble::Name),
        6 => Just(Trouble::Down),
    ]
}

fn space() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)]
}

fn commit() -> impl Strategy<Value = Vec<Vec<Want>>> {
    let lone = append().prop_map(|append| vec![Want::Append(append)]);
    prop_oneof![
        6 => vec(lone, 1..5),
        3 => vec(vec(want(), 1..2), 1..2),
        3 => vec(vec(want(), 1..6), 1..4),
    ]
}

fn want() -> impl Strategy<Value = Want> {
    prop_oneof![
        10 => append().prop_map(Want::Append),
        8 => (any::<u8>(), value(), expect())
            .prop_map(|(key, value, expect)| Want::Put { key, value, expect }),
        2 => (any::<u8>(), expect()).prop_map(|(key, expect)| Want::Require { key, expect }),
        2 => Just(Want::Open),
        6 => (any::<u8>(), 0_u8..18).prop_map(|(partition, sixteenths)| {
            Want::Trim { partition, sixteenths }
        }),
        2 => any::<u8>().prop_map(|partition| Want::Drop { partition }),
    ]
}

fn append() -> impl Strategy<Value = AppendWant> {
    let named = prop_oneof![9 => Just(None), 1 => any::<u8>().prop_map(Some)];
    let writer = prop_oneof![2 => Just(None), 3 => (0_u8..3, sequence()).prop_map(Some)];
    let bytes = prop_oneof![8 => 1_u16..600, 4 => 600_u16..5_000, 1 => 5_000_u16..40_000];
    let times = prop_oneof![
        3 => Just(AppendTimes::Kept),
        1 => Just(AppendTimes::Created),
        1 => Just(AppendTimes::Appended),
    ];
    let what = (any::<u8>(), named, writer);
    (what, 1_u8..20, bytes, any::<u16>(), times).prop_map(|(what, span, bytes, seed, times)| {
        let (partition, named, writer) = what;
        AppendWant {
            partition,
            named,
            writer,
            span,
            bytes,
            seed,
            times,
        }
    })
}

fn sequence() -> impl Strategy<Value = Sequence> {
    prop_oneof![
        12 => Just(Sequence::Next),
        4 => (0_u8..7).prop_map(Sequence::Again),
        1 => (1_u8..9).prop_map(Sequence::Gap),
        1 => Just(Sequence::StaleEpoch),
        2 => (0_u8..2).prop_map(|first| Sequence::NewEpoch { first }),
    ]
}

fn value() -> impl Strategy<Value = ValueWant> {
    let bytes = |(count, seed)| ValueWant::Bytes { count, seed };
    prop_oneof![
        1 => Just(ValueWant::Nothing),
        3 => (0_u16..80, any::<u16>()).prop_map(bytes),
        1 => (80_u16..9_000, any::<u16>()).prop_map(bytes),
    ]
}

fn expect() -> impl Strategy<Value = ExpectWant> {
    prop_oneof![
        12 => Just(ExpectWant::Anything),
        2 => Just(ExpectWant::Absent),
        3 => Just(ExpectWant::Present),
        3 => Just(ExpectWant::Current),
        1 => Just(ExpectWant::Outdated),
    ]
}

fn seek() -> impl Strategy<Value = SeekWant> {
    prop_oneof![
        any::<u16>().prop_map(SeekWant::Arrival),
        any::<u16>().prop_map(SeekWant::Timestamp),
        Just(SeekWant::MaxTimestamp),
        any::<u16>().prop_map(SeekWant::Offset),
        any::<u16>().prop_map(SeekWant::TailBytes),
    ]
}
