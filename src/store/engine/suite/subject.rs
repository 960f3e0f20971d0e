//! An engine under test, with a hand on what its threads would otherwise do.

use super::ops::{Crash, Step, Trouble};
use crate::clock::Clock;
use crate::store::Timestamp;
use crate::store::engine::{Engine, Memory};

/// When every life begins.
pub const BEGINNING: Timestamp = Timestamp(1_700_000_000_000);

pub trait Subject {
    fn engine(&self) -> &dyn Engine;

    /// Does a piece of what is due, or nothing if the engine has no such step.
    fn step(&mut self, step: Step);

    /// Ends without warning and opens again with what survived.
    fn crash(&mut self, crash: Crash);

    /// Makes a disk operation fail, if there is a disk.
    fn trouble(&mut self, _trouble: Trouble, _others: u64) {}

    /// No disk operation is to fail any more.
    fn calm(&mut self) {}

    /// The disk operation that has failed in this life.
    fn troubled(&self) -> Option<Trouble> {
        None
    }

    /// Allows the disk so many bytes more, or any; false if there is no disk.
    fn leave_space(&mut self, _left: Option<u64>) -> bool {
        false
    }

    /// Changes made to the disk so far.
    fn disk_changes(&self) -> u64 {
        0
    }
}

/// The memory engine: everything is durable at once, and nothing ever ends it.
pub struct Immortal(Memory);

impl Immortal {
    pub fn new(clock: Clock) -> Immortal {
        Immortal(Memory::new(clock, u64::MAX))
    }
}

impl Subject for Immortal {
    fn engine(&self) -> &dyn Engine {
        &self.0
    }

    fn step(&mut self, _step: Step) {}

    fn crash(&mut self, _crash: Crash) {}
}
