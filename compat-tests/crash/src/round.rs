//! One round: writers at work, a kill, a restart, and the comparison.

use crate::Asked;
use crate::chance::Chance;
use crate::commits::{self, GROUPS};
use crate::judge::{Found, judge, stream_state};
use crate::ledger::{Kind, Shared};
use crate::read;
use crate::sabotage::Proven;
use crate::server::{Installed, Life};
use crate::streams::{self, Changes, PARTITIONS};
use crate::writers::{self, Idempotent, Numbered};
use anyhow::{Context, Result, bail};
use aws_sdk_kinesis::Client;
use braid_clients::kafka::client_of;
use braid_clients::kinesis;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Rounds after which everything written is ended and begun anew under another name.
const ERA_ROUNDS: usize = 25;
/// Rounds that one idempotent producer lives through.
const PRODUCER_ROUNDS: usize = 7;
/// Rounds after which everything is read again from the first offset on.
const FULL_ROUNDS: usize = 10;
/// Time within which a round's writers must have noticed the end of the server.
const WRITERS_WAIT: Duration = Duration::from_secs(45);

/// Tells writers to end.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Trial {
    server: Installed,
    client: Client,
    ledger: Shared,
    chance: Chance,
    found: Found,
    producers: Vec<Idempotent>,
    kills: usize,
    slowest_start: Duration,
    proven: Proven,
    /// The stream that everybody writes to.
    main: String,
}

/// Runs all rounds: a line that says what was checked.
pub async fn run(asked: Asked) -> Result<String> {
    let directory = tempfile::Builder::new().prefix("braid-crash").tempdir()?;
    let server = Installed::new(asked.braid, directory.path(), asked.server)?;
    let mut trial = Trial {
        client: kinesis::client_of(&server.kinesis()),
        server,
        ledger: Shared::default(),
        chance: Chance::new(asked.seed),
        found: Found::default(),
        producers: Vec::new(),
        kills: 0,
        slowest_start: Duration::ZERO,
        proven: Proven::default(),
        main: "crash-0".into(),
    };
    let began = Instant::now();
    let outcome = trial.rounds(asked.rounds).await;
    if let Err(error) = outcome {
        let error = error.context(format!("--seed {}", asked.seed));
        if asked.keep {
            return Err(error.context(format!("data kept in {}", directory.keep().display())));
        }
        return Err(error);
    }
    let ledger = trial.ledger.lock();
    Ok(format!(
        "{} rounds, {} kills, {} records, {} commits and {} creations and deletions acknowledged \
         and kept; slowest start {} ms; {} damages reported by the self-test; {:.0} s; seed {}",
        asked.rounds,
        trial.kills,
        ledger.acknowledged_records,
        ledger.acknowledged_commits,
        ledger.acknowledged_streams,
        trial.slowest_start.as_millis(),
        trial.proven.count(),
        began.elapsed().as_secs_f64(),
        asked.seed
    ))
}

impl Trial {
    async fn rounds(&mut self, count: usize) -> Result<()> {
        let mut life = self.start().await?;
        streams::create_main(&self.server.kafka, &self.main).await?;
        for round in 1..=count {
            life = self
                .round(round, life)
                .await
                .with_context(|| format!("round {round}"))?;
            let everything = round.is_multiple_of(FULL_ROUNDS)
                || round.is_multiple_of(ERA_ROUNDS)
                || round == count;
            self.compare(everything)
                .await
                .with_context(|| format!("after round {round}"))?;
            let ledger = self.ledger.lock().clone();
            self.proven.prove(&ledger, &self.found, &mut self.chance)?;
            if round.is_multiple_of(ERA_ROUNDS) {
                self.begin_anew(round).await.context("ending an era")?;
            }
        }
        if count > 5 {
            self.proven.finish()?;
        }
        life.kill().await
    }

    /// Ends the main stream, and begins another, so that long runs do not grow.
    async fn begin_anew(&mut self, round: usize) -> Result<()> {
        self.producers.clear();
        streams::delete_main(&self.server.kafka, &self.main).await?;
        self.main = format!("crash-{round}");
        streams::create_main(&self.server.kafka, &self.main).await?;
        let mut ledger = self.ledger.lock();
        ledger.sent.clear();
        ledger.commits.clear();
        self.found = Found::default();
        Ok(())
    }

    async fn start(&mut self) -> Result<Life> {
        let (life, took) = self.server.start().await?;
        self.slowest_start = self.slowest_start.max(took);
        Ok(life)
    }

    /// Writes, kills, and starts again; returns once everything that can be has been acknowledged.
    async fn round(&mut self, round: usize, life: Life) -> Result<Life> {
        if self.producers.is_empty() || round.is_multiple_of(PRODUCER_ROUNDS) {
            self.producers = self.new_producers(round)?;
        }
        let stop = Stop::default();
        let mut writers = self.writers(round, &stop)?;
        for mut producer in self.producers.drain(..) {
            let (main, stop) = (self.main.clone(), stop.clone());
            writers.spawn(async move {
                producer.run(&main, stop).await?;
                Ok(Some(producer))
            });
        }
        let ms = 30 + self.chance.below(400);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        // Some rounds go on writing into the dying server, some stop just before.
        if self.chance.once_in(4) {
            stop.set();
        }
        life.kill().await?;
        self.kills += 1;
        stop.set();
        self.kill_while_starting().await?;
        let life = self.start().await?;
        self.producers = finished(writers).await?;
        Ok(life)
    }

    /// Now and then, the server is killed again before or just after it is ready.
    async fn kill_while_starting(&mut self) -> Result<()> {
        while self.chance.once_in(3) {
            let life = self.server.spawn()?;
            tokio::time::sleep(Duration::from_millis(self.chance.below(40))).await;
            life.kill()
                .await
                .context("killing a server that was starting")?;
            self.kills += 1;
        }
        Ok(())
    }

    fn new_producers(&self, round: usize) -> Result<Vec<Idempotent>> {
        let new = |codec: &&str| {
            let name = format!("idempotent-{round}-{codec}");
            Idempotent::new(&self.server.kafka, &name, codec, &self.ledger)
        };
        ["none", "lz4"].iter().map(new).collect()
    }

    fn writers(
        &mut self,
        round: usize,
        stop: &Stop,
    ) -> Result<JoinSet<Result<Option<Idempotent>>>> {
        let numbered = |name: &str| {
            let name = format!("{name}-{round}");
            Numbered::new(Kind::Once, name, self.ledger.clone())
        };
        let mut writers = JoinSet::new();
        let (address, main) = (self.server.kafka.clone(), self.main.clone());
        let plain = writers::plain(address, main, numbered("plain"), stop.clone());
        writers.spawn(async { plain.await.map(|()| None) });
        let main = self.main.clone();
        let puts = writers::puts(self.client.clone(), main, numbered("put"), stop.clone());
        writers.spawn(async { puts.await.map(|()| None) });
        let main = self.main.clone();
        let batches = writers::batches(self.client.clone(), main, numbered("batch"), stop.clone());
        writers.spawn(async { batches.await.map(|()| None) });
        let changes = Changes {
            kafka: client_of(&self.server.kafka, &[]).create()?,
            kinesis: self.client.clone(),
            ledger: self.ledger.clone(),
            chance: Chance::new(self.chance.below(u64::MAX)),
        };
        let changes = changes.run(stop.clone());
        writers.spawn(async { changes.await.map(|()| None) });
        for group in GROUPS {
            let (address, main) = (self.server.kafka.clone(), self.main.clone());
            let (ledger, stop) = (self.ledger.clone(), stop.clone());
            writers.spawn_blocking(move || {
                commits::commit(&address, &main, group, &ledger, &stop).map(|()| None)
            });
        }
        Ok(writers)
    }

    /// Reads what is new, or everything, and judges the whole.
    async fn compare(&mut self, everything: bool) -> Result<()> {
        let partitions = usize::try_from(PARTITIONS)?;
        self.found.by_kafka.resize(partitions, Vec::new());
        self.found.by_kinesis.resize(partitions, Vec::new());
        if everything {
            self.found.by_kafka.iter_mut().for_each(Vec::clear);
            self.found.by_kinesis.iter_mut().for_each(Vec::clear);
        }
        let ends: Vec<u64> = self
            .found
            .by_kafka
            .iter()
            .map(|log| log.len() as u64)
            .collect();
        let by_kafka = read::by_kafka(&self.server.kafka, &self.main, &ends);
        let by_kinesis = read::by_kinesis(&self.client, &self.main, &ends);
        let (by_kafka, by_kinesis) = tokio::join!(by_kafka, by_kinesis);
        let by_kafka = by_kafka.context("reading through Kafka")?;
        let by_kinesis = by_kinesis.context("reading through Kinesis")?;
        for (log, new) in self.found.by_kafka.iter_mut().zip(by_kafka) {
            log.extend(new);
        }
        for (log, new) in self.found.by_kinesis.iter_mut().zip(by_kinesis) {
            log.extend(new);
        }
        self.look_at_state().await?;
        let wrong = judge(&self.ledger.lock(), &self.found);
        if !wrong.is_empty() {
            let first: Vec<&String> = wrong.iter().take(10).collect();
            bail!("{} things are wrong: {first:#?}", wrong.len());
        }
        self.settle();
        Ok(())
    }

    async fn look_at_state(&mut self) -> Result<()> {
        for group in GROUPS {
            let found = commits::found(&self.server.kafka, &self.main, group)?;
            for (partition, state) in (0..).zip(found) {
                self.found
                    .commits
                    .insert((group.to_owned(), partition), state);
            }
        }
        let mut streams = streams::found(&self.server.kafka, &self.client).await?;
        streams
            .remove(&self.main)
            .context("the main stream is gone")?;
        self.found.first_records.clear();
        for name in streams.keys() {
            let first = read::first(&self.client, name).await?;
            self.found.first_records.insert(name.clone(), first);
        }
        self.found.streams = streams;
        Ok(())
    }

    /// What was unknown is known now, and must stay so.
    fn settle(&mut self) {
        let mut ledger = self.ledger.lock();
        for (key, known) in &mut ledger.commits {
            known.settle(self.found.commits.get(key).cloned().flatten());
        }
        for (name, known) in &mut ledger.streams {
            known.settle(stream_state(&self.found, name));
        }
        let streams = &self.found.streams;
        ledger
            .first_records
            .retain(|name, _| streams.contains_key(name));
    }
}

/// Waits for all writers; the producers among them live on.
async fn finished(mut writers: JoinSet<Result<Option<Idempotent>>>) -> Result<Vec<Idempotent>> {
    let mut producers = Vec::new();
    loop {
        let next = tokio::time::timeout(WRITERS_WAIT, writers.join_next()).await;
        match next.context("a writer did not end")? {
            None => return Ok(producers),
            Some(outcome) => producers.extend(outcome??),
        }
    }
}
