//! Runs the rows: in every round each peer in turn, so that all of them meet the same machine.

use crate::job::{Job, Load, Loaded};
use crate::kafka::{Consume, Produce};
use crate::limits;
use crate::options::Options;
use crate::peer::{Peer, Server};
use crate::process;
use crate::report::{Measurement, Report, median};
use crate::row::{Figure, Row, Steps, Work};
use crate::{kafka, kinesis, table};
use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time that one load may take with everything around it.
const LOAD_WAIT: Duration = Duration::from_secs(180);
/// Time after which a server that has nothing to do is looked at.
const IDLE_WAIT: Duration = Duration::from_secs(2);
/// Loads before the first row of a peer with a JVM; after so many its cost has settled.
const WARMING_LOADS: usize = 5;

pub fn run(options: &Options) -> Result<()> {
    let rows = rows(options);
    let peers = peers(options, &rows);
    ensure!(!rows.is_empty() && !peers.is_empty(), "nothing to run");
    fs::create_dir_all(&options.data)?;
    fs::create_dir_all(&options.cache)?;
    let mut report = Report::new(options);
    for &peer in &peers {
        peer.install(options)
            .with_context(|| format!("installing {}", peer.name()))?;
    }
    let mut order = peers.clone();
    for round in 0..options.rounds {
        report
            .limits
            .push(limits::measure(&options.data, options.quick)?);
        for &peer in &order {
            turn(options, peer, round, &rows, &mut report)?;
        }
        // A host that gets slower or faster meanwhile is to do so for each of them.
        order.rotate_left(1);
    }
    report.judge(&rows);
    print!("{}", table::text(&report, &rows));
    if let Some(out) = &options.out {
        fs::write(out, serde_json::to_string_pretty(&report)?)?;
    }
    report.must_have_its_shape(&rows, &peers)
}

fn rows(options: &Options) -> Vec<Row> {
    let mut rows = vec![Row::start()];
    rows.extend(kafka::rows(options.quick));
    rows.extend(kinesis::rows(options.quick));
    let is_wanted = |row: &Row| options.rows.iter().any(|part| row.name.contains(part));
    rows.retain(|row| options.rows.is_empty() || is_wanted(row));
    rows
}

fn peers(options: &Options, rows: &[Row]) -> Vec<Peer> {
    let mut peers = Peer::ALL.to_vec();
    if options.quick && options.peers.is_empty() {
        let left_out = peers.iter().filter(|peer| !peer.is_quick());
        let left_out: Vec<&str> = left_out.map(|peer| peer.name()).collect();
        eprintln!("--quick leaves out {}", left_out.join(", "));
        peers.retain(|peer| peer.is_quick());
    }
    let is_wanted = |peer: Peer| options.peers.iter().any(|name| name == peer.name());
    peers.retain(|&peer| options.peers.is_empty() || is_wanted(peer));
    peers.retain(|peer| rows.iter().any(|row| row.peers.contains(peer)));
    peers
}

/// One peer's part of a round, on an empty directory.
fn turn(
    options: &Options,
    peer: Peer,
    round: usize,
    rows: &[Row],
    report: &mut Report,
) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("braid-bench-")
        .tempdir_in(&options.data)?;
    let data = folder.path().join("data");
    let start = || {
        fs::create_dir_all(&data)?;
        let server = peer.start(options, &data);
        server.with_context(|| format!("starting {}", peer.name()))
    };
    let mut server = start()?;
    let mut is_warm = !peer.is_jvm() || options.quick;
    for row in rows.iter().filter(|row| row.peers.contains(&peer)) {
        let measured = match &row.work {
            Work::Start => idle(options, peer, &server),
            Work::Load(steps) => {
                if !std::mem::replace(&mut is_warm, true) {
                    warm(&Place::new(options, &server, &data))?;
                }
                loaded(&Place::new(options, &server, &data), steps)
            }
        };
        let mut measurement = Measurement::new(row, peer, round);
        match measured {
            Ok(found) => measurement.take(found),
            Err(error) => measurement.error = Some(format!("{error:#}")),
        }
        eprintln!("{}", measurement.line());
        report.measurements.push(measurement);
        server
            .must_run()
            .with_context(|| format!("{} after {}", peer.name(), row.name))?;
    }
    server.stop()
}

/// What was found in one row.
pub struct Found {
    pub figures: Vec<(Figure, f64)>,
    pub loaded: Option<Loaded>,
}

fn idle(options: &Options, peer: Peer, server: &Server) -> Result<Found> {
    std::thread::sleep(IDLE_WAIT);
    let memory = process::status_mib(server.pid, "VmRSS")?;
    let mut ready_ms = vec![server.ready_ms];
    for _ in 0..peer.further_starts() {
        let folder = tempfile::tempdir_in(&options.data)?;
        let data = folder.path().join("data");
        fs::create_dir_all(&data)?;
        let started = peer.start(options, &data)?;
        ready_ms.push(started.ready_ms);
        started.stop()?;
    }
    let ready_ms = median(ready_ms).unwrap_or_default();
    let mut figures = vec![(Figure::ReadyMs, ready_ms), (Figure::Memory, memory)];
    if let Some(program) = peer.program(options) {
        figures.push((Figure::BinaryMb, fs::metadata(program)?.len() as f64 / 1e6));
    }
    Ok(Found {
        figures,
        loaded: None,
    })
}

fn warm(place: &Place<'_>) -> Result<()> {
    let produce = Produce {
        topic: "warming".into(),
        partitions: 4,
        records: 300_000,
        seconds_max: 2.0,
        ..Produce::default()
    };
    let consume = Consume {
        topic: produce.topic.clone(),
        partitions: produce.partitions,
        records: 600_000,
        seconds_max: 2.0,
        ..Consume::default()
    };
    for _ in 0..WARMING_LOADS {
        place.carry_out(&Load::KafkaProduce(produce.clone()))?;
        place.carry_out(&Load::KafkaConsume(consume.clone()))?;
    }
    Ok(())
}

fn loaded(place: &Place<'_>, steps: &Steps) -> Result<Found> {
    for load in &steps.before {
        place.carry_out(load).context("the load before")?;
    }
    let beside = steps
        .beside
        .as_ref()
        .map(|load| place.spawn(load))
        .transpose()?;
    let outcome = measured(place, steps);
    if let Some(mut beside) = beside {
        let ended = beside.try_wait()?;
        beside.kill().ok();
        beside.wait()?;
        ensure!(ended.is_none(), "the load beside ended too early");
    }
    outcome
}

fn measured(place: &Place<'_>, steps: &Steps) -> Result<Found> {
    let mut last = Loaded::default();
    for _ in 0..=steps.discarded {
        if steps.cold {
            drop_pages(place.data)?;
        }
        process::forget_peak(place.server.pid)?;
        last = place.carry_out(&steps.load)?;
    }
    let memory = process::status_mib(place.server.pid, "VmHWM")?;
    Ok(Found {
        figures: vec![(Figure::Memory, memory)],
        loaded: Some(last),
    })
}

/// Has the kernel forget what it holds of these files, so that they are read from disk.
fn drop_pages(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            drop_pages(&path)?;
        } else if let Ok(file) = File::open(&path) {
            file.sync_data()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// Where loads go to.
struct Place<'a> {
    options: &'a Options,
    server: &'a Server,
    data: &'a Path,
}

impl<'a> Place<'a> {
    fn new(options: &'a Options, server: &'a Server, data: &'a Path) -> Place<'a> {
        Place {
            options,
            server,
            data,
        }
    }

    /// A process of its own carries a load out, so that its processor time is the client's.
    fn spawn(&self, load: &Load) -> Result<Child> {
        let job = Job {
            kafka: self.server.kafka.clone(),
            kinesis: self.server.kinesis.clone(),
            server_pid: Some(self.server.pid),
            cache: self.options.cache.clone(),
            load: load.clone(),
        };
        Command::new(std::env::current_exe()?)
            .arg("load")
            .arg(serde_json::to_string(&job)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a load")
    }

    fn carry_out(&self, load: &Load) -> Result<Loaded> {
        let mut child = self.spawn(load)?;
        let deadline = Instant::now() + LOAD_WAIT;
        // Its one line fits into the pipe, so that it never waits for this reader.
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("a load took longer than {LOAD_WAIT:?}: {load:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "a load failed: {load:?}");
        serde_json::from_slice(&output.stdout).context("what a load told")
    }
}
