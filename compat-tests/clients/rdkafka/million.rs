//! One figure: how long 1,000,000 records of 1 KB take to be acknowledged by everything.
//!
//! `lane-rdkafka produce-million [server pid]`; BRAID_COUNT changes the count.

use anyhow::{Context, Result, ensure};
use braid_clients::kafka::{REQUEST_WAIT, client, topic};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 1024;
const PARTITIONS: i32 = 6;
const FLUSH_WAIT: Duration = Duration::from_secs(120);

/// Counts acknowledgements.
#[derive(Clone, Default)]
struct Tally {
    acknowledged: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl ClientContext for Tally {}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = match result {
            Ok(_) => &self.acknowledged,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub async fn run() -> ExitCode {
    match measure().await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("FAIL  produce-million: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<String> {
    let pid = std::env::args().nth(2);
    let count = match std::env::var("BRAID_COUNT") {
        Ok(count) => count.parse().context("BRAID_COUNT")?,
        Err(_) => 1_000_000,
    };
    let topic = topic("million", PARTITIONS).await?;
    let cpu_before = pid.as_deref().map(cpu_seconds).transpose()?;
    let began = Instant::now();
    let (name, tally) = (topic.clone(), Tally::default());
    let counted = tally.clone();
    tokio::task::spawn_blocking(move || produce(&name, count, counted)).await??;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_after = pid.as_deref().map(cpu_seconds).transpose()?;

    let failed = tally.failed.load(Ordering::Relaxed);
    let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
    ensure!(
        failed == 0 && acknowledged == count,
        "{acknowledged} acknowledged, {failed} failed"
    );
    ensure!(
        kept(&topic)? == i64::try_from(count)?,
        "{} records kept",
        kept(&topic)?
    );
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = count as f64 / seconds;
    let cpu = match (cpu_before, cpu_after) {
        (Some(before), Some(after)) => format!(", server CPU {:.2} s", after - before),
        _ => String::new(),
    };
    Ok(format!(
        "produce-million: {count} x {VALUE_BYTES} B idempotent acks=all, {PARTITIONS} partitions, \
         {seconds:.2} s, {rate:.0} messages/s{cpu}"
    ))
}

fn produce(topic: &str, count: usize, tally: Tally) -> Result<()> {
    let producer: ThreadedProducer<Tally> = client(&[
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("linger.ms", "5"),
        ("batch.size", "1000000"),
        ("queue.buffering.max.messages", "200000"),
        ("queue.buffering.max.kbytes", "262144"),
        ("message.timeout.ms", "60000"),
    ])
    .create_with_context(tally)?;
    let value = vec![b'x'; VALUE_BYTES];
    for index in 0..count {
        let partition = i32::try_from(index % 6)?;
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .partition(partition)
            .payload(&value);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                    producer.poll(Duration::from_millis(5));
                    record = back;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    Ok(producer.flush(FLUSH_WAIT)?)
}

/// Records in the topic.
fn kept(topic: &str) -> Result<i64> {
    let looker: BaseConsumer = client(&[]).create()?;
    (0..PARTITIONS).try_fold(0, |sum, partition| {
        let (low, high) = looker.fetch_watermarks(topic, partition, REQUEST_WAIT)?;
        Ok(sum + high - low)
    })
}

/// Seconds of CPU that a process has used, in user and kernel mode.
fn cpu_seconds(pid: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).context(path)?;
    // The command's name may hold spaces; the fields after it do not.
    let (_, after_name) = stat.rsplit_once(')').context("no command name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("too few fields")?;
    // Linux reports these in hundredths of a second on every architecture.
    Ok((user + system) / 100.0)
}
