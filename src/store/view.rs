//! The store as one request sees it: every read notes the position that the reply must wait for.

use super::Position;
use super::engine::{Answer, Atom, Decision, Engine, EngineError, Observed, Refusal};
use super::error::StoreError;
use super::known::KnownStreams;
use super::state::{Entry, Key};
use crate::clock::Clock;
use parking_lot::Mutex;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Values read at a time where all of them are looked at.
const PAGE_COUNT: usize = 1024;

/// The streams, their records and the groups that read them, over one engine.
pub struct Store {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) clock: Clock,
    /// Producer ids that are reserved in the log and not yet handed out.
    pub(super) producer_ids: Mutex<Range<u64>>,
    pub(super) known: KnownStreams,
}

impl Store {
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Arc<Store> {
        Arc::new(Store {
            engine,
            clock,
            producer_ids: Mutex::new(0..0),
            known: KnownStreams::default(),
        })
    }

    /// A fresh view for one request.
    pub fn view(self: &Arc<Store>) -> View {
        View {
            store: self.clone(),
            observed: Arc::default(),
        }
    }

    /// Resolves with the reason once nothing can be kept any more; the process should stop.
    pub fn failed(&self) -> impl Future<Output = EngineError> + use<> {
        self.engine.failed()
    }

    /// Refuses new work, makes what was accepted durable.
    pub async fn stop(&self) {
        self.engine.stop().await;
    }
}

/// The store, seen and changed by one request. Clones belong to the same request.
#[derive(Clone)]
pub struct View {
    pub(super) store: Arc<Store>,
    observed: Arc<AtomicU64>,
}

impl View {
    /// Waits until whatever this request has seen is durable; a reply leaves after that
    /// (design §8, invariant 8). Costs nothing when it already is.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let position = Position(self.observed.load(Ordering::Acquire));
        if position == Position::default() {
            return Ok(());
        }
        Ok(self.store.engine.durable(position).await?)
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        self.store.engine.as_ref()
    }

    pub(super) fn see<T>(&self, observed: Observed<T>) -> T {
        self.observed
            .fetch_max(observed.position.0, Ordering::AcqRel);
        observed.value
    }

    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.see(self.engine().get(key))
    }

    pub(super) fn scan(&self, range: Range<Key>, count_max: usize) -> Vec<(Key, Entry)> {
        self.see(self.engine().scan(range, count_max))
    }

    /// The same page by page, so that nobody waits for more than one: what changes meanwhile may be
    /// seen before or after.
    pub(super) fn each(&self, range: Range<Key>) -> impl Iterator<Item = (Key, Entry)> + use<> {
        let view = self.clone();
        let Range { start, end } = range;
        let mut next = Some(start);
        let pages = std::iter::from_fn(move || {
            let page = view.scan(next.take()?..end.clone(), PAGE_COUNT);
            if page.len() == PAGE_COUNT {
                next = page.last().map(|(key, _)| key.successor());
            }
            Some(page)
        });
        pages.flatten()
    }

    /// Commits one atom; its place is taken when this returns, the future is the rest.
    pub(super) fn commit(
        &self,
        atom: Atom,
    ) -> impl Future<Output = Result<Decision, StoreError>> + use<> {
        let answer = self.engine().commit(vec![atom]);
        async move {
            let decisions = answered(answer).await?;
            Ok(decisions.into_iter().next().unwrap_or(Err(Refusal::Full)))
        }
    }
}

/// The engine's answer; an engine that went away without one has failed.
pub(super) async fn answered(answer: Answer) -> Result<Vec<Decision>, StoreError> {
    match answer.await {
        Ok(decisions) => Ok(decisions?),
        Err(_) => Err(StoreError::Stopping),
    }
}
