//! An engine whose answers come late and out of order: callers must not lean on less.
//!
//! Commits keep their sequence, but nothing is shown before a step makes it durable, and the
//! answers of what is durable arrive in any order.

use super::bytes::Noise;
use super::ops::{Crash, Power, Step};
use super::subject::Subject;
use crate::clock::Clock;
use crate::store::engine::sequencer::{Effect, Sequencer};
use crate::store::engine::shown::Shown;
use crate::store::engine::watchers::{Growth, Watchers};
use crate::store::engine::{
    Answer, Atom, BatchInfo, Decision, Engine, EngineError, Observed, Read, ReadError, Run,
};
use crate::store::engine::{Seek, Status, Watch};
use crate::store::state::{Entry, Key};
use crate::store::{PartitionId, Position};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::ops::Range;
use tokio::sync::{oneshot, watch};

pub struct Delaying {
    clock: Clock,
    watchers: Watchers,
    durable: watch::Sender<Position>,
    state: Mutex<Delayed>,
}

struct Delayed {
    sequencer: Sequencer,
    shown: Shown,
    /// Sequenced and not durable.
    queue: VecDeque<Committed>,
    /// Answers that were not given yet.
    waiting: Vec<Waiting>,
    /// All that is durable, to be replayed after a crash.
    log: Vec<Committed>,
    noise: Noise,
    stopping: bool,
}

#[derive(Clone)]
struct Committed {
    position: Position,
    effects: Vec<Effect>,
}

struct Waiting {
    position: Position,
    sender: oneshot::Sender<Result<Vec<Decision>, EngineError>>,
    decisions: Vec<Decision>,
}

impl Delaying {
    pub fn new(clock: Clock, seed: u64) -> Delaying {
        let state = Delayed {
            sequencer: Sequencer::default(),
            shown: Shown::default(),
            queue: VecDeque::new(),
            waiting: Vec::new(),
            log: Vec::new(),
            noise: Noise::new(seed),
            stopping: false,
        };
        Delaying {
            clock,
            watchers: Watchers::default(),
            durable: watch::Sender::new(Position::default()),
            state: Mutex::new(state),
        }
    }

    /// Makes some of what is queued durable, and shows it.
    pub fn make_durable(&self) {
        let mut state = self.state.lock();
        let bound = state.queue.len() + 1;
        let count = state.noise.below(bound);
        let (position, touched) = state.make_durable(count);
        drop(state);
        self.tell(position, touched);
    }

    /// Gives some of the answers that are due, in any order.
    pub fn answer(&self) {
        let mut state = self.state.lock();
        let durable = *self.durable.borrow();
        for _ in 0..state.waiting.len() {
            let bound = state.waiting.len();
            let at = state.noise.below(bound);
            if state.waiting[at].position <= durable {
                state.waiting.swap_remove(at).answer();
            }
        }
    }

    /// Makes all durable and gives all answers.
    pub fn settle(&self) {
        let mut state = self.state.lock();
        let count = state.queue.len();
        let (position, touched) = state.make_durable(count);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.tell(position, touched);
        waiting.into_iter().rev().for_each(Waiting::answer);
    }

    fn tell(&self, position: Option<Position>, touched: Vec<Growth>) {
        self.watchers.wake(touched);
        if let Some(position) = position {
            self.durable.send_replace(position);
        }
    }
}

impl Delayed {
    fn make_durable(&mut self, count: usize) -> (Option<Position>, Vec<Growth>) {
        let committed: Vec<Committed> = self.queue.drain(..count).collect();
        let effects = committed.iter().flat_map(|commit| commit.effects.clone());
        let touched = effects
            .filter_map(|effect| self.shown.show(effect))
            .collect();
        let position = committed.last().map(|commit| commit.position);
        self.log.extend(committed);
        (position, touched)
    }
}

impl Waiting {
    fn answer(self) {
        // The asker may have gone away; that is its own affair.
        let _ = self.sender.send(Ok(self.decisions));
    }
}

impl Engine for Delaying {
    fn commit(&self, atoms: Vec<Atom>) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if state.stopping {
            let _ = sender.send(Err(EngineError::Stopping));
            return receiver;
        }
        let now = self.clock.now();
        let mut decisions = Vec::with_capacity(atoms.len());
        let mut newest = Position::default();
        for atom in atoms {
            let sequenced = state.sequencer.decide(atom, now);
            newest = newest.max(sequenced.position);
            decisions.push(sequenced.decision);
            if !sequenced.effects.is_empty() {
                state.queue.push_back(Committed {
                    position: sequenced.position,
                    effects: sequenced.effects,
                });
            }
        }
        state.waiting.push(Waiting {
            position: newest,
            sender,
            decisions,
        });
        receiver
    }

    fn admit(&self, _bytes: usize) -> BoxFuture<'_, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn get(&self, key: &Key) -> Observed<Option<Entry>> {
        self.state.lock().sequencer.get(key)
    }

    fn scan(&self, range: Range<Key>, count_max: usize) -> Observed<Vec<(Key, Entry)>> {
        self.state.lock().sequencer.scan(range, count_max)
    }

    fn streams_changed(&self) -> Position {
        self.state.lock().sequencer.streams_changed()
    }

    fn status(&self, partition: PartitionId) -> Option<Status> {
        self.state.lock().shown.status(partition)
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Vec<Run>, ReadError>> {
        ready(self.state.lock().shown.read(read)).boxed()
    }

    fn seek(
        &self,
        partition: PartitionId,
        seek: Seek,
    ) -> BoxFuture<'static, Result<Option<BatchInfo>, ReadError>> {
        ready(self.state.lock().shown.seek(partition, seek)).boxed()
    }

    fn watch(&self) -> Watch {
        self.watchers.watch()
    }

    fn durable(&self, position: Position) -> BoxFuture<'static, Result<(), EngineError>> {
        let mut durable = self.durable.subscribe();
        let wait = async move {
            let found = durable.wait_for(|durable| *durable >= position).await;
            found.map(drop).map_err(|_| EngineError::Stopping)
        };
        wait.boxed()
    }

    fn failed(&self) -> BoxFuture<'static, EngineError> {
        pending().boxed()
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        self.state.lock().stopping = true;
        self.settle();
        ready(()).boxed()
    }
}

impl Subject for Delaying {
    fn engine(&self) -> &dyn Engine {
        self
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Sync | Step::Fold | Step::Checkpoint => self.make_durable(),
            Step::Write | Step::Recycle | Step::Idle => self.answer(),
            Step::Settle | Step::Tidy => self.settle(),
        }
    }

    fn crash(&mut self, crash: Crash) {
        let mut state = self.state.lock();
        let count = match crash.power {
            Power::Stays => state.queue.len(),
            Power::Fails => Noise::new(crash.seed).below(state.queue.len() + 1),
        };
        state.make_durable(count);
        let mut sequencer = Sequencer::default();
        let mut shown = Shown::default();
        for commit in &state.log {
            for effect in &commit.effects {
                sequencer.apply(commit.position, effect);
                shown.show(effect.clone());
            }
        }
        self.durable.send_replace(sequencer.last());
        state.queue.clear();
        state.waiting.clear();
        state.sequencer = sequencer;
        state.shown = shown;
    }
}
