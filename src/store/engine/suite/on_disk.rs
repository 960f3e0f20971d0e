//! The local engine on a disk that forgets, with the suite's hand on its steps.

use super::faulty::Faulty;
use super::ops::{Crash, Step, Trouble};
use super::subject::Subject;
use crate::clock::Clock;
use crate::config::StoreConfig;
use crate::store::engine::{Engine, Local, LocalSettings, OpenError, Pace};
use std::sync::Arc;

/// Rounds after which a settling engine has gone round in circles.
const ROUNDS_MAX: usize = 10_000;

/// Whether the disk may fill up: not before a full one can be opened again.
const FULL_DISKS: bool = false;

pub struct OnDisk {
    pub disk: Faulty,
    clock: Clock,
    local: Option<Local>,
}

impl OnDisk {
    pub fn new(clock: Clock) -> OnDisk {
        let disk = Faulty::default();
        let local = open(&disk, &clock).expect("an empty disk opens");
        OnDisk {
            disk,
            clock,
            local: Some(local),
        }
    }

    fn local(&self) -> &Local {
        self.local.as_ref().expect("open between crashes")
    }
}

/// Small segments and a small cache, so that a short life sees many of them.
pub fn settings() -> LocalSettings {
    LocalSettings {
        tail_cache_bytes: 48 << 10,
        first_segment_bytes: 32 << 10,
        log_segment_bytes: 64 << 10,
        group_bytes_max: 40 << 10,
        ..LocalSettings::from(&StoreConfig::default())
    }
}

pub fn open(disk: &Faulty, clock: &Clock) -> Result<Local, OpenError> {
    let disk = Arc::new(disk.clone());
    Local::open(disk, clock.clone(), settings(), Pace::Manual)
}

impl Subject for OnDisk {
    fn engine(&self) -> &dyn Engine {
        self.local()
    }

    fn step(&mut self, step: Step) {
        let local = self.local();
        match step {
            Step::Write => drop(local.write_queued()),
            Step::Sync => drop(local.sync_written()),
            Step::Fold => drop(local.fold_one()),
            Step::Checkpoint => drop(local.checkpoint()),
            Step::Recycle => {
                local.release();
                local.prepare();
            }
            Step::Idle => drop(local.record_idle()),
            Step::Settle => {
                let settled = (0..ROUNDS_MAX).any(|_| {
                    let written = local.write_queued();
                    let synced = local.sync_written();
                    !written && !synced
                });
                assert!(settled, "the engine goes round in circles");
            }
        }
    }

    fn crash(&mut self, crash: Crash) {
        self.local = None;
        self.disk.crash(crash.power, crash.seed);
        if let Some(changes) = crash.again_after {
            self.disk.light_fuse(u64::from(changes));
            // Whether the machine went down before this one was open is all the same.
            drop(open(&self.disk, &self.clock));
            self.disk.crash(crash.power, crash.seed.wrapping_add(1));
        }
        let opened = open(&self.disk, &self.clock);
        self.local = Some(opened.unwrap_or_else(|error| panic!("after {crash:?}: {error}")));
    }

    fn trouble(&mut self, trouble: Trouble, others: u64) {
        self.disk.trouble(trouble, others);
    }

    fn calm(&mut self) {
        self.disk.calm();
    }

    fn troubled(&self) -> Option<Trouble> {
        self.disk.troubled()
    }

    fn leave_space(&mut self, left: Option<u64>) -> bool {
        if !FULL_DISKS {
            return false;
        }
        self.disk.leave_space(left);
        true
    }

    fn disk_changes(&self) -> u64 {
        self.disk.changes()
    }
}
