//! The local engine on a disk that forgets, with the suite's hand on its steps.

use super::faulty::Faulty;
use super::ops::{Crash, Power, Step, Trouble};
use super::subject::Subject;
use crate::clock::Clock;
use crate::config::{Durability, StoreConfig};
use crate::store::engine::{Engine, Local, LocalSettings, OpenError, Pace};
use std::sync::Arc;

/// Rounds after which a settling engine has gone round in circles.
const ROUNDS_MAX: usize = 10_000;

/// Whether the disk may fill up: not before a full one can be opened again.
const FULL_DISKS: bool = true;

pub struct OnDisk {
    pub disk: Faulty,
    clock: Clock,
    settings: LocalSettings,
    local: Option<Local>,
}

impl OnDisk {
    pub fn new(clock: Clock, durability: Durability) -> OnDisk {
        OnDisk::with(
            clock,
            LocalSettings {
                durability,
                ..settings()
            },
        )
    }

    /// Whose full segments are kept as they are, unless less than half of one is of use.
    pub fn adopting(clock: Clock) -> OnDisk {
        OnDisk::with(
            clock,
            LocalSettings {
                adopt_run_bytes_min: 0,
                ..settings()
            },
        )
    }

    fn with(clock: Clock, settings: LocalSettings) -> OnDisk {
        let disk = Faulty::default();
        let local = open(&disk, &clock, &settings).expect("an empty disk opens");
        OnDisk {
            disk,
            clock,
            settings,
            local: Some(local),
        }
    }

    /// Under `durability=os` a power failure may cost what was acknowledged, so there is none.
    fn survived(&self, power: Power) -> Power {
        match self.settings.durability {
            Durability::Disk => power,
            Durability::Os => Power::Stays,
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
        // Long and short runs both come up.
        adopt_run_bytes_min: 4 << 10,
        ..LocalSettings::from(&StoreConfig::default())
    }
}

pub fn open(disk: &Faulty, clock: &Clock, settings: &LocalSettings) -> Result<Local, OpenError> {
    let disk = Arc::new(disk.clone());
    Local::open(disk, clock.clone(), settings.clone(), Pace::Manual)
}

fn settle(local: &Local) {
    let is_settled = (0..ROUNDS_MAX).any(|_| {
        let written = local.write_queued();
        let synced = local.sync_written();
        !written && !synced
    });
    assert!(is_settled, "the log goes round in circles");
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
            Step::Settle => settle(local),
            Step::Tidy => {
                settle(local);
                let is_tidy = (0..ROUNDS_MAX).any(|_| !local.fold_one());
                assert!(is_tidy, "folding goes round in circles");
                local.checkpoint();
                local.prepare();
            }
        }
    }

    fn crash(&mut self, crash: Crash) {
        self.local = None;
        let power = self.survived(crash.power);
        self.disk.crash(power, crash.seed);
        if let Some(changes) = crash.again_after {
            self.disk.light_fuse(u64::from(changes));
            // Whether the machine went down before this one was open is all the same.
            drop(open(&self.disk, &self.clock, &self.settings));
            self.disk.crash(power, crash.seed.wrapping_add(1));
        }
        let opened = open(&self.disk, &self.clock, &self.settings);
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
