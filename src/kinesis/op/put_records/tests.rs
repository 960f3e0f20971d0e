//! The scan and the general reading of a body must agree, on whatever comes.

use super::*;
use crate::kinesis::sequence::SequenceNumber;
use crate::store::NewValue;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is read from a request, in values of their own.
type Read = (Vec<ReadEntry>, Option<String>, Option<String>, bool);
pub type ReadEntry = (String, Option<String>, Vec<u8>);

pub fn read_entry(entry: &Entry<'_>) -> ReadEntry {
    let mut data = Vec::new();
    entry.data.put(&mut data);
    let explicit = entry.explicit_hash_key.map(str::to_owned);
    (entry.partition_key.to_owned(), explicit, data)
}

fn read(asked: &Asked<'_>) -> Read {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let entries = asked.entries.iter().map(read_entry).collect();
    let (name, arn) = (owned(asked.stream_name), owned(asked.stream_arn));
    (entries, name, arn, asked.dry_run)
}

fn scanned(body: &[u8]) -> Option<Read> {
    Asked::scanned(body).as_ref().map(read)
}

fn decoded(body: &[u8]) -> Result<Read, ApiError> {
    let fields: Fields = input::decode(&Bytes::copy_from_slice(body))?;
    Ok(read(&Asked::from(&fields)))
}

/// A member of an entry with its value: legal, odd or wrong.
pub fn entry_member() -> impl Strategy<Value = String> {
    let data = select(vec![
        "\"\"",
        "\"aGVsbG8=\"",
        "\"aGVsbG8\"",
        "\"aGVs bG8=\"",
        "\"+/+=\"",
        "\"AAAA\"",
        "\"A\\/AA\"",
        "null",
        "7",
        "[]",
        "\"AAAA",
        "\"AA=A\"",
    ]);
    let key = select(vec![
        "\"k\"",
        "\"ключ\"",
        "\"\"",
        "\"a\\nb\"",
        "\"\\u00e9\"",
        "null",
        "true",
        "{}",
        "\"a\tb\"",
    ]);
    let explicit = select(vec!["\"0\"", "\"00\"", "\"42\"", "null", "\"x\"", "1"]);
    prop_oneof![
        4 => data.prop_map(|value| format!("\"Data\":{value}")),
        4 => key.prop_map(|value| format!("\"PartitionKey\" : {value}")),
        1 => explicit.prop_map(|value| format!("\"ExplicitHashKey\":{value}")),
        1 => Just("\"Other\":[{\"a\":null}]".to_owned()),
        4 => Just("\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"k\"".to_owned()),
    ]
}

fn member() -> impl Strategy<Value = String> {
    let entry = vec(entry_member(), 0..3).prop_map(|members| format!("{{{}}}", members.join(",")));
    let records = vec(entry, 0..4).prop_map(|entries| format!("[{}]", entries.join(" ,")));
    let name = select(vec!["\"orders\"", "\"a b\"", "null", "\"\"", "3"]);
    let arn = select(vec![
        "\"arn:aws:kinesis:r:000000000000:stream/orders\"",
        "\"x\"",
        "null",
    ]);
    prop_oneof![
        6 => records.prop_map(|value| format!("\"Records\":{value}")),
        4 => name.prop_map(|value| format!(" \"StreamName\": {value}\n")),
        1 => arn.prop_map(|value| format!("\"StreamARN\":{value}")),
        1 => select(vec!["true", "false", "null"]).prop_map(|value| format!("\"DryRun\":{value}")),
    ]
}

/// A body with a few bytes changed, added or taken away.
pub fn mutated(body: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut body = body;
    for (at, kind, byte) in changes {
        let at = at.index(body.len() + 1);
        match kind % 4 {
            0 if at < body.len() => body[at] = *byte,
            1 if at < body.len() => drop(body.remove(at)),
            2 => body.insert(at, *byte),
            3 => body.truncate(at),
            _ => {}
        }
    }
    body
}

pub fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    let change = (any::<Index>(), any::<u8>(), changed_byte());
    prop_oneof![Just(Vec::new()), vec(change, 1..4)]
}

fn changed_byte() -> impl Strategy<Value = u8> {
    let telling = b"\"\\{}[]:, =n0\x00\x1f\xc3".to_vec();
    prop_oneof![select(telling), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_the_scan_takes_the_general_reading_takes_alike(
        members in vec(member(), 0..4),
        changes in changes(),
    ) {
        let body = format!("{{{}}}", members.join(",")).into_bytes();
        let body = mutated(body, &changes);
        if let Some(scanned) = scanned(&body) {
            prop_assert_eq!(Ok(scanned), decoded(&body));
        }
    }

    #[test]
    fn a_legal_body_with_bytes_changed_is_read_alike(
        changes in vec((any::<Index>(), any::<u8>(), changed_byte()), 1..4),
    ) {
        let body = r#"{"StreamName":"orders", "Records":[{"Data":"aGVsbG8=","PartitionKey":"k-1",
            "ExplicitHashKey":"17"},{"PartitionKey":"é","Data":"AAECAwQFBgcICQ=="}]}"#;
        prop_assert!(scanned(body.as_bytes()).is_some());
        let body = mutated(body.into(), &changes);
        if let Some(scanned) = scanned(&body) {
            prop_assert_eq!(Ok(scanned), decoded(&body));
        }
    }

    #[test]
    fn a_body_as_clients_write_it_is_scanned(
        entries in vec((
            "[a-zA-Z0-9 é-]{1,40}",
            vec(any::<u8>(), 0..100),
            any::<Option<u32>>(),
        ), 1..20),
        is_pretty: bool,
    ) {
        let entries = entries.iter().map(|(key, data, explicit)| {
            let data = crate::kinesis::base64::encode(data);
            let mut entry = serde_json::json!({ "Data": data, "PartitionKey": key });
            if let Some(explicit) = explicit {
                entry["ExplicitHashKey"] = explicit.to_string().into();
            }
            entry
        });
        let entries: Vec<_> = entries.collect();
        let body = serde_json::json!({ "StreamName": "orders", "Records": entries });
        let body = if is_pretty {
            serde_json::to_vec_pretty(&body)
        } else {
            serde_json::to_vec(&body)
        };
        let body = body.expect("JSON");
        let scanned = scanned(&body);
        prop_assert!(scanned.is_some());
        prop_assert_eq!(scanned, decoded(&body).ok());
    }
}

#[test]
fn limits_are_for_the_general_reading_to_refuse() {
    let entry = |key: &str| format!("{{\"Data\":\"\",\"PartitionKey\":\"{key}\"}}");
    let body = |entries: &[String]| {
        let entries = entries.join(",");
        format!("{{\"StreamName\":\"orders\",\"Records\":[{entries}]}}").into_bytes()
    };
    for (entries, is_legal) in [
        (vec![entry(&"k".repeat(256))], true),
        (vec![entry(&"k".repeat(257))], false),
        (vec![entry("k"); 500], true),
        (vec![entry("k"); 501], false),
        (Vec::new(), false),
    ] {
        let body = body(&entries);
        assert_eq!(scanned(&body).is_some(), is_legal);
        assert_eq!(decoded(&body).is_ok(), is_legal);
    }
}

#[test]
fn the_results_of_a_batch_are_consecutive() {
    let shard = |number| StoredBatch {
        shard: crate::store::ShardNumber(number),
        first: SequenceNumber::parse("49646437577175378652512468275256581209501454778614415410")
            .expect("a number"),
    };
    let output = Output(Stored {
        batches: vec![Ok(shard(3)), Err(StoreError::Stopping)],
        places: vec![0, 1, 0],
    });
    let body = answer::Output::body(output).expect("a body").concat();
    let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(answer["FailedRecordCount"], 1);
    let records = answer["Records"].as_array().expect("a list");
    assert_eq!(records[0]["ShardId"], "shardId-000000000003");
    assert_eq!(records[1]["ErrorCode"], "InternalFailure");
    assert!(records[1].get("ShardId").is_none());
    let number = |at: usize| {
        let text = records[at]["SequenceNumber"].as_str().expect("text");
        SequenceNumber::parse(text).expect("a number").offset.0
    };
    assert_eq!(number(2), number(0) + 1);
}
