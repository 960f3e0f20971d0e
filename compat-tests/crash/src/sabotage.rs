//! Proves that the judge can fail: each kind of damage, done to what was found, must be reported.

use crate::chance::Chance;
use crate::judge::{Found, judge};
use crate::ledger::{Kind, Ledger};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;

type Damage = fn(&Ledger, &mut Found, &mut Chance) -> Option<()>;

/// Every kind of damage, by name.
const DAMAGES: [(&str, Damage); 8] = [
    ("a lost record", lose),
    ("a lost tail", lose_tail),
    ("a duplicated record", duplicate),
    ("two exchanged records", exchange),
    ("a record that only one protocol reads", hide_from_kinesis),
    ("a lost commit", lose_commit),
    ("a lost stream", lose_stream),
    ("a stream that nobody made", make_stream),
];

/// Damages that have been done and were reported.
#[derive(Default)]
pub struct Proven(BTreeSet<&'static str>);

impl Proven {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Damages copies of what was found in every way that was not possible before.
    pub fn prove(&mut self, ledger: &Ledger, found: &Found, chance: &mut Chance) -> Result<()> {
        for (name, damage) in DAMAGES {
            let mut damaged = found.clone();
            if self.0.contains(name) || damage(ledger, &mut damaged, chance).is_none() {
                continue;
            }
            ensure!(
                !judge(ledger, &damaged).is_empty(),
                "self-test: {name} was not reported"
            );
            self.0.insert(name);
        }
        Ok(())
    }

    /// Fails unless every damage has been proven.
    pub fn finish(&self) -> Result<()> {
        let missing = DAMAGES.iter().find(|(name, _)| !self.0.contains(name));
        ensure!(
            missing.is_none(),
            "self-test: there was never anything to make {missing:?} of"
        );
        Ok(())
    }
}

/// Partition and place of some acknowledged record of an idempotent producer.
fn some_record(ledger: &Ledger, found: &Found, chance: &mut Chance) -> Option<(usize, usize)> {
    let acknowledged = |value: &str| {
        let sent = ledger.sent.get(value);
        sent.is_some_and(|sent| sent.acknowledged.is_some() && sent.kind == Kind::Idempotent)
    };
    let places: Vec<(usize, usize)> = found
        .by_kafka
        .iter()
        .enumerate()
        .flat_map(|(partition, log)| {
            let places = log
                .iter()
                .enumerate()
                .filter(|(_, (_, value))| acknowledged(value));
            places.map(move |(place, _)| (partition, place))
        })
        .collect();
    (!places.is_empty()).then(|| places[chance.index(places.len())])
}

/// Does the same to both protocols' views, and numbers the offsets anew.
fn to_both(found: &mut Found, partition: usize, change: impl Fn(&mut Vec<(u64, String)>)) {
    for logs in [&mut found.by_kafka, &mut found.by_kinesis] {
        change(&mut logs[partition]);
        for (place, (offset, _)) in (0..).zip(logs[partition].iter_mut()) {
            *offset = place;
        }
    }
}

fn lose(ledger: &Ledger, found: &mut Found, chance: &mut Chance) -> Option<()> {
    let (partition, place) = some_record(ledger, found, chance)?;
    to_both(found, partition, |log| drop(log.remove(place)));
    Some(())
}

fn lose_tail(ledger: &Ledger, found: &mut Found, chance: &mut Chance) -> Option<()> {
    let (partition, place) = some_record(ledger, found, chance)?;
    to_both(found, partition, |log| log.truncate(place));
    Some(())
}

fn duplicate(ledger: &Ledger, found: &mut Found, chance: &mut Chance) -> Option<()> {
    let (partition, place) = some_record(ledger, found, chance)?;
    // At the end, so that no acknowledged offset is disturbed.
    to_both(found, partition, |log| log.push(log[place].clone()));
    Some(())
}

fn exchange(ledger: &Ledger, found: &mut Found, chance: &mut Chance) -> Option<()> {
    let (partition, place) = some_record(ledger, found, chance)?;
    let other = if place == 0 { 1 } else { place - 1 };
    let enough = found.by_kafka[partition].len() > 1;
    to_both(found, partition, |log| {
        if enough {
            log.swap(place, other);
        }
    });
    enough.then_some(())
}

fn hide_from_kinesis(ledger: &Ledger, found: &mut Found, chance: &mut Chance) -> Option<()> {
    let (partition, place) = some_record(ledger, found, chance)?;
    found.by_kinesis[partition].remove(place);
    Some(())
}

fn lose_commit(ledger: &Ledger, found: &mut Found, _: &mut Chance) -> Option<()> {
    let mut acknowledged = ledger.commits.iter();
    let (key, _) = acknowledged.find(|(_, known)| known.acknowledged.is_some())?;
    found.commits.insert(key.clone(), None);
    Some(())
}

fn lose_stream(ledger: &Ledger, found: &mut Found, _: &mut Chance) -> Option<()> {
    let settled = |name: &String| ledger.streams[name].possible.is_empty();
    let name = found.streams.keys().find(|name| settled(name))?.clone();
    found.streams.remove(&name);
    Some(())
}

fn make_stream(_: &Ledger, found: &mut Found, _: &mut Chance) -> Option<()> {
    found.streams.insert("changing-never".into(), 1);
    Some(())
}
