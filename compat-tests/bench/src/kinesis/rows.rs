//! The rows of the Kinesis face (issue 4, section 2).

use super::crossing::{Crossing, Way};
use super::{Get, Load, Put, Until};
use crate::job;
use crate::peer::Peer;
use crate::row::{Bound, Figure, Row, Steps, Target, Work};

const FAST: [Peer; 2] = [Peer::Braid, Peer::Ferrokinesis];
/// With those that take their time: they meet one row of each kind.
const ALL: [Peer; 4] = [
    Peer::Braid,
    Peer::Ferrokinesis,
    Peer::FerrokinesisDurable,
    Peer::KinesisLocal,
];

/// The rows of the Kinesis face; `quick` asks for small counts.
pub fn rows(quick: bool) -> Vec<Row> {
    let size = Size { quick };
    let mut rows: Vec<Row> = [1, 4, 16]
        .map(|connections| size.put_records(connections))
        .into();
    rows.extend([1, 64].map(|connections| size.put_record(connections)));
    rows.extend([1, 4].map(|connections| size.get_records(connections)));
    rows.push(size.crossing("Kafka in, Kinesis out", Way::KafkaToKinesis));
    rows.push(size.crossing("Kinesis in, Kafka out", Way::KinesisToKafka));
    rows
}

/// How long the rows are.
struct Size {
    quick: bool,
}

impl Size {
    fn until(&self, records: u64) -> Until {
        match self.quick {
            true => Until {
                records: records / 50,
                seconds_max: 1.0,
            },
            false => Until {
                records,
                seconds_max: 5.0,
            },
        }
    }

    fn put_records(&self, connections: usize) -> Row {
        let load = Put {
            connections,
            batch: Some(500),
            until: self.until(200_000),
            ..Put::default()
        };
        let (peers, targets) = match connections {
            4 => (ALL.into(), vec![rate(3.0, 5.0), cpu(0.25, 0.125)]),
            _ => (FAST.into(), Vec::new()),
        };
        Row {
            name: format!("PutRecords 500 x 1 KB, {}", counted(connections)),
            peers,
            work: Work::Load(Box::new(Steps::only(kinesis(Load::Put(load))))),
            targets,
        }
    }

    fn put_record(&self, connections: usize) -> Row {
        let load = Put {
            connections,
            until: self.until(if connections == 1 { 20_000 } else { 100_000 }),
            ..Put::default()
        };
        let (peers, target) = match connections {
            1 => (ALL.into(), rate(0.5, 0.6)),
            _ => (FAST.into(), rate(1.5, 3.0)),
        };
        Row {
            name: format!("PutRecord 1 KB, {}", counted(connections)),
            peers,
            work: Work::Load(Box::new(Steps::only(kinesis(Load::Put(load))))),
            targets: vec![target],
        }
    }

    fn get_records(&self, connections: usize) -> Row {
        let filled = Put {
            stream: "filled".into(),
            connections: 4,
            batch: Some(500),
            until: self.until(200_000),
            ..Put::default()
        };
        let load = Get {
            stream: "filled".into(),
            connections,
            until: self.until(1_000_000),
            ..Get::default()
        };
        let peers = match connections {
            1 => vec![Peer::Braid, Peer::Ferrokinesis, Peer::KinesisLocal],
            _ => FAST.into(),
        };
        Row {
            name: format!("GetRecords 1 KB, 4 shards, {}", counted(connections)),
            peers,
            work: Work::Load(Box::new(Steps {
                before: vec![kinesis(Load::Put(filled))],
                ..Steps::only(kinesis(Load::Get(load)))
            })),
            targets: vec![rate(2.5, 4.0)],
        }
    }

    fn crossing(&self, name: &str, way: Way) -> Row {
        let load = Crossing {
            way,
            records: if self.quick { 100 } else { 2000 },
            ..Crossing::default()
        };
        Row {
            name: format!("{name}, {}/s", load.per_second),
            peers: vec![Peer::Braid],
            work: Work::Load(Box::new(Steps::only(kinesis(Load::Crossing(load))))),
            targets: vec![Target {
                figure: Figure::P99,
                bound: Bound::Value,
                must: 10.0,
                aim: 3.0,
            }],
        }
    }
}

fn kinesis(load: Load) -> job::Load {
    job::Load::Kinesis(load)
}

fn counted(connections: usize) -> String {
    match connections {
        1 => "1 connection".into(),
        more => format!("{more} connections"),
    }
}

fn rate(must: f64, aim: f64) -> Target {
    let bound = Bound::Of(Peer::Ferrokinesis);
    Target {
        figure: Figure::Rate,
        bound,
        must,
        aim,
    }
}

fn cpu(must: f64, aim: f64) -> Target {
    let bound = Bound::Of(Peer::Ferrokinesis);
    Target {
        figure: Figure::CpuPerRecord,
        bound,
        must,
        aim,
    }
}
