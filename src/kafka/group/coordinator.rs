//! Runs the groups: feeds each one requests and time, parks and answers, stores.
//!
//! One lock over all groups, held for one event and never across an await; one task that sleeps
//! until the earliest deadline of all. A group without members is only its stored record, once
//! that is written.

use super::join::{Join, Joined};
use super::leave::Leaver;
use super::member::protocols_bytes;
use super::parked::{Parked, Waiter};
use super::slot::{Slot, WriteNumber, Writing};
use super::state::{Described, Effect, Group, Limits, Moment, Refusal, Ticket, Who};
use super::sync::{Sync, Synced};
use super::timers::Timers;
use crate::clock::Clock;
use crate::store::{self, Name, Store, StoreError, View};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Groups with members, or with members to come, at a time.
const GROUPS_MAX: usize = 100_000;
/// Bytes that the members of all groups may say of themselves, and be given, together.
const HELD_BYTES_MAX: usize = 128 << 20;

/// All groups that have members, and the way to the stored rest.
pub struct Groups {
    store: Arc<Store>,
    clock: Clock,
    runtime: Handle,
    started: Instant,
    limits: Limits,
    live: Mutex<Live>,
    /// Rung when a deadline comes before the one that is slept for, and at the end.
    alarm: Arc<Notify>,
    myself: Weak<Groups>,
}

#[derive(Default)]
struct Live {
    slots: HashMap<Name, Slot>,
    timers: Timers,
    tickets: u64,
    /// Number of the newest write of all groups.
    writes: u64,
    /// Of all slots.
    held_bytes: usize,
}

impl Groups {
    /// Takes up the stored groups that have members, and begins to watch deadlines. Needs a
    /// runtime.
    pub fn start(store: Arc<Store>, clock: Clock, limits: Limits) -> Arc<Groups> {
        let groups = Arc::new_cyclic(|myself| Groups {
            runtime: Handle::current(),
            started: clock.instant(),
            store,
            clock,
            limits,
            live: Mutex::default(),
            alarm: Arc::default(),
            myself: myself.clone(),
        });
        groups.take_up_stored();
        groups
            .runtime
            .spawn(watch(groups.myself.clone(), groups.alarm.clone()));
        groups
    }

    fn take_up_stored(&self) {
        let view = self.store.view();
        let mut live = self.live.lock();
        for name in view.groups() {
            let Some(stored) = view.group(&name) else {
                continue;
            };
            let group = Group::decode(&stored.membership, self.limits, self.now());
            if group.has_members() {
                live.slots.insert(name.clone(), Slot::new(group));
                self.perform(&mut live, &name);
            }
        }
    }

    /// Joins; the answer comes when the rebalance is through. Dropping it takes the join back.
    pub fn join(&self, view: &View, name: &Name, join: Join) -> Parked<Joined> {
        let mut live = self.live.lock();
        let (ticket, answer, parked) = self.park(&mut live, name);
        let is_live = live.slots.contains_key(name);
        let stored = view.group(name);
        if !is_live && stored.is_none() && !join.member.is_empty() {
            // The asker holds the other end and cannot be gone.
            let _ = answer.send(Err(Refusal::UnknownMember));
            return parked;
        }
        let has_room = live.has_room_for(protocols_bytes(&join.protocols));
        if !has_room || (!is_live && live.slots.len() >= GROUPS_MAX) {
            let _ = answer.send(Err(Refusal::Unavailable));
            return parked;
        }
        let membership = stored.map_or_else(Bytes::new, |stored| stored.membership.clone());
        let now = self.now();
        let fresh = || Slot::new(Group::decode(&membership, self.limits, now));
        let slot = live.slots.entry(name.clone()).or_insert_with(fresh);
        slot.parked.insert(ticket, Waiter::Join(answer));
        slot.group.join(ticket, join, now);
        self.perform(&mut live, name);
        parked
    }

    /// Asks for the assignment; the answer comes when it is stored.
    pub fn sync(&self, name: &Name, sync: Sync) -> Parked<Synced> {
        let mut live = self.live.lock();
        let (ticket, answer, parked) = self.park(&mut live, name);
        let has_room = live.has_room_for(sync.assignments.values().map(Bytes::len).sum());
        let Some(slot) = live.slots.get_mut(name) else {
            let _ = answer.send(Err(Refusal::UnknownMember));
            return parked;
        };
        if !has_room {
            let _ = answer.send(Err(Refusal::Unavailable));
            return parked;
        }
        slot.parked.insert(ticket, Waiter::Sync(answer));
        slot.group.sync(ticket, sync, self.now());
        self.perform(&mut live, name);
        parked
    }

    pub fn heartbeat(&self, name: &str, who: Who<'_>) -> Result<(), Refusal> {
        let mut live = self.live.lock();
        let slot = live.slots.get_mut(name).ok_or(Refusal::UnknownMember)?;
        slot.group.heartbeat(who, self.now())
    }

    /// Members leave, each with its own answer.
    pub fn leave(&self, name: &Name, leavers: &[Leaver]) -> Vec<Result<(), Refusal>> {
        let mut live = self.live.lock();
        let Some(slot) = live.slots.get_mut(name) else {
            return vec![Err(Refusal::UnknownMember); leavers.len()];
        };
        let now = self.now();
        let left = leavers.iter().map(|leaver| slot.group.leave(leaver, now));
        let left = left.collect();
        self.perform(&mut live, name);
        left
    }

    /// Runs `commit` while the group can neither change nor be deleted, if `who` may commit. A
    /// group that does not exist is made for a committer that is no member.
    pub fn commit<T>(
        &self,
        view: &View,
        name: &Name,
        who: Who<'_>,
        commit: impl FnOnce() -> T,
    ) -> Result<T, Refusal> {
        let mut live = self.live.lock();
        let now = self.now();
        let stored = view.group(name);
        if let Some(slot) = live.slots.get_mut(name)
            && slot.is_ahead_of_its_record()
        {
            slot.group.allow_commit(who, now)?;
            return Ok(commit());
        }
        match stored {
            Some(stored) => {
                Group::decode(&stored.membership, self.limits, now).allow_commit(who, now)?;
            }
            None if who.generation >= 0 => return Err(Refusal::UnknownGroup),
            None => self.put_commits_only(view, name),
        }
        Ok(commit())
    }

    fn put_commits_only(&self, view: &View, name: &Name) {
        let group = store::Group {
            empty_since: Some(self.clock.now()),
            membership: Bytes::new(),
        };
        // The commit that follows takes the next place, so its outcome tells of this one, too.
        drop(view.put_group(name, group));
    }

    /// A group as it is now; `None` if there is none.
    pub fn describe(&self, view: &View, name: &str) -> Option<Described> {
        let live = self.live.lock();
        let stored = view.group(name);
        if let Some(slot) = live.slots.get(name) {
            return Some(slot.group.describe());
        }
        Some(Group::decode(&stored?.membership, self.limits, self.now()).describe())
    }

    /// All groups, by name.
    pub fn list(&self, view: &View) -> BTreeMap<Name, Described> {
        let mut names: Vec<Name> = view.groups().collect();
        names.extend(self.live.lock().slots.keys().cloned());
        let described = |name: Name| Some((name.clone(), self.describe(view, &name)?));
        names.into_iter().filter_map(described).collect()
    }

    /// Removes a group without members, and its commits; the future tells when that is durable.
    pub fn delete(
        &self,
        view: &View,
        name: &Name,
    ) -> Result<impl Future<Output = Result<(), StoreError>> + use<>, Refusal> {
        let mut live = self.live.lock();
        let has_members = |slot: &Slot| slot.group.has_members();
        if live.slots.get(name).is_some_and(has_members) {
            return Err(Refusal::NonEmptyGroup);
        }
        if view.group(name).is_none() {
            return Err(Refusal::UnknownGroup);
        }
        // Without members it holds nothing that was counted.
        live.slots.remove(name);
        Ok(view.delete_group(name))
    }

    /// Nobody waits for this answer any more.
    pub(super) fn cancel(&self, name: &Name, ticket: Ticket) {
        let mut live = self.live.lock();
        let Some(slot) = live.slots.get_mut(name) else {
            return;
        };
        if slot.parked.remove(&ticket).is_some() {
            slot.group.cancel(ticket, self.now());
            self.perform(&mut live, name);
        }
    }

    fn stored(&self, name: &Name, number: WriteNumber, outcome: Result<(), StoreError>) {
        let mut live = self.live.lock();
        let Some(slot) = live.slots.get_mut(name) else {
            return;
        };
        if let Err(error) = &outcome
            && !slot.is_failing
        {
            tracing::error!(group = %name, %error, "the group could not be stored");
        }
        let outcome = outcome.map_err(|_| Refusal::Unavailable);
        slot.stored(number, outcome, self.now());
        self.perform(&mut live, name);
    }

    fn park<T>(&self, live: &mut Live, name: &Name) -> (Ticket, Sender<T>, Parked<T>) {
        live.tickets += 1;
        let ticket = Ticket(live.tickets);
        let (answer, receiver) = oneshot::channel();
        let parked = Parked::new(receiver, self.myself.clone(), name.clone(), ticket);
        (ticket, answer, parked)
    }

    /// Does what an event brought about, and sees to the group's next deadline.
    fn perform(&self, live: &mut Live, name: &Name) {
        let Some(slot) = live.slots.get_mut(name) else {
            return;
        };
        for effect in slot.group.take_effects() {
            match effect {
                Effect::Joined(ticket, answer) => slot.answer_join(ticket, answer),
                Effect::Synced(ticket, answer) => slot.answer_sync(ticket, answer),
                Effect::Store => {
                    live.writes += 1;
                    let number = WriteNumber(live.writes);
                    slot.writing = Writing::Underway(number);
                    self.keep(name, &slot.group, number);
                }
            }
        }
        let held_bytes = slot.group.held_bytes();
        let before = std::mem::replace(&mut slot.held_bytes, held_bytes);
        live.held_bytes = live.held_bytes - before + held_bytes;
        if slot.is_idle() {
            live.slots.remove(name);
            return;
        }
        let Some(deadline) = slot.deadline() else {
            return;
        };
        if slot.armed.is_none_or(|armed| deadline < armed) {
            slot.armed = Some(deadline);
            if live.timers.add(deadline, name.clone()) {
                self.alarm.notify_one();
            }
            let Live { slots, timers, .. } = live;
            let counts = |at, name: &Name| slots.get(name).is_some_and(|s| s.armed == Some(at));
            timers.tidy(slots.len(), counts);
        }
    }

    /// Stores the group; its place in the log is taken when this returns.
    fn keep(&self, name: &Name, group: &Group, number: WriteNumber) {
        let stored = store::Group {
            empty_since: (!group.has_members()).then(|| self.clock.now()),
            membership: group.encode(),
        };
        let written = self.store.view().put_group(name, stored);
        let (myself, name) = (self.myself.clone(), name.clone());
        self.runtime.spawn(async move {
            let outcome = written.await;
            if let Some(groups) = myself.upgrade() {
                groups.stored(&name, number, outcome);
            }
        });
    }

    /// Lets every group whose deadline has come go on; tells how long nothing else is due.
    fn tick(&self) -> Option<Duration> {
        let mut live = self.live.lock();
        let now = self.now();
        while let Some((at, name)) = live.timers.take_due(now) {
            let Some(slot) = live.slots.get_mut(&name) else {
                continue;
            };
            if slot.armed == Some(at) {
                slot.armed = None;
                slot.tick(now);
                self.perform(&mut live, &name);
            }
        }
        let next = live.timers.next()?;
        Some(Duration::from_millis(next.0.saturating_sub(now.0)))
    }

    fn now(&self) -> Moment {
        let since = self.clock.instant().duration_since(self.started);
        Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.alarm.notify_one();
    }
}

/// Sleeps until the earliest deadline, for as long as the groups exist.
async fn watch(groups: Weak<Groups>, alarm: Arc<Notify>) {
    loop {
        let Some(alive) = groups.upgrade() else {
            return;
        };
        let wait = alive.tick();
        drop(alive);
        match wait {
            None => alarm.notified().await,
            Some(wait) => {
                // Rung or over: both mean to look again.
                let _ = tokio::time::timeout(wait, alarm.notified()).await;
            }
        }
    }
}

impl Live {
    fn has_room_for(&self, bytes: usize) -> bool {
        self.held_bytes + bytes <= HELD_BYTES_MAX
    }
}

type Sender<T> = oneshot::Sender<Result<T, Refusal>>;
