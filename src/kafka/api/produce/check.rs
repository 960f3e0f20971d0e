//! What a produced batch is checked for before it is appended, in Kafka's order (spec §2.2).

use super::request::ProducePartition;
use crate::kafka::budget::{Budget, EXPANDED_BYTES_MAX, RECORD_BYTES_MAX};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code};
use crate::store::{Batch, Codec, HEADER_BYTES, Malformed, Settings, Timestamp, Walked};
use bytes::Bytes;
use std::ops::RangeInclusive;
use tokio::task::spawn_blocking;

/// Where a batch's magic is, in every format there ever was.
const MAGIC_AT: usize = 16;
/// Low byte of a batch's attributes.
const ATTRIBUTES_AT: usize = 22;
/// Records of one batch that are named in its refusal.
const RECORD_ERRORS_MAX: usize = 1000;

/// Why a batch is refused, and which of its records are to blame.
#[derive(Debug)]
pub struct Refused {
    pub error: ApiError,
    pub records: Vec<RecordError>,
}

/// A record by its place in the batch.
#[derive(Debug)]
pub struct RecordError {
    pub index: usize,
    pub message: &'static str,
}

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused {
            error: error.into(),
            records: Vec::new(),
        }
    }
}

/// Whether a partition's records claim to belong to a transaction; looked at before anything else.
pub fn is_transactional(records: Option<&Bytes>) -> bool {
    records.is_some_and(|bytes| {
        bytes.len() >= HEADER_BYTES && bytes[MAGIC_AT] == 2 && bytes[ATTRIBUTES_AT] & 0x10 != 0
    })
}

/// Takes what a client sent for one partition as the one batch it has to be.
pub async fn check(
    cx: &Cx,
    sent: ProducePartition,
    settings: &Settings,
    version: i16,
) -> Result<Batch, Refused> {
    let bytes = sent.records.unwrap_or_default();
    check_form(&bytes, version)?;
    check_size(bytes.len(), settings)?;
    let batch = Batch::parse(bytes)?;
    if batch.is_control() {
        return Err(invalid("Clients may not write control batches"));
    }
    if batch.is_log_append_time() {
        let text = "Clients may not set LogAppendTime";
        return Err(ApiError::new(Code::InvalidTimestamp, text).into());
    }
    let demands = Demands::of(settings, cx.clock.now());
    check_records(&cx.budget, &batch, demands).await?;
    Ok(match sent.berthed {
        Some(berthed) => batch.berthed(berthed),
        None => batch,
    })
}

fn check_form(bytes: &Bytes, version: i16) -> Result<(), Refused> {
    if bytes.is_empty() {
        return Err(Malformed::Empty.into());
    }
    // A batch of an older format has its magic in the same place.
    if let Some(magic) = bytes.get(MAGIC_AT).filter(|magic| **magic != 2) {
        return Err(Malformed::Magic(magic.cast_signed()).into());
    }
    let length = Batch::length_at(bytes)?;
    if bytes.len() > length {
        return Err(Malformed::Trailing(bytes.len() - length).into());
    }
    if version < 7 && bytes[ATTRIBUTES_AT] & 0x07 == 4 {
        let text = "Produce requests below version 7 cannot carry zstd";
        return Err(ApiError::new(Code::UnsupportedCompressionType, text).into());
    }
    if bytes[..8] != [0; 8] {
        return Err(invalid("The base offset of a produced batch must be 0"));
    }
    Ok(())
}

fn check_size(bytes: usize, settings: &Settings) -> Result<(), Refused> {
    let bytes_max = settings.batch_bytes_max();
    if bytes <= bytes_max {
        return Ok(());
    }
    let text = format!("The batch has {bytes} bytes, the topic's max.message.bytes is {bytes_max}");
    Err(ApiError::new(Code::MessageTooLarge, text).into())
}

/// What a topic demands of each record.
struct Demands {
    /// Compaction keeps the newest record of each key, so each must have one.
    keys: bool,
    /// `None` where the log's time replaces the producer's.
    times: Option<RangeInclusive<i64>>,
    /// Whether the header of a compressed batch is not enough: its maximum covers the future,
    /// which is what clocks get wrong, but neither keys nor the past.
    inside: bool,
}

impl Demands {
    fn of(settings: &Settings, now: Timestamp) -> Demands {
        let before_ms_max = settings.timestamp_before_ms_max();
        let earliest = now.0.saturating_sub(before_ms_max);
        let latest = now.0.saturating_add(settings.timestamp_after_ms_max());
        let times = (!settings.is_log_append_time()).then_some(earliest..=latest);
        let keys = settings.is_compacted();
        Demands {
            inside: keys || (times.is_some() && before_ms_max != i64::MAX),
            keys,
            times,
        }
    }

    /// Why a record of this time is refused, if it is. −1 is no time.
    fn time_error(&self, at: Timestamp) -> Option<ApiError> {
        let times = self.times.as_ref()?;
        if at.0 == -1 || times.contains(&at.0) {
            return None;
        }
        let (at, earliest, latest) = (at.0, times.start(), times.end());
        let text = format!("Timestamp {at} is out of range {earliest}..={latest}");
        Some(ApiError::new(Code::InvalidTimestamp, text))
    }

    /// Whether every record of a batch is as demanded.
    fn are_met(&self, walked: &Walked) -> bool {
        let mut ends = [walked.timestamp_min, walked.timestamp_max].into_iter();
        let keys = !self.keys || walked.null_key.is_none();
        keys && ends.all(|at| self.time_error(at).is_none())
    }
}

async fn check_records(budget: &Budget, batch: &Batch, demands: Demands) -> Result<(), Refused> {
    let header = demands.time_error(batch.max_timestamp());
    match batch.codec()? {
        Codec::None if demands.are_met(&batch.walk()?) => {}
        Codec::None => check_each(batch, &demands)?,
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd if demands.inside => {
            let turn = budget.opening().await;
            let batch = batch.clone();
            let opening = spawn_blocking(move || {
                let _turn = turn;
                check_each(&batch, &demands)
            });
            opening.await.map_err(|_| Code::UnknownServerError)??;
        }
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => {}
    }
    match header {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Names every record that is not as demanded. A wrong time among them decides the code.
fn check_each(batch: &Batch, demands: &Demands) -> Result<(), Refused> {
    let mut records = Vec::new();
    let mut untimely = None;
    let mut room_bytes = EXPANDED_BYTES_MAX;
    for (index, record) in batch.records(RECORD_BYTES_MAX).enumerate() {
        let record =
            record.map_err(|error| ApiError::new(Code::InvalidRecord, error.to_string()))?;
        room_bytes = room_bytes
            .checked_sub(record.bytes_len())
            .ok_or_else(|| invalid("The records expand beyond all measure"))?;
        let time_error = demands.time_error(record.timestamp);
        let message = match (&time_error, demands.keys && record.key.is_none()) {
            (_, true) => "Compacted topic cannot accept message without key",
            (Some(_), false) => "Timestamp is out of range",
            (None, false) => continue,
        };
        untimely = untimely.or(time_error);
        if records.len() < RECORD_ERRORS_MAX {
            records.push(RecordError { index, message });
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let text = "One or more records have been rejected";
    let error = untimely.unwrap_or_else(|| ApiError::new(Code::InvalidRecord, text));
    Err(Refused { error, records })
}

fn invalid(text: &str) -> Refused {
    ApiError::new(Code::InvalidRecord, text).into()
}
