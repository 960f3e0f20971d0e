//! The lives that every engine goes through.

use super::delaying::Delaying;
use super::on_disk::OnDisk;
use super::ops::{Crash, ExpectWant, Op, Power, ValueWant, Want, lives};
use super::play::Play;
use super::subject::{BEGINNING, Immortal, Subject};
use crate::clock::Clock;
use crate::config::Durability;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::io::Write;

/// Plays `cases` random lives, or as many as the environment asks for.
fn play(name: &str, cases: u32, make: impl Fn(Clock) -> Box<dyn Subject>) {
    let cases = number("BRAID_SUITE_CASES").unwrap_or(cases);
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("BRAID_SUITE_SEED").unwrap_or(1).to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let steps = Cell::new(0);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&lives(120), |ops| {
        let clock = Clock::fixed(BEGINNING);
        let mut subject = make(clock.clone());
        let mut play = Play::new(subject.as_mut(), clock);
        play.live(ops);
        steps.set(steps.get() + play.steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
    assert!(
        steps.get() > 20 * u64::from(cases),
        "hardly anything was done"
    );
    // Past the capture, so that nobody mistakes this for an empty test.
    let line = format!("{name}: {cases} lives, {} steps\n", steps.get());
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error");
}

fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_memory_engine_does_what_the_model_does() {
    play("memory", 300, |clock| Box::new(Immortal::new(clock)));
}

#[test]
fn an_engine_that_answers_late_and_out_of_order_does_what_the_model_does() {
    play("delaying", 300, |clock| Box::new(Delaying::new(clock, 7)));
}

#[test]
fn the_local_engine_on_a_forgetful_disk_does_what_the_model_does() {
    play("local", 300, |clock| {
        Box::new(OnDisk::new(clock, Durability::Disk))
    });
}

#[test]
fn the_local_engine_that_keeps_full_segments_as_they_are_does_what_the_model_does() {
    play("local, adopting", 200, |clock| {
        Box::new(OnDisk::adopting(clock))
    });
}

#[test]
fn a_server_that_starts_on_a_full_disk_takes_changes_of_state() {
    let clock = Clock::fixed(BEGINNING);
    let mut subject = OnDisk::new(clock.clone(), Durability::Disk);
    let put = Want::Put {
        key: 0,
        value: ValueWant::Nothing,
        expect: ExpectWant::Anything,
    };
    let crash = Crash {
        power: Power::Stays,
        seed: 1,
        again_after: None,
    };
    Play::new(&mut subject, clock).live(vec![
        Op::Space { left_kib: Some(1) },
        Op::Crash(crash),
        Op::Commit(vec![vec![put]]),
    ]);
}

#[test]
fn the_local_engine_that_trusts_the_system_survives_the_end_of_its_process() {
    play("local, durability=os", 100, |clock| {
        Box::new(OnDisk::new(clock, Durability::Os))
    });
}
