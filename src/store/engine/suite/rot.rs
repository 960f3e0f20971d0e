//! Bytes that change by themselves: what is proved to have been durable is never lost in silence,
//! and no byte on disk makes opening panic (design §6, §8).

use super::bytes::Noise;
use super::faulty::Faulty;
use super::judge::Dump;
use super::model::State;
use super::on_disk::{OnDisk, open, settings};
use super::ops::{AppendWant, Crash, ExpectWant, Power, Sequence, Step, ValueWant, Want};
use super::resolve::{self, Known};
use super::subject::{BEGINNING, Subject};
use crate::clock::Clock;
use crate::config::Durability;
use crate::store::PartitionId;
use crate::store::engine::{AppendTimes, Engine, Local, OpenError, Read};
use tokio::runtime::{Builder, Runtime};

/// A disk with a life on it, and every state that the life went through.
struct Past {
    disk: Faulty,
    clock: Clock,
    known: Known,
    states: Vec<State>,
    runtime: Runtime,
}

impl Past {
    /// Some commits, each durable before the next one.
    fn new(seed: u64) -> Past {
        let clock = Clock::fixed(BEGINNING);
        let mut subject = OnDisk::new(clock.clone(), Durability::Disk);
        let mut noise = Noise::new(seed);
        let mut known = Known::default();
        let mut states = vec![State::default()];
        for _ in 0..40 {
            let mut state = states[states.len() - 1].clone();
            state.position.0 += 1;
            let mut has_effect = false;
            let wants = if states.len() < 3 {
                vec![Want::Open]
            } else {
                (0..=noise.below(3)).map(|_| want(&mut noise)).collect()
            };
            let take = |want: &Want| {
                let now = clock.now();
                let intent = resolve::intent(want, &state, &mut known, now);
                let position = state.position;
                let taken = state
                    .take(&intent, now, position)
                    .expect("nothing is refused");
                has_effect |= taken.has_effect;
                intent
            };
            let atom = wants.iter().map(take).collect();
            let mut answer = subject.engine().commit(vec![atom]);
            let step = match noise.below(4) {
                0 => Step::Checkpoint,
                1 => Step::Fold,
                _ => Step::Idle,
            };
            subject.step(Step::Settle);
            subject.step(step);
            answer.try_recv().expect("settled").expect("alive")[0]
                .as_ref()
                .expect("taken");
            if has_effect {
                states.push(state);
            }
        }
        let disk = subject.disk.clone();
        subject.crash(Crash {
            power: Power::Fails,
            seed,
            again_after: None,
        });
        subject.step(Step::Idle);
        subject.step(Step::Sync);
        drop(subject);
        Past {
            disk: disk.copy(),
            clock,
            known,
            states,
            runtime: Builder::new_current_thread().build().expect("a runtime"),
        }
    }

    /// How much of the past a disk still tells: the number of the state, or why it is refused.
    fn remembered(&self, disk: &Faulty) -> Result<usize, OpenError> {
        let local = open(disk, &self.clock, &settings())?;
        if let Some(refusal) = self.refusal(&local) {
            return Err(refusal);
        }
        let dump = Dump::of(&local, &self.known.0, &self.runtime);
        let legal = |state: &State| dump.difference(state).is_none();
        let found = self.states.iter().rposition(legal);
        let newest = &self.states[self.states.len() - 1];
        Ok(found.unwrap_or_else(|| panic!("never was: {:?}", dump.difference(newest))))
    }

    /// What was folded is not read before somebody asks for it, and may be refused only then.
    fn refusal(&self, local: &Local) -> Option<OpenError> {
        let all = |partition: &PartitionId| {
            let from = local.status(*partition)?.log_start;
            let read = local.read(Read {
                partition: *partition,
                from,
                bytes_max: usize::MAX,
            });
            self.runtime.block_on(read).err()
        };
        let error = self.known.0.iter().find_map(all)?;
        Some(OpenError::Damaged {
            file: "a folded segment".into(),
            at: 0,
            what: error.to_string(),
        })
    }

    fn newest(&self) -> usize {
        self.states.len() - 1
    }
}

fn want(noise: &mut Noise) -> Want {
    let seed = u16::try_from(noise.below(60_000)).expect("small");
    let number = u8::try_from(noise.below(200)).expect("small");
    if noise.below(4) == 0 {
        return Want::Put {
            key: number,
            value: ValueWant::Bytes {
                count: seed % 3_000,
                seed,
            },
            expect: ExpectWant::Anything,
        };
    }
    Want::Append(AppendWant {
        partition: number,
        named: None,
        writer: (number % 2 == 0).then_some((0, Sequence::Next)),
        span: 1 + number % 9,
        bytes: 1 + seed % 9_000,
        seed,
        times: AppendTimes::Appended,
    })
}

#[test]
fn a_flipped_bit_below_what_is_proved_durable_is_refused_or_does_no_harm() {
    let past = Past::new(1);
    let mut noise = Noise::new(2);
    let mut refused = 0;
    for (name, length) in past.disk.files() {
        let blocks = (0..length).step_by(4096);
        let heads = blocks.map(|block| block + noise.clone().below(64));
        let mut places: Vec<usize> = heads.collect();
        places.extend((0..120).map(|_| noise.below(length)));
        for at in places.into_iter().filter(|at| *at < length) {
            let disk = past.disk.copy();
            let bit = 1 << noise.below(8);
            disk.rot(&name, |bytes| bytes[at] ^= bit);
            match past.remembered(&disk) {
                Ok(remembered) => assert_eq!(remembered, past.newest(), "{name} at {at}"),
                Err(OpenError::Damaged { .. } | OpenError::Newer { .. }) => refused += 1,
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
    }
    assert!(refused > 50, "only {refused} refused");
}

#[test]
fn whatever_happens_to_the_files_opening_refuses_or_finds_a_state_that_was() {
    let mut noise = Noise::new(3);
    let mut outcomes = [0, 0, 0];
    for seed in 0..6 {
        let past = Past::new(seed);
        let files = past.disk.files();
        for _ in 0..100 {
            let disk = past.disk.copy();
            for _ in 0..=noise.below(3) {
                let (name, _) = &files[noise.below(files.len())];
                disk.rot(name, |bytes| maim(bytes, &mut noise));
            }
            match past.remembered(&disk) {
                Ok(state) if state == past.newest() => outcomes[0] += 1,
                Ok(_) => outcomes[1] += 1,
                Err(_) => outcomes[2] += 1,
            }
        }
    }
    assert!(outcomes[0] > 10 && outcomes[2] > 100, "{outcomes:?}");
}

/// Does something to a file that no write would.
fn maim(bytes: &mut Vec<u8>, noise: &mut Noise) {
    if bytes.is_empty() {
        return;
    }
    let at = noise.below(bytes.len());
    let end = bytes.len().min(at + 1 + noise.below(9_000));
    let block = at / 4096 * 4096;
    let block_end = bytes.len().min(block + 4096);
    match noise.below(7) {
        0 => bytes[at] ^= 1 << noise.below(8),
        1 => noise.fill(&mut bytes[at..end]),
        2 => bytes[at..end].fill(0),
        3 => bytes[block..block_end].fill(0),
        4 => bytes.truncate(at),
        5 => bytes.copy_within(block..block_end, 0),
        _ => {
            let to = noise.below(bytes.len() - (block_end - block) + 1) / 4096 * 4096;
            bytes.copy_within(block..block_end, to);
        }
    }
}
