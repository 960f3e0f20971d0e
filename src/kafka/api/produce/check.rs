//! What a produced batch is checked for before it is appended, in Kafka's order (spec §2.2).

use crate::kafka::error::{ApiError, Code};
use crate::store::{Batch, Codec, HEADER_BYTES, Malformed, Settings, Timestamp};
use bytes::Bytes;

/// Where a batch's magic is, in every format there ever was.
const MAGIC_AT: usize = 16;
/// Low byte of a batch's attributes.
const ATTRIBUTES_AT: usize = 22;
/// Longest record that is decompressed to look at its key.
const RECORD_BYTES_MAX: usize = 16 << 20;
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
pub fn check(
    records: Option<Bytes>,
    settings: &Settings,
    version: i16,
    now: Timestamp,
) -> Result<Batch, Refused> {
    let bytes = records.unwrap_or_default();
    check_form(&bytes, version)?;
    check_size(bytes.len(), settings)?;
    let batch = Batch::parse(bytes)?;
    if batch.is_control() {
        return Err(invalid("Clients may not write control batches"));
    }
    check_timestamps(&batch, settings, now)?;
    check_records(&batch, settings)?;
    Ok(batch)
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

/// By the header alone: its maximum covers the future, which is what clocks get wrong.
fn check_timestamps(batch: &Batch, settings: &Settings, now: Timestamp) -> Result<(), Refused> {
    let refuse = |text: String| Err(ApiError::new(Code::InvalidTimestamp, text).into());
    if batch.is_log_append_time() {
        return refuse("Clients may not set LogAppendTime".into());
    }
    let newest = batch.max_timestamp().0;
    if settings.is_log_append_time() || newest == -1 {
        return Ok(());
    }
    let earliest = now.0.saturating_sub(settings.timestamp_before_ms_max());
    let latest = now.0.saturating_add(settings.timestamp_after_ms_max());
    if (earliest..=latest).contains(&newest) {
        return Ok(());
    }
    refuse(format!(
        "Timestamp {newest} is out of range {earliest}..={latest}"
    ))
}

fn check_records(batch: &Batch, settings: &Settings) -> Result<(), Refused> {
    if batch.codec()? == Codec::None {
        let walked = batch.walk()?;
        if walked.null_key.is_none() {
            return Ok(());
        }
    }
    if settings.is_compacted() {
        return check_keys(batch);
    }
    Ok(())
}

/// Compaction keeps the newest record of each key, so each must have one.
fn check_keys(batch: &Batch) -> Result<(), Refused> {
    let mut records = Vec::new();
    for (index, record) in batch.records(RECORD_BYTES_MAX).enumerate() {
        let record =
            record.map_err(|error| ApiError::new(Code::InvalidRecord, error.to_string()))?;
        if record.key.is_none() && records.len() < RECORD_ERRORS_MAX {
            let message = "Compacted topic cannot accept message without key";
            records.push(RecordError { index, message });
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let text = "One or more records have been rejected";
    Err(Refused {
        error: ApiError::new(Code::InvalidRecord, text),
        records,
    })
}

fn invalid(text: &str) -> Refused {
    ApiError::new(Code::InvalidRecord, text).into()
}
