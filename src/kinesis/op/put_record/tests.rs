//! The scan and the general reading of a body must agree, on whatever comes.

use super::*;
use crate::kinesis::op::put_records::tests::{
    ReadEntry, changes, entry_member, mutated, read_entry,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

type Read = (ReadEntry, [Option<String>; 3], bool);

fn read(asked: &Asked<'_>) -> Read {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let texts = [
        owned(asked.stream_name),
        owned(asked.stream_arn),
        owned(asked.sequence_number_for_ordering),
    ];
    (read_entry(&asked.entry), texts, asked.dry_run)
}

fn scanned(body: &[u8]) -> Option<Read> {
    Asked::scanned(body).as_ref().map(read)
}

fn decoded(body: &[u8]) -> Option<Read> {
    let fields: Fields = input::decode(&Bytes::copy_from_slice(body)).ok()?;
    Some(read(&Asked::from(&fields)))
}

fn member() -> impl Strategy<Value = String> {
    let name = select(vec!["\"orders\"", "\"a b\"", "null", "\"\"", "3"]);
    prop_oneof![
        6 => entry_member(),
        2 => name.prop_map(|value| format!("\"StreamName\":{value}")),
        1 => Just("\"SequenceNumberForOrdering\":\"7\"".to_owned()),
        1 => Just("\"DryRun\":true".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_the_scan_takes_the_general_reading_takes_alike(
        members in vec(member(), 0..5),
        changes in changes(),
    ) {
        let body = format!("{{{}}}", members.join(",")).into_bytes();
        let body = mutated(body, &changes);
        if let Some(scanned) = scanned(&body) {
            prop_assert_eq!(Some(scanned), decoded(&body));
        }
    }
}

#[test]
fn a_body_as_clients_write_it_is_scanned() {
    let body = br#"{"StreamName": "orders", "Data": "aGVsbG8=", "PartitionKey": "k"}"#;
    let expected: ReadEntry = ("k".into(), None, b"hello".to_vec());
    let name = Some("orders".into());
    assert_eq!(scanned(body), Some((expected, [name, None, None], false)));
    assert_eq!(scanned(body), decoded(body));
}
