//! The one table of topic settings: what may be set, to what, and what holds otherwise.
//!
//! CreateTopics and IncrementalAlterConfigs check by it, DescribeConfigs tells it. Names,
//! defaults and bounds are those of Kafka's `LogConfig` (spec §2.8).

use super::cx::Cx;
use super::error::{ApiError, Code};
use crate::store::Settings;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A value's type, with its number in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

impl Kind {
    pub fn number(self) -> i8 {
        self as i8
    }
}

/// What is told of a setting that braid has no use for.
pub const WITHOUT_EFFECT: &str = "Kept and told, without effect.";

/// One row of the table.
#[derive(Debug)]
pub struct TopicSetting {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    check: Check,
    /// The broker's setting that a topic's default comes from in Kafka.
    pub broker_name: &'static str,
    pub documentation: &'static str,
}

/// Which values of the right type are allowed.
#[derive(Debug)]
enum Check {
    Any,
    AtLeast(i64),
    Within(RangeInclusive<i64>),
    /// −1 or within.
    Level(RangeInclusive<i64>),
    OneOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    /// From 0 to 1.
    Ratio,
    /// From 0 to the largest batch that the server takes.
    BatchBytes,
}

/// Bounds that depend on how the server was started.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// No larger batch can arrive.
    pub batch_bytes_max: usize,
}

impl Bounds {
    pub fn of(cx: &Cx) -> Bounds {
        Bounds {
            batch_bytes_max: cx.config.frame_bytes_max,
        }
    }
}

macro_rules! topic_settings {
    ($(
        $name:literal $kind:ident = $default:literal, $check:expr, $broker:literal, $doc:expr;
    )*) => {
        pub const TOPIC_SETTINGS: &[TopicSetting] = &[$(TopicSetting {
            name: $name,
            kind: Kind::$kind,
            default: $default,
            check: $check,
            broker_name: $broker,
            documentation: $doc,
        },)*];
    };
}

use Check::{Any, AtLeast, BatchBytes, Level, OneOf, Ratio, SomeOf, Within};

const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

topic_settings! {
    "cleanup.policy" List = "delete", SomeOf(&["compact", "delete"]), "log.cleanup.policy",
        "Whether old records are deleted, compacted by key, or both.";
    "compression.gzip.level" Int = "-1", Level(1..=9), "compression.gzip.level", WITHOUT_EFFECT;
    "compression.lz4.level" Int = "9", Within(1..=17), "compression.lz4.level", WITHOUT_EFFECT;
    "compression.type" String = "producer", OneOf(CODECS), "compression.type", WITHOUT_EFFECT;
    "compression.zstd.level" Int = "3", Within(-131_072..=22), "compression.zstd.level",
        WITHOUT_EFFECT;
    "delete.retention.ms" Long = "86400000", AtLeast(0), "log.cleaner.delete.retention.ms",
        WITHOUT_EFFECT;
    "file.delete.delay.ms" Long = "60000", AtLeast(0), "log.segment.delete.delay.ms",
        WITHOUT_EFFECT;
    "flush.messages" Long = "9223372036854775807", AtLeast(1), "log.flush.interval.messages",
        WITHOUT_EFFECT;
    "flush.ms" Long = "9223372036854775807", AtLeast(0), "log.flush.interval.ms", WITHOUT_EFFECT;
    "follower.replication.throttled.replicas" List = "", Any,
        "follower.replication.throttled.replicas", WITHOUT_EFFECT;
    "index.interval.bytes" Int = "4096", AtLeast(0), "log.index.interval.bytes", WITHOUT_EFFECT;
    "kinesis.max.record.kib" Int = "1024", Within(1024..=10_240), "kinesis.max.record.kib",
        "Largest record that may be put through Kinesis, partition key included, in KiB.";
    "leader.replication.throttled.replicas" List = "", Any,
        "leader.replication.throttled.replicas", WITHOUT_EFFECT;
    "local.retention.bytes" Long = "-2", AtLeast(-2), "log.local.retention.bytes", WITHOUT_EFFECT;
    "local.retention.ms" Long = "-2", AtLeast(-2), "log.local.retention.ms", WITHOUT_EFFECT;
    "max.compaction.lag.ms" Long = "9223372036854775807", AtLeast(1),
        "log.cleaner.max.compaction.lag.ms", WITHOUT_EFFECT;
    "max.message.bytes" Int = "1048588", BatchBytes, "message.max.bytes",
        "Largest record batch that a Kafka producer may send.";
    "message.timestamp.after.max.ms" Long = "3600000", AtLeast(0),
        "log.message.timestamp.after.max.ms", "How far a record's timestamp may be ahead.";
    "message.timestamp.before.max.ms" Long = "9223372036854775807", AtLeast(0),
        "log.message.timestamp.before.max.ms", "How far a record's timestamp may be behind.";
    "message.timestamp.type" String = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]),
        "log.message.timestamp.type", "Whether records carry the producer's time or arrival.";
    "min.cleanable.dirty.ratio" Double = "0.5", Ratio, "log.cleaner.min.cleanable.ratio",
        WITHOUT_EFFECT;
    "min.compaction.lag.ms" Long = "0", AtLeast(0), "log.cleaner.min.compaction.lag.ms",
        WITHOUT_EFFECT;
    "min.insync.replicas" Int = "1", AtLeast(1), "min.insync.replicas", WITHOUT_EFFECT;
    "preallocate" Boolean = "false", Any, "log.preallocate", WITHOUT_EFFECT;
    "remote.log.copy.disable" Boolean = "false", Any, "remote.log.copy.disable", WITHOUT_EFFECT;
    "remote.log.delete.on.disable" Boolean = "false", Any, "remote.log.delete.on.disable",
        WITHOUT_EFFECT;
    "remote.storage.enable" Boolean = "false", Any, "remote.storage.enable", WITHOUT_EFFECT;
    "retention.bytes" Long = "-1", AtLeast(-1), "log.retention.bytes",
        "Bytes of each partition that are kept; -1 for all.";
    "retention.ms" Long = "604800000", AtLeast(-1), "log.retention.ms",
        "How long records are kept after arrival; -1 for ever.";
    "segment.bytes" Int = "1073741824", AtLeast(14), "log.segment.bytes", WITHOUT_EFFECT;
    "segment.index.bytes" Int = "10485760", AtLeast(4), "log.index.size.max.bytes",
        WITHOUT_EFFECT;
    "segment.jitter.ms" Long = "0", AtLeast(0), "log.roll.jitter.ms", WITHOUT_EFFECT;
    "segment.ms" Long = "604800000", AtLeast(1), "log.roll.ms", WITHOUT_EFFECT;
    "unclean.leader.election.enable" Boolean = "false", Any, "unclean.leader.election.enable",
        WITHOUT_EFFECT;
}

/// Accepted from old tools, and dropped: Kafka 4 no longer knows them.
const DROPPED: [&str; 3] = [
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.difference.max.ms",
];

/// What IncrementalAlterConfigs does with one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

/// One change to one setting.
#[derive(Clone, Debug)]
pub struct Change {
    pub name: String,
    pub operation: Operation,
    pub value: Option<String>,
}

/// Settings after `changes`, all of them or none.
pub fn changed(
    settings: &Settings,
    changes: &[Change],
    bounds: Bounds,
) -> Result<Settings, ApiError> {
    let mut named = BTreeSet::new();
    if let Some(twice) = changes.iter().find(|change| !named.insert(&change.name)) {
        let text = format!("Error due to duplicate config keys: {}", twice.name);
        return Err(ApiError::new(Code::InvalidRequest, text));
    }
    let mut settings = settings.clone();
    for change in changes {
        change.apply(&mut settings, bounds)?;
    }
    Ok(settings)
}

/// Settings that `changes` alone make, but for those of the other face, which this one does not
/// know: they stay.
pub fn replaced(
    settings: &Settings,
    changes: &[Change],
    bounds: Bounds,
) -> Result<Settings, ApiError> {
    let mut unknown = settings.clone();
    unknown
        .0
        .retain(|name, _| TopicSetting::find(name).is_err());
    changed(&unknown, changes, bounds)
}

impl Change {
    fn apply(&self, settings: &mut Settings, bounds: Bounds) -> Result<(), ApiError> {
        if self.operation == Operation::Delete {
            // Resetting what is unknown does nothing, and the other face's settings are unknown.
            if TopicSetting::find(&self.name).is_ok() {
                settings.0.remove(&self.name);
            }
            return Ok(());
        }
        if DROPPED.contains(&self.name.as_str()) {
            return Ok(());
        }
        let setting = TopicSetting::find(&self.name)?;
        let Some(value) = &self.value else {
            let text = format!("Null value not supported for : {}", self.name);
            return Err(ApiError::new(Code::InvalidRequest, text));
        };
        let held = items(setting.value(settings));
        let given = items(value);
        let value = match self.operation {
            Operation::Set | Operation::Delete => value.clone(),
            _ if setting.kind != Kind::List => return Err(self.needs_list()),
            Operation::Append => {
                let new = given.iter().filter(|item| !held.contains(item));
                held.iter()
                    .chain(new)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(",")
            }
            Operation::Subtract => {
                let rest = held.iter().filter(|item| !given.contains(item));
                rest.copied().collect::<Vec<_>>().join(",")
            }
        };
        let value = setting.checked(&value, bounds)?;
        settings.0.insert(self.name.clone(), value);
        Ok(())
    }

    fn needs_list(&self) -> ApiError {
        let text = format!(
            "Can't {:?} to key {} that is no list.",
            self.operation, self.name
        );
        ApiError::new(Code::InvalidConfig, text)
    }
}

impl TopicSetting {
    fn find(name: &str) -> Result<&'static TopicSetting, ApiError> {
        let found = TOPIC_SETTINGS.iter().find(|setting| setting.name == name);
        found.ok_or_else(|| {
            let text = format!("Unknown topic config name: {name}");
            ApiError::new(Code::InvalidConfig, text)
        })
    }

    /// The value that holds.
    pub fn value<'a>(&self, settings: &'a Settings) -> &'a str {
        settings.get(self.name).unwrap_or(self.default)
    }

    /// The value in its plain form, if it is allowed.
    fn checked(&self, value: &str, bounds: Bounds) -> Result<String, ApiError> {
        let value = value.trim();
        let plain = match self.kind {
            Kind::Boolean => value.to_lowercase(),
            Kind::List => items(value).join(","),
            Kind::String | Kind::Int | Kind::Long | Kind::Double => value.to_owned(),
        };
        if self.is_typed(&plain) && self.check.allows(&plain, bounds) {
            return Ok(plain);
        }
        let text = format!("Invalid value {value} for configuration {}", self.name);
        Err(ApiError::new(Code::InvalidConfig, text))
    }

    fn is_typed(&self, value: &str) -> bool {
        match self.kind {
            Kind::Boolean => matches!(value, "true" | "false"),
            Kind::Int => value.parse::<i32>().is_ok(),
            Kind::Long => value.parse::<i64>().is_ok(),
            Kind::Double => value.parse::<f64>().is_ok(),
            Kind::String | Kind::List => true,
        }
    }
}

impl Check {
    fn allows(&self, value: &str, bounds: Bounds) -> bool {
        let number = value.parse::<i64>();
        let is_in = |range: &RangeInclusive<i64>| number.as_ref().is_ok_and(|n| range.contains(n));
        match self {
            Any => true,
            AtLeast(least) => is_in(&(*least..=i64::MAX)),
            Within(range) => is_in(range),
            Level(range) => is_in(range) || is_in(&(-1..=-1)),
            OneOf(words) => words.contains(&value),
            SomeOf(words) => {
                let items = items(value);
                !items.is_empty() && items.iter().all(|item| words.contains(item))
            }
            Ratio => value
                .parse()
                .is_ok_and(|ratio: f64| (0.0..=1.0).contains(&ratio)),
            BatchBytes => {
                let most = i64::try_from(bounds.batch_bytes_max).unwrap_or(i64::MAX);
                is_in(&(0..=most))
            }
        }
    }
}

fn items(list: &str) -> Vec<&str> {
    let items = list.split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        batch_bytes_max: 10_000_000,
    };

    fn change(name: &str, operation: Operation, value: &str) -> Change {
        Change {
            name: name.into(),
            operation,
            value: Some(value.into()),
        }
    }

    fn set(name: &str, value: &str) -> Result<Settings, Code> {
        let changes = [change(name, Operation::Set, value)];
        changed(&Settings::default(), &changes, BOUNDS).map_err(|error| error.code)
    }

    #[test]
    fn every_default_passes_its_own_check_and_rows_are_sorted() {
        for setting in TOPIC_SETTINGS {
            let checked = setting.checked(setting.default, BOUNDS);
            assert_eq!(checked.as_deref(), Ok(setting.default), "{}", setting.name);
        }
        assert!(TOPIC_SETTINGS.is_sorted_by_key(|setting| setting.name));
    }

    #[test]
    fn a_value_is_checked_for_type_and_range_and_kept_in_plain_form() {
        for (name, value) in [
            ("no.such.key", "1"),
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("max.message.bytes", "10000001"),
            ("segment.bytes", "3000000000"),
            ("cleanup.policy", "delete,burn"),
            ("cleanup.policy", ""),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("preallocate", "yes"),
            ("compression.gzip.level", "0"),
        ] {
            assert_eq!(set(name, value), Err(Code::InvalidConfig), "{name}={value}");
        }
        let plain = set("cleanup.policy", " compact, delete ").expect("a legal policy");
        assert_eq!(plain.get("cleanup.policy"), Some("compact,delete"));
        let old = set("message.format.version", "2.8").expect("accepted");
        assert_eq!(old, Settings::default());
    }

    #[test]
    fn lists_grow_and_shrink_and_nothing_else_does() {
        let append = [change(
            "cleanup.policy",
            Operation::Append,
            "compact,delete",
        )];
        let both = changed(&Settings::default(), &append, BOUNDS).expect("a list");
        assert_eq!(both.get("cleanup.policy"), Some("delete,compact"));
        let subtract = [change("cleanup.policy", Operation::Subtract, "delete")];
        let compact = changed(&both, &subtract, BOUNDS).expect("a list");
        assert_eq!(compact.get("cleanup.policy"), Some("compact"));
        let number = [change("retention.ms", Operation::Append, "1")];
        let refused = changed(&Settings::default(), &number, BOUNDS);
        assert_eq!(
            refused.map_err(|error| error.code),
            Err(Code::InvalidConfig)
        );
    }

    #[test]
    fn all_changes_apply_or_none_and_no_key_twice() {
        let before = set("retention.ms", "1000").expect("legal");
        let reset = Change {
            value: None,
            ..change("retention.ms", Operation::Delete, "")
        };
        let after = changed(&before, std::slice::from_ref(&reset), BOUNDS).expect("legal");
        assert_eq!(after, Settings::default());
        let twice = changed(&before, &[reset.clone(), reset], BOUNDS);
        assert_eq!(twice.map_err(|error| error.code), Err(Code::InvalidRequest));
    }

    #[test]
    fn settings_of_the_other_face_are_out_of_reach() {
        let mut both = set("retention.ms", "1000").expect("legal");
        both.0.insert("kinesis.tag.owner".into(), "kafka".into());
        let reset = Change {
            value: None,
            ..change("kinesis.tag.owner", Operation::Delete, "")
        };
        assert_eq!(changed(&both, &[reset], BOUNDS).as_ref(), Ok(&both));
        let left = replaced(&both, &[], BOUNDS).expect("legal");
        assert_eq!(left.get("kinesis.tag.owner"), Some("kafka"));
        assert_eq!(left.get("retention.ms"), None);
    }
}
