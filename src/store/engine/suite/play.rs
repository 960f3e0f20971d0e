//! Plays a life on an engine and its model, and judges every answer.

use super::judge::{Dump, check_read, is_status};
use super::model::{Part, State, entry};
use super::ops::{Crash, Op, Power, SeekWant, Sequence, Step, Trouble, Want};
use super::resolve::{self, Known};
use super::subject::Subject;
use crate::clock::Clock;
use crate::store::engine::{
    Answer, Atom, Decision, EngineError, Intent, Observed, Read, ReadError, Refusal, Watch,
};
use crate::store::state::{Entry, Key};
use crate::store::{Offset, PartitionId, Position, Timestamp};
use futures_util::FutureExt;
use std::collections::VecDeque;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot::error::TryRecvError;

/// State changes that a full disk must take at least.
const CHANGES_WHILE_FULL: u64 = 4;

/// One life in progress.
pub struct Play<'s> {
    subject: &'s mut dyn Subject,
    clock: Clock,
    runtime: Runtime,
    known: Known,
    /// States after each atom with an effect, from the one that is known to be durable on. The
    /// first is what readers see, the last what has been sequenced.
    states: VecDeque<State>,
    pending: Vec<Pending>,
    watched: Option<Watched>,
    /// State changes since the disk has been full, if it may be.
    changes_while_full: Option<u64>,
    /// Operations done and intents committed.
    pub steps: u64,
}

/// A commit whose answer has not come.
struct Pending {
    answer: Answer,
    expected: Vec<Decision>,
    /// What must be durable when it comes.
    position: Position,
}

/// An atom with what the model makes of it.
struct Decided {
    atom: Atom,
    decision: Decision,
    /// The state that it leads to, if it has an effect.
    after: Option<State>,
}

struct Watched {
    partition: PartitionId,
    shown: Option<Part>,
    watch: Watch,
}

impl<'s> Play<'s> {
    pub fn new(subject: &'s mut dyn Subject, clock: Clock) -> Play<'s> {
        let runtime = Builder::new_current_thread().build();
        Play {
            subject,
            clock,
            runtime: runtime.expect("a runtime"),
            known: Known::default(),
            states: VecDeque::from([State::default()]),
            pending: Vec::new(),
            watched: None,
            changes_while_full: None,
            steps: 0,
        }
    }

    /// The whole life: two partitions, `ops`, and an end with everything accounted for.
    pub fn live(&mut self, ops: Vec<Op>) {
        self.play(Op::Commit(vec![vec![Want::Open], vec![Want::Open]]));
        for op in ops {
            self.play(op);
        }
        self.subject.calm();
        self.play(Op::Space { left_kib: None });
        self.play(Op::Step(Step::Settle));
        assert!(self.pending.is_empty(), "settled, yet commits wait");
        assert_eq!(self.states.len(), 1, "settled, yet not all is durable");
        self.compare_all();
        self.crash(Crash {
            power: Power::Fails,
            seed: self.steps,
            again_after: None,
        });
    }

    fn play(&mut self, op: Op) {
        self.steps += 1;
        match op {
            Op::Commit(atoms) => self.commit(&atoms),
            Op::Read {
                partition,
                from,
                bytes_max,
            } => self.read(self.known.pick(partition), from, bytes_max),
            Op::Seek { partition, seek } => self.seek(self.known.pick(partition), seek),
            Op::Get(key) => self.get(&resolve::key(key)),
            Op::Scan {
                from,
                to,
                count_max,
            } => self.scan(from, to, usize::from(count_max)),
            Op::Watch(partition) => self.watch(self.known.pick(partition)),
            Op::Turn { ms } => self.clock.set(Timestamp(self.clock.now().0 + ms)),
            Op::Step(step) => self.subject.step(step),
            Op::Crash(crash) => self.crash(crash),
            Op::Trouble { trouble, others } => self.subject.trouble(trouble, u64::from(others)),
            Op::Space { left_kib } => self.leave_space(left_kib),
        }
        self.look();
    }

    fn shown(&self) -> &State {
        &self.states[0]
    }

    fn sequenced(&self) -> &State {
        self.states.back().expect("never empty")
    }

    /// Notes that everything up to `position` is durable and must survive from now on.
    fn proved(&mut self, position: Position) {
        while self.states[0].position < position {
            self.states.pop_front();
            assert!(!self.states.is_empty(), "{position} was never given out");
        }
    }

    fn commit(&mut self, wants: &[Vec<Want>]) {
        if self.changes_while_full.is_some() {
            wants.iter().for_each(|atom| self.commit_to_full_disk(atom));
            return;
        }
        let mut atoms = Vec::new();
        let mut expected = Vec::new();
        for wants in wants {
            let decided = self.decide(wants);
            atoms.push(decided.atom);
            expected.push(decided.decision);
            self.states.extend(decided.after);
        }
        let answer = self.subject.engine().commit(atoms);
        let position = self.sequenced().position;
        self.pending.push(Pending {
            answer,
            expected,
            position,
        });
    }

    /// Records may be refused for want of space, and nothing else for as long as there is some
    /// in reserve.
    fn commit_to_full_disk(&mut self, wants: &[Want]) {
        let decided = self.decide(wants);
        let appends = decided
            .atom
            .iter()
            .any(|intent| matches!(intent, Intent::Append(_)));
        let mut answer = self.subject.engine().commit(vec![decided.atom]);
        self.subject.step(Step::Settle);
        let changes = self
            .changes_while_full
            .as_mut()
            .expect("the disk may be full");
        *changes += 1;
        let may_refuse = appends || *changes > CHANGES_WHILE_FULL;
        let answer = match answer.try_recv() {
            Ok(Err(EngineError::Failed(_))) => {
                // It may have been written all the same.
                self.states.extend(decided.after);
                return;
            }
            answer => answer.expect("settled").expect("the engine lives"),
        };
        if answer == [Err(Refusal::Full)] && may_refuse {
            return;
        }
        assert_eq!(answer, [decided.decision], "on a full disk");
        self.states.extend(decided.after);
    }

    /// Decides an atom in the model; each wish is made in the state that those before it leave.
    fn decide(&mut self, wants: &[Want]) -> Decided {
        let now = self.clock.now();
        let mut draft = self.sequenced().clone();
        draft.position.0 += 1;
        let mut has_effect = false;
        let mut decision = Ok(Vec::new());
        let mut atom = Vec::new();
        for want in wants {
            self.steps += 1;
            let intent = resolve::intent(want, &draft, &mut self.known, now);
            let taken = draft.take(&intent, now, draft.position);
            atom.push(intent);
            match (taken, &mut decision) {
                (Ok(taken), Ok(outcomes)) => {
                    outcomes.push(taken.outcome);
                    has_effect |= taken.has_effect;
                }
                (Err(refusal), Ok(_)) => decision = Err(refusal),
                (_, Err(_)) => {}
            }
        }
        let after = (has_effect && decision.is_ok()).then_some(draft);
        Decided {
            atom,
            decision,
            after,
        }
    }

    fn leave_space(&mut self, left_kib: Option<u8>) {
        let left = left_kib.map(|kib| u64::from(kib) << 10);
        // What is under way is decided before, so that the model need not guess about it.
        self.subject.step(Step::Settle);
        let is_limited = self.subject.leave_space(left) && left.is_some();
        self.changes_while_full = is_limited.then_some(0);
    }

    fn read(&mut self, partition: PartitionId, from: u16, bytes_max: u16) {
        let part = self.shown().partitions.get(&partition);
        let bound = part.map_or(1, |part| part.next + 2);
        let read = Read {
            partition,
            from: Offset(u64::from(from) % bound),
            bytes_max: usize::from(bytes_max),
        };
        let answer = self.runtime.block_on(self.subject.engine().read(read));
        if matches!(answer, Err(ReadError::Disk(_))) && self.has_read_trouble() {
            return;
        }
        check_read(read, answer, part);
    }

    fn seek(&mut self, partition: PartitionId, want: SeekWant) {
        let seek = resolve::seek(want, self.shown(), partition);
        let answer = self.subject.engine().seek(partition, seek);
        let found = self.runtime.block_on(answer);
        if matches!(found, Err(ReadError::Disk(_))) && self.has_read_trouble() {
            return;
        }
        let part = self.shown().partitions.get(&partition);
        let unknown = ReadError::UnknownPartition(partition);
        let expected = part.ok_or(unknown).map(|part| part.seek(seek));
        assert_eq!(found, expected, "{seek:?} in {partition}");
    }

    fn has_read_trouble(&self) -> bool {
        matches!(self.subject.troubled(), Some(Trouble::Read | Trouble::Down))
    }

    fn get(&mut self, key: &Key) {
        let observed = self.subject.engine().get(key);
        let expected = entry(self.sequenced().values.get(key));
        assert_eq!(observed.value, expected, "{key:?}");
        self.check_position(&observed, |state| entry(state.values.get(key)));
    }

    fn scan(&mut self, from: u8, to: u8, count_max: usize) {
        let range = resolve::key(from)..resolve::key(to);
        let observed = self.subject.engine().scan(range.clone(), count_max);
        let all = |state: &State| -> Vec<(Key, Entry)> {
            if range.is_empty() {
                return Vec::new();
            }
            let found = state.values.range(range.clone()).take(count_max);
            found
                .map(|(key, value)| (key.clone(), entry(Some(value)).expect("some")))
                .collect()
        };
        assert_eq!(observed.value, all(self.sequenced()), "{range:?}");
        self.check_position(&observed, all);
    }

    /// An observation's position must not be durable before what was observed is.
    fn check_position<T: PartialEq>(&mut self, observed: &Observed<T>, told: impl Fn(&State) -> T) {
        let same = |state: &&State| told(state) == observed.value;
        let since = self.states.iter().rev().take_while(same).last();
        let since = since.expect("the newest state tells it").position;
        if since == self.states[0].position {
            return;
        }
        assert!(observed.position >= since, "observed too early a position");
        let mut durable = self.subject.engine().durable(observed.position);
        if let Some(answer) = (&mut durable).now_or_never() {
            answer.expect("the engine lives");
            self.proved(observed.position);
        }
    }

    fn watch(&mut self, partition: PartitionId) {
        let mut watch = self.subject.engine().watch();
        watch.set(0, Some(partition));
        self.watched = Some(Watched {
            partition,
            shown: self.shown().partitions.get(&partition).cloned(),
            watch,
        });
    }

    /// Takes the answers that have come, and judges what readers are shown meanwhile.
    fn look(&mut self) {
        for mut pending in std::mem::take(&mut self.pending) {
            match pending.answer.try_recv() {
                Ok(Err(EngineError::Failed(_))) => assert!(self.subject.troubled().is_some()),
                Ok(answer) => {
                    assert_eq!(answer, Ok(pending.expected));
                    self.proved(pending.position);
                }
                Err(TryRecvError::Empty) => self.pending.push(pending),
                Err(TryRecvError::Closed) => panic!("a commit was dropped without an answer"),
            }
        }
        self.look_at_partitions();
        self.check_watch();
        let failed = self.subject.engine().failed();
        let troubled = self.subject.troubled();
        if failed.now_or_never().is_some() {
            assert!(troubled.is_some(), "failed for no reason");
            self.check_failed();
        } else {
            let must_fail = matches!(troubled, Some(Trouble::Write | Trouble::Sync));
            assert!(!must_fail, "goes on after {troubled:?} has failed");
        }
    }

    /// A failed engine has told everybody, does nothing more, and is left for the disk's truth.
    fn check_failed(&mut self) {
        assert!(self.pending.is_empty(), "failed, yet commits wait");
        let changes = self.subject.disk_changes();
        let partition = self.known.pick(0);
        let atom = vec![Intent::Trim {
            partition,
            to: Offset(0),
        }];
        let mut answer = self.subject.engine().commit(vec![atom]);
        self.subject.step(Step::Settle);
        let answer = answer.try_recv();
        assert!(
            matches!(answer, Ok(Err(EngineError::Failed(_)))),
            "{answer:?}"
        );
        assert_eq!(
            self.subject.disk_changes(),
            changes,
            "a failed engine goes on writing"
        );
        self.reopen(Crash {
            power: if self.steps.is_multiple_of(2) {
                Power::Fails
            } else {
                Power::Stays
            },
            seed: self.steps,
            again_after: None,
        });
    }

    /// The newest state that the engine calls durable; it must survive from now on.
    fn prove(&mut self) {
        let engine = self.subject.engine();
        let is_durable = |state: &&State| {
            let answer = engine.durable(state.position).now_or_never();
            matches!(answer, Some(Ok(())))
        };
        let durable = self.states.iter().take_while(is_durable).last();
        let durable = durable.expect("what was durable remains so").position;
        self.proved(durable);
    }

    /// Readers are shown what is durable, neither more nor less.
    fn look_at_partitions(&mut self) {
        self.prove();
        for partition in &self.known.0 {
            let status = self.subject.engine().status(*partition);
            let part = self.shown().partitions.get(partition);
            let expected = part.map(Part::status);
            assert!(
                is_status(status, expected),
                "partition {partition}: {status:?}, not {expected:?}"
            );
        }
    }

    /// Whatever changes for readers wakes who watches.
    fn check_watch(&mut self) {
        let Some(watched) = &mut self.watched else {
            return;
        };
        let shown = self.states[0].partitions.get(&watched.partition);
        let was = watched.shown.as_ref().map(Part::status);
        if shown.map(Part::status) == was {
            return;
        }
        let is_woken = watched.watch.wait(0).now_or_never().is_some();
        assert_eq!(is_woken, watched.watch.grown() == [0]);
        // A partition's beginning is nothing that anybody could wait for.
        assert!(
            is_woken || was.is_none(),
            "{} changed unnoticed",
            watched.partition
        );
        watched.shown = shown.cloned();
    }

    fn crash(&mut self, crash: Crash) {
        self.look();
        self.reopen(crash);
        self.look();
    }

    fn reopen(&mut self, crash: Crash) {
        self.subject.crash(crash);
        self.pending.clear();
        self.watched = None;
        let dump = Dump::of(self.subject.engine(), &self.known.0, &self.runtime);
        self.prove();
        assert_eq!(dump.difference(self.shown()), None, "after {crash:?}");
        self.states.truncate(1);
        self.retry_everything();
    }

    fn compare_all(&mut self) {
        let dump = Dump::of(self.subject.engine(), &self.known.0, &self.runtime);
        assert_eq!(dump.difference(self.shown()), None);
    }

    /// Every producer sends again whatever it may, and learns where it was placed.
    fn retry_everything(&mut self) {
        let mut wants = Vec::new();
        for (chosen, partition) in (0_u8..).zip(&self.known.0) {
            let Some(part) = self.shown().partitions.get(partition) else {
                continue;
            };
            let now = self.clock.now().0.max(part.last_arrival);
            for writer in 0..3 {
                let known = part.writer(100 + i64::from(writer), now);
                let backs = 0..known.map_or(0, |writer| writer.sent.len());
                let again = backs.map(|back| Sequence::Again(u8::try_from(back).expect("five")));
                let stale = known.map(|_| Sequence::StaleEpoch);
                wants.extend(again.chain(stale).map(|sequence| {
                    vec![Want::Append(super::ops::AppendWant {
                        partition: chosen,
                        named: None,
                        writer: Some((writer, sequence)),
                        span: 1,
                        bytes: 1,
                        seed: 1,
                        times: crate::store::engine::AppendTimes::Kept,
                    })]
                }));
            }
        }
        let before = self.sequenced().position;
        self.commit(&wants);
        assert_eq!(self.sequenced().position, before, "a retry changes nothing");
    }
}
