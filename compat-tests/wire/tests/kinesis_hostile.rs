//! Hostile bodies, heads and senders: the server answers or closes, and goes on serving others.

use braid_wire::{Kinesis, Program, TestServer};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(60);
/// Near the largest body that is read.
const LARGE_BYTES: usize = 19 << 20;
const ADDRESS_SPACE_KIB: u64 = 524_288;
/// Bodies and answers have 64 MiB each at most; records, and the program itself, come on top.
const RESIDENT_KIB_MAX: u64 = 400 << 10;

/// Every operation, with a request that is well formed.
fn operations() -> Vec<(&'static str, Value)> {
    let record = json!({"Data": "aGVsbG8=", "PartitionKey": "k"});
    let iterator =
        json!({"StreamName": "s", "ShardId": "shardId-0", "ShardIteratorType": "LATEST"});
    let put = json!({"StreamName": "s", "Data": "aGVsbG8=", "PartitionKey": "k"});
    vec![
        (
            "CreateStream",
            json!({"StreamName": "s", "ShardCount": 1, "Tags": {"a": "b"}}),
        ),
        ("DescribeStream", json!({"StreamName": "s", "Limit": 1})),
        ("DescribeStreamSummary", json!({"StreamName": "s"})),
        ("GetRecords", json!({"ShardIterator": "AAAA", "Limit": 1})),
        ("GetShardIterator", iterator),
        (
            "ListShards",
            json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}}),
        ),
        ("ListStreams", json!({"Limit": 1})),
        ("PutRecord", put),
        (
            "PutRecords",
            json!({"StreamName": "s", "Records": [record]}),
        ),
        ("DeleteStream", json!({"StreamName": "s"})),
    ]
}

/// `opening`, `piece` again and again, `closing`: so many bytes or a few more.
fn filled(bytes: usize, [opening, piece, closing]: [&str; 3]) -> Vec<u8> {
    [opening, &piece.repeat(bytes / piece.len()), closing]
        .concat()
        .into_bytes()
}

/// Bodies of one small piece again and again, most of them well formed.
const BODIES: [[&str; 3]; 15] = [
    ["{\"Unknown\":[", "0,", "0]}"],
    ["{\"Unknown\":", "[", ""],
    ["{\"StreamName\":\"s\",\"Records\":", "[", ""],
    ["{\"ShardFilter\":", "{\"ShardFilter\":", ""],
    [
        "{\"StreamName\":\"s\",\"Records\":[",
        "{\"Data\":\"\",\"PartitionKey\":\"k\"},",
        "{}]}",
    ],
    ["{\"StreamName\":\"s\",\"Records\":[", "{},", "{}]}"],
    [
        "{\"StreamName\":\"s\",\"Tags\":{",
        "\"a\":\"b\",",
        "\"c\":\"d\"}}",
    ],
    ["{\"StreamName\":\"s\",\"Limit\":[", "1,", "1]}"],
    ["{", "\"StreamName\":\"s\",", "\"Limit\":1}"],
    ["{\"StreamName\":\"", "\\u0000", "\"}"],
    ["{\"StreamARN\":\"", ":stream/", "\"}"],
    ["{\"NextToken\":\"", "AAAA", "\",\"Limit\":1}"],
    ["{\"ShardIterator\":\"", "AAAA", "\"}"],
    [
        "{\"StreamName\":\"s\",\"PartitionKey\":\"k\",\"Data\":\"",
        "A?==",
        "\"}",
    ],
    ["{\"Limit\":", "9", "}"],
];

/// Sends a body on a connection of its own; the status, or `None` if the server closed.
async fn status(address: SocketAddr, operation: String, body: Vec<u8>) -> Option<u16> {
    let asking = tokio::spawn(async move {
        let mut client = Kinesis::connect(address).await;
        client.try_call_raw(&operation, &body).await.status
    });
    asking.await.ok()
}

async fn assert_serving(address: SocketAddr) {
    let mut client = Kinesis::connect(address).await;
    client.call("ListStreams", json!({})).await;
}

/// Opens a connection, sends these bytes, and keeps it.
async fn half_open(address: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    Some(stream)
}

fn head(operation: &str, length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_request_cut_off_anywhere_is_refused_or_waited_for() {
    let server = TestServer::start().await;
    let address = server.http_address();

    for (operation, input) in operations() {
        let body = input.to_string().into_bytes();
        let mut client = Kinesis::connect(address).await;
        for end in 1..body.len() {
            let answer = client.try_call_raw(operation, &body[..end]).await;
            assert_eq!(answer.status, 400, "{operation} cut at {end}");
            assert_eq!(answer.body, br#"{"__type":"SerializationException"}"#);
        }
    }
    assert_serving(address).await;
}

/// Sends every body to an operation, all at once.
async fn assert_answered(address: SocketAddr, operation: &str, bodies: &[[&str; 3]], bytes: usize) {
    let bodies = bodies.iter().map(|body| filled(bytes, *body));
    let asking: JoinSet<_> = bodies
        .map(|body| status(address, operation.into(), body))
        .collect();
    for status in asking.join_all().await {
        let allowed = [None, Some(200), Some(400), Some(503)];
        assert!(allowed.contains(&status), "{operation}: {status:?}");
    }
}

#[tokio::test]
async fn a_small_program_survives_hostile_bodies_for_every_operation() {
    let mut program = Program::start(ADDRESS_SPACE_KIB).await;
    let address = program.http_address();

    for (operation, _) in operations() {
        assert_answered(address, operation, &BODIES, 256 << 10).await;
        program.assert_alive();
    }
    // Unknown members, lists without end, valid entries, tags, an escaped name.
    for kind in [0, 2, 4, 6, 9] {
        assert_answered(address, "PutRecords", &BODIES[kind..=kind], LARGE_BYTES).await;
    }
    assert_answered(address, "PutRecords", &[BODIES[4]; 6], LARGE_BYTES).await;
    program.assert_alive();

    assert_serving(address).await;
    let resident = program.resident_kib_max();
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
}

#[tokio::test]
async fn a_small_program_survives_readers_that_do_not_read() {
    let mut program = Program::start(ADDRESS_SPACE_KIB).await;
    let address = program.http_address();
    let mut client = Kinesis::connect(address).await;
    client
        .call("CreateStream", json!({"StreamName": "s", "ShardCount": 1}))
        .await;
    let data = "A".repeat(1_300_000);
    for _ in 0..9 {
        let put = json!({"StreamName": "s", "PartitionKey": "k", "Data": data});
        client.call("PutRecord", put).await;
    }
    let first =
        json!({"StreamName": "s", "ShardId": "shardId-0", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = client.call("GetShardIterator", first).await["ShardIterator"].take();
    let body = json!({"ShardIterator": iterator}).to_string();
    let signature = "Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/kinesis/aws4_request, \
                     SignedHeaders=host, Signature=d\r\nX-Amz-Date: 20260101T000000Z\r\n\r\n";
    let request = head("GetRecords", body.len()).replace("\r\n\r\n", "\r\n") + signature + &body;

    let mut kept = Vec::new();
    for _ in 0..100 {
        kept.extend(half_open(address, request.as_bytes()).await);
    }
    assert_serving(address).await;
    // Whoever does read is answered, or told to come back.
    let mut read = [0; 12];
    let mut readers = kept.split_off(kept.len() - 2);
    for reader in &mut readers {
        let answered = timeout(WAIT, reader.read_exact(&mut read)).await;
        answered.expect("an answer in time").expect("a status line");
        assert!([b"HTTP/1.1 200", b"HTTP/1.1 503"].contains(&&read));
    }

    program.assert_alive();
    let resident = program.resident_kib_max();
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_with_413() {
    let server = TestServer::start().await;
    let address = server.http_address();
    let beyond = (20 << 20) + 1;

    assert_eq!(
        status(address, "PutRecords".into(), vec![b'{'; beyond]).await,
        Some(413)
    );
    let mut client = server.kinesis().await;
    let chunked = head("PutRecords", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    client.send_raw(chunked.as_bytes()).await;
    for _ in 0..21 {
        client.send_raw(b"100000\r\n").await;
        client.send_raw(&vec![b'{'; 1 << 20]).await;
        client.send_raw(b"\r\n").await;
    }
    client.send_raw(b"0\r\n\r\n").await;
    assert_eq!(client.receive().await.status, 413);
    assert_serving(address).await;
}

#[tokio::test]
async fn heads_without_end_are_refused_or_closed() {
    let server = TestServer::start().await;
    let address = server.http_address();
    let many: String = (0..5000).map(|n| format!("X-Flood-{n}: x\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(1 << 20));

    for start in [
        format!("POST / HTTP/1.1\r\n{many}\r\n"),
        format!("POST / HTTP/1.1\r\n{long}\r\n"),
        "x".repeat(1 << 20),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into(),
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nwhatever this is, it is no frame of HTTP/2".into(),
    ] {
        let Some(mut stream) = half_open(address, start.as_bytes()).await else {
            continue;
        };
        let mut answer = Vec::new();
        // A reset is an end, too.
        let ended = timeout(WAIT, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "closed: {}", &start[..start.len().min(40)]);
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
    assert_serving(address).await;
}

#[tokio::test]
async fn slow_and_half_open_senders_do_not_keep_others_out() {
    let mut program = Program::start(ADDRESS_SPACE_KIB).await;
    let address = program.http_address();
    let large = head("PutRecords", 20 << 20) + "{\"Records\":[";
    let starts = [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "POST / HTTP/1.1\r\nHost: x",
        &large,
    ];

    let mut kept = Vec::new();
    for number in 0..3000 {
        let start = starts[number % starts.len()];
        kept.extend(half_open(address, start.as_bytes()).await);
    }

    assert_serving(address).await;
    program.assert_alive();
    let resident = program.resident_kib_max();
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
    drop(kept);
}
