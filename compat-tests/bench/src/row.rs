//! A row of the table: the work, the peers that it is given to, and what is asked of braid there.

use crate::job::{Load, Loaded};
use crate::peer::Peer;
use serde::Serialize;

/// Names match `--rows` by their parts.
pub struct Row {
    pub name: String,
    pub peers: Vec<Peer>,
    pub work: Work,
    pub targets: Vec<Target>,
}

pub enum Work {
    /// Starts the server on an empty directory and looks at it while it is idle.
    Start,
    Load(Box<Steps>),
}

/// A load, and what surrounds it.
pub struct Steps {
    /// Carried out first, for what they leave behind.
    pub before: Vec<Load>,
    /// Whether the files' pages are dropped from the cache before the load, so that it reads disk.
    pub cold: bool,
    /// Runs while the load does.
    pub beside: Option<Load>,
    pub load: Load,
    /// Discarded runs of the load before the measured one.
    pub discarded: usize,
}

impl Steps {
    /// A load by itself, after one discarded run.
    pub fn only(load: Load) -> Steps {
        Steps {
            before: Vec::new(),
            cold: false,
            beside: None,
            load,
            discarded: 1,
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Records in a second.
    Rate,
    /// Server CPU-seconds for 10⁹ bytes of values.
    CpuPerGb,
    /// Server CPU, in µs for each record.
    CpuPerRecord,
    ClientCpuPerRecord,
    /// Context switches of the server for 1,000 records.
    Switches,
    P50,
    P99,
    AckP50,
    AckP99,
    /// Peak memory during the load, or memory when idle: MiB.
    Memory,
    ReadyMs,
    /// 10⁶ bytes.
    BinaryMb,
}

/// What is asked of braid's median.
pub struct Target {
    pub figure: Figure,
    pub bound: Bound,
    pub must: f64,
    pub aim: f64,
}

pub enum Bound {
    /// The ratio to this peer's median.
    Of(Peer),
    /// The figure itself.
    Value,
    /// The ratio to this peer's median, or three times the run's own fdatasync p99 if that is
    /// more; `aim` is in the figure's own unit.
    OfOrThreeSyncs(Peer),
}

impl Row {
    /// The first row: the server with nothing to do.
    pub fn start() -> Row {
        let value = |figure, must, aim| Target {
            figure,
            bound: Bound::Value,
            must,
            aim,
        };
        Row {
            name: "start".into(),
            peers: Peer::ALL.into(),
            work: Work::Start,
            targets: vec![
                value(Figure::ReadyMs, 15.0, 8.0),
                value(Figure::Memory, 12.0, 8.0),
                value(Figure::BinaryMb, 20.0, 12.0),
            ],
        }
    }
}

impl Figure {
    pub const ALL: [Figure; 12] = [
        Figure::Rate,
        Figure::CpuPerGb,
        Figure::CpuPerRecord,
        Figure::ClientCpuPerRecord,
        Figure::Switches,
        Figure::P50,
        Figure::P99,
        Figure::AckP50,
        Figure::AckP99,
        Figure::Memory,
        Figure::ReadyMs,
        Figure::BinaryMb,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Figure::Rate => "rate",
            Figure::CpuPerGb => "server CPU per GB",
            Figure::CpuPerRecord => "server CPU per record",
            Figure::ClientCpuPerRecord => "client CPU per record",
            Figure::Switches => "switches",
            Figure::P50 => "p50",
            Figure::P99 => "p99",
            Figure::AckP50 => "ack p50",
            Figure::AckP99 => "ack p99",
            Figure::Memory => "memory",
            Figure::ReadyMs => "ready",
            Figure::BinaryMb => "binary",
        }
    }

    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Figure::Rate if value < 10_000.0 => format!("{value:.0} rec/s"),
            Figure::Rate => format!("{:.1} k rec/s", value / 1e3),
            Figure::CpuPerGb => format!("{value:.2} CPU-s/GB"),
            Figure::CpuPerRecord => format!("{value:.2} µs/rec"),
            Figure::ClientCpuPerRecord => format!("client {value:.2} µs/rec"),
            Figure::Switches => format!("{value:.0} switches/k rec"),
            Figure::P50 => format!("p50 {value:.2} ms"),
            Figure::P99 => format!("p99 {value:.2} ms"),
            Figure::AckP50 => format!("ack p50 {value:.2} ms"),
            Figure::AckP99 => format!("ack p99 {value:.2} ms"),
            Figure::Memory => format!("{value:.1} MiB"),
            Figure::ReadyMs => format!("ready in {value:.1} ms"),
            Figure::BinaryMb => format!("binary {value:.1} MB"),
        }
    }
    /// Whether more is better.
    pub fn is_rate(self) -> bool {
        self == Figure::Rate
    }

    pub fn of(self, loaded: &Loaded) -> Option<f64> {
        let records = loaded.records.max(1) as f64;
        match self {
            Figure::Rate => Some(records / loaded.seconds.max(1e-9)),
            Figure::CpuPerGb => {
                (loaded.bytes > 0).then(|| loaded.server_cpu_s / (loaded.bytes as f64 / 1e9))
            }
            Figure::CpuPerRecord => Some(loaded.server_cpu_s * 1e6 / records),
            Figure::ClientCpuPerRecord => Some(loaded.client_cpu_s * 1e6 / records),
            Figure::Switches => Some(loaded.server_switches as f64 * 1e3 / records),
            Figure::P50 => loaded.latencies.map(|latencies| latencies.p50_ms),
            Figure::P99 => loaded.latencies.map(|latencies| latencies.p99_ms),
            Figure::AckP50 => loaded.ack.map(|latencies| latencies.p50_ms),
            Figure::AckP99 => loaded.ack.map(|latencies| latencies.p99_ms),
            Figure::Memory | Figure::ReadyMs | Figure::BinaryMb => None,
        }
    }
}
