//! The rows of the Kafka face.

use super::perf::Tool;
use super::{Consume, Latency, Perf, Produce};
use crate::job::Load;
use crate::peer::Peer;
use crate::row::{Bound, Figure, Row, Steps, Target, Work};

const THIRD: f64 = 1.0 / 3.0;
/// The topic of the rows with many partitions.
const MANY: &str = "p1000";

pub fn rows(quick: bool) -> Vec<Row> {
    let scale = Scale(if quick { 20 } else { 1 });
    let mut rows = scale.produce_rows();
    rows.extend(scale.small_batch_rows());
    rows.extend(scale.consume_rows());
    rows.extend(scale.latency_rows());
    rows.extend(scale.perf_rows());
    rows
}

/// By what counts are divided.
struct Scale(u64);

impl Scale {
    /// No load sends or reads for longer.
    fn seconds_max(&self) -> f64 {
        if self.0 > 1 { 1.0 } else { 5.0 }
    }

    /// Partitions of a row with many; making a thousand would be most of a quick run.
    fn many(&self) -> i32 {
        if self.0 > 1 { 100 } else { 1000 }
    }

    /// Large batches.
    fn produce(&self, topic: &str, partitions: i32, record_bytes: usize, records: u64) -> Produce {
        Produce {
            topic: topic.into(),
            partitions,
            record_bytes,
            records: records / self.0,
            seconds_max: self.seconds_max(),
            batch_records: if record_bytes < 500 { 10_000 } else { 1000 },
            ..Produce::default()
        }
    }

    /// Large batches to many partitions.
    fn to_many(&self) -> Produce {
        Produce {
            batch_records: 100,
            ..self.produce(MANY, self.many(), 1000, 500_000)
        }
    }

    fn produce_rows(&self) -> Vec<Row> {
        let plain = Produce {
            idempotent: false,
            ..self.produce("p1plain", 1, 1000, 500_000)
        };
        let mut many_targets = produce_targets(false);
        many_targets.truncate(2);
        many_targets.push(value(Figure::Memory, 256.0, 128.0));
        let tiny = [
            ratio(Figure::Rate, Peer::Kafka, 1.0, 1.0),
            ratio(Figure::CpuPerRecord, Peer::Kafka, 2.0 * THIRD, 0.5),
        ];
        let one = self.produce("p1", 1, 1000, 500_000);
        let twelve = self.produce("p12", 12, 1000, 500_000);
        let hundred = self.produce("p1tiny", 1, 100, 3_000_000);
        vec![
            produced("produce 1 KB, 1 partition", one, produce_targets(true)),
            produced("produce 1 KB, 12 partitions", twelve, produce_targets(true)),
            produced(
                "produce 1 KB, 1 partition, not idempotent",
                plain,
                produce_targets(true),
            ),
            self.produced_to_many(
                "produce 1 KB, 1000 partitions",
                self.to_many(),
                many_targets,
            ),
            produced("produce 100 B, 1 partition", hundred, tiny.into()),
        ]
    }

    fn small_batch_rows(&self) -> Vec<Row> {
        let small = |topic: &str, partitions| Produce {
            batch_records: 4,
            idempotent: false,
            // What is queued when the time is over is still sent: not for long.
            settings: [("queue.buffering.max.messages".into(), "20000".into())].into(),
            ..self.produce(topic, partitions, 1000, 150_000)
        };
        let targets = || {
            vec![
                ratio(Figure::CpuPerRecord, Peer::Kafka, THIRD, 0.125),
                ratio(Figure::Rate, Peer::KafkaFlushing, 5.0, 5.0),
            ]
        };
        let (one, many) = (small("b1", 1), small(MANY, self.many()));
        vec![
            produced("produce 1 KB, 1 partition, batches of 4", one, targets()),
            self.produced_to_many(
                "produce 1 KB, 1000 partitions, batches of 4",
                many,
                targets(),
            ),
        ]
    }

    /// To a topic that is filled once before, and after one more discarded run: Kafka is still
    /// busy with its new partitions during the first load, and compiling during the second.
    fn produced_to_many(&self, name: &str, load: Produce, targets: Vec<Target>) -> Row {
        let mut steps = Steps::only(Load::KafkaProduce(load));
        steps.before = vec![Load::KafkaProduce(only_if_missing(self.to_many()))];
        steps.discarded = 2;
        produced_in(name, steps, targets)
    }

    fn consume_rows(&self) -> Vec<Row> {
        let tail = self.produce("tail", 1, 1000, 24_000);
        let kept = self.produce("kept", 1, 1000, 1_000_000);
        let tiny_tail = self.produce("tinytail", 1, 100, 200_000);
        let tiny = self.produce("tiny", 1, 100, 5_000_000);
        let other = Produce {
            topic: "others".into(),
            per_second: Some(20_000),
            batch_records: 100,
            records: 1_000_000,
            seconds_max: 40.0,
            ..Produce::default()
        };
        vec![
            self.consumed("consume 1 KB, tail", &tail, 40, Vec::new()),
            self.consumed("consume 1 KB, catch-up", &kept, 1, Vec::new()),
            self.consumed(
                "consume 1 KB, catch-up from a cold disk",
                &kept,
                1,
                vec![Around::Cold],
            ),
            self.consumed(
                "consume 1 KB, catch-up while others produce",
                &kept,
                1,
                vec![Around::Beside(other)],
            ),
            self.consumed("consume 100 B, tail", &tiny_tail, 15, Vec::new()),
            self.consumed("consume 100 B, catch-up", &tiny, 1, Vec::new()),
        ]
    }

    fn consumed(&self, name: &str, filled: &Produce, passes: u32, around: Vec<Around>) -> Row {
        let load = Consume {
            topic: filled.topic.clone(),
            partitions: filled.partitions,
            passes,
            seconds_max: self.seconds_max(),
            ..Consume::default()
        };
        let mut steps = Steps::only(Load::KafkaConsume(load));
        steps.before = vec![Load::KafkaProduce(only_if_missing(filled.clone()))];
        for around in around {
            match around {
                Around::Cold => steps.cold = true,
                Around::Beside(load) => steps.beside = Some(Load::KafkaProduce(load)),
            }
        }
        Row {
            name: name.into(),
            peers: PAIR.into(),
            work: Work::Load(Box::new(steps)),
            targets: vec![
                ratio(Figure::Rate, Peer::Kafka, 1.0, 1.1),
                ratio(Figure::CpuPerRecord, Peer::Kafka, 1.0, 0.75),
            ],
        }
    }

    fn latency_rows(&self) -> Vec<Row> {
        let latency = |per_second: u64, topic: &str| Latency {
            topic: topic.into(),
            per_second,
            records: 5 * per_second / if self.0 > 1 { 5 } else { 1 },
            ..Latency::default()
        };
        let row = |name: &str, load: Latency, aim_ms, peers: &[Peer]| Row {
            name: name.into(),
            peers: peers.into(),
            work: Work::Load(Box::new(Steps::only(Load::KafkaLatency(load)))),
            targets: vec![syncs(Figure::AckP99, aim_ms), syncs(Figure::P99, aim_ms)],
        };
        vec![
            row(
                "latency at 1000 records/s",
                latency(1000, "l1"),
                2.0,
                &KAFKAS,
            ),
            row(
                "latency at 10000 records/s",
                latency(10_000, "l10"),
                5.0,
                &PAIR,
            ),
        ]
    }

    /// What Kafka's own tools say; nothing is asked of braid there.
    fn perf_rows(&self) -> Vec<Row> {
        let row = |name: &str, tool| {
            let records = 1_000_000 / self.0;
            let load = Perf {
                tool,
                topic: "perf".into(),
                records,
                record_bytes: 1000,
            };
            let mut steps = Steps::only(Load::KafkaPerf(load));
            steps.discarded = 0;
            if tool == Tool::ConsumerPerformance {
                let fill = self.produce("perf", 1, 1000, 1_000_000);
                steps.before = vec![Load::KafkaProduce(only_if_missing(fill))];
            }
            Row {
                name: name.into(),
                peers: PAIR.into(),
                work: Work::Load(Box::new(steps)),
                targets: Vec::new(),
            }
        };
        vec![
            row("kafka-producer-perf-test, 1 KB", Tool::ProducerPerformance),
            row("kafka-consumer-perf-test, 1 KB", Tool::ConsumerPerformance),
        ]
    }
}

const PAIR: [Peer; 2] = [Peer::Braid, Peer::Kafka];
const KAFKAS: [Peer; 3] = [Peer::Braid, Peer::Kafka, Peer::KafkaFlushing];

fn produced(name: &str, load: Produce, targets: Vec<Target>) -> Row {
    produced_in(name, Steps::only(Load::KafkaProduce(load)), targets)
}

fn produced_in(name: &str, steps: Steps, targets: Vec<Target>) -> Row {
    Row {
        name: name.into(),
        peers: KAFKAS.into(),
        work: Work::Load(Box::new(steps)),
        targets,
    }
}

/// What surrounds a consumer.
enum Around {
    Cold,
    Beside(Produce),
}

fn only_if_missing(load: Produce) -> Produce {
    Produce {
        only_if_missing: true,
        seconds_max: 60.0,
        ..load
    }
}

fn produce_targets(flushing: bool) -> Vec<Target> {
    let mut targets = vec![
        ratio(Figure::Rate, Peer::Kafka, 1.2, 1.5),
        ratio(Figure::CpuPerGb, Peer::Kafka, 0.5, THIRD),
    ];
    if flushing {
        targets.push(ratio(Figure::Rate, Peer::KafkaFlushing, 2.0, 3.0));
        targets.push(ratio(Figure::CpuPerGb, Peer::KafkaFlushing, THIRD, 0.2));
    }
    targets
}

fn ratio(figure: Figure, peer: Peer, must: f64, aim: f64) -> Target {
    let bound = Bound::Of(peer);
    Target {
        figure,
        bound,
        must,
        aim,
    }
}

fn value(figure: Figure, must: f64, aim: f64) -> Target {
    let bound = Bound::Value;
    Target {
        figure,
        bound,
        must,
        aim,
    }
}

fn syncs(figure: Figure, aim: f64) -> Target {
    let bound = Bound::OfOrThreeSyncs(Peer::Kafka);
    Target {
        figure,
        bound,
        must: 0.5,
        aim,
    }
}
