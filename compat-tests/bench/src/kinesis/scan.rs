//! What is read of an answer: a few members, found by their names.

use anyhow::{Result, ensure};
use memchr::memmem;

/// Bytes at either end of an answer in which its own members are looked for first.
const EDGE_BYTES: usize = 1 << 10;

/// The text of a member, without its quotes.
pub fn text<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let mark = format!("\"{name}\":\"");
    let edge = body.len().min(EDGE_BYTES);
    let tail = body.len() - edge;
    let at = memmem::find(&body[..edge], mark.as_bytes())
        .or_else(|| memmem::find(&body[tail..], mark.as_bytes()).map(|at| at + tail))
        .or_else(|| memmem::find(body, mark.as_bytes()))?;
    let value = &body[at + mark.len()..];
    let end = memchr::memchr(b'"', value)?;
    std::str::from_utf8(&value[..end]).ok()
}

/// The texts of all members of this name.
pub fn texts<'a>(body: &'a [u8], name: &str) -> Vec<&'a str> {
    let mark = format!("\"{name}\":\"");
    let starts = memmem::find_iter(body, mark.as_bytes());
    let text = |at: usize| {
        let value = &body[at + mark.len()..];
        let end = memchr::memchr(b'"', value)?;
        std::str::from_utf8(&value[..end]).ok()
    };
    starts.filter_map(text).collect()
}

/// Records in an answer of GetRecords.
pub fn records(body: &[u8]) -> u64 {
    memmem::find_iter(body, b"\"PartitionKey\":").count() as u64
}

/// Refuses an answer of PutRecords in which a record was not stored.
pub fn all_stored(body: &[u8]) -> Result<()> {
    let is_stored = memmem::find(body, b"\"FailedRecordCount\":0").is_some();
    ensure!(is_stored, "not every record was stored");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_wherever_they_are() {
        let filling = "x".repeat(3 * EDGE_BYTES);
        let body =
            format!("{{\"Records\":[\"{filling}\"],\"Next\":\"there\",\"More\":\"{filling}\"}}");
        assert_eq!(text(body.as_bytes(), "Next"), Some("there"));
        assert_eq!(text(body.as_bytes(), "Absent"), None);
    }

    #[test]
    fn records_are_counted_by_their_keys() {
        let body = br#"{"Records":[{"PartitionKey":"a"},{"PartitionKey":"b"}]}"#;
        assert_eq!(records(body), 2);
    }

    #[test]
    fn an_answer_with_a_failed_record_is_refused() {
        assert!(all_stored(br#"{"FailedRecordCount":0,"Records":[]}"#).is_ok());
        assert!(all_stored(br#"{"FailedRecordCount":1,"Records":[]}"#).is_err());
    }
}
