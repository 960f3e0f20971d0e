//! The HTTP layer of the Kinesis face: routing, errors and their order (spec A.3–A.8). Expected
//! texts are those recorded from the service.

use braid_wire::{HttpAnswer, Kinesis, TestServer};
use serde_json::{Value, json};

const XML: &str = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name \
                   to be authorized</Message>\n</AccessDeniedException>\n";
const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";
const LIST: &str = "Kinesis_20131202.ListStreams";

/// A request without a signature.
struct Asked<'a> {
    method: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Asked<'_> {
    async fn send(&self, client: &mut Kinesis) -> HttpAnswer {
        let mut head = format!("{} / HTTP/1.1\r\nHost: localhost\r\n", self.method);
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        client.send_raw(head.as_bytes()).await;
        client.send_raw(self.body).await;
        client.receive().await
    }
}

async fn post(client: &mut Kinesis, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    let (method, body) = ("POST", body.as_bytes());
    let asked = Asked {
        method,
        headers,
        body,
    };
    asked.send(client).await
}

fn text(answer: &HttpAnswer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

#[tokio::test]
async fn every_answer_carries_its_ids_and_a_date() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    let first = client.try_call("ListStreams", &json!({})).await;
    let second = client.try_call("ListStreams", &json!({})).await;

    assert_eq!(first.header("content-type"), Some(JSON));
    assert_eq!(first.header("x-amzn-requestid").map(str::len), Some(36));
    assert_eq!(first.header("x-amz-id-2").map(str::len), Some(96));
    assert!(
        first
            .header("date")
            .is_some_and(|date| date.ends_with(" GMT"))
    );
    assert_ne!(
        first.header("x-amzn-requestid"),
        second.header("x-amzn-requestid")
    );
    assert_ne!(first.header("x-amz-id-2"), second.header("x-amz-id-2"));
}

#[tokio::test]
async fn another_method_than_post_names_no_operation() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let headers = &[("Content-Type", JSON), ("X-Amz-Target", LIST)];
        let body = b"{}";
        let asked = Asked {
            method,
            headers,
            body,
        };
        let answer = asked.send(&mut client).await;
        assert_eq!((answer.status, text(&answer)), (403, XML), "{method}");
    }
}

#[tokio::test]
async fn a_browser_may_ask_from_anywhere() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let headers = &[
        ("Origin", "https://example.com"),
        ("Access-Control-Request-Headers", "x-amz-target"),
        ("Access-Control-Request-Method", "POST"),
    ];

    let (method, body) = ("OPTIONS", &b""[..]);
    let preflight = Asked {
        method,
        headers,
        body,
    };
    let preflight = preflight.send(&mut client).await;
    let refused = post(&mut client, &[("Origin", "null")], "x").await;

    assert_eq!((preflight.status, text(&preflight)), (200, ""));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("x-amz-target")
    );
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("POST")
    );
    assert_eq!(preflight.header("access-control-max-age"), Some("172800"));
    assert_eq!(preflight.header("access-control-expose-headers"), None);
    assert_eq!(preflight.header("x-amz-id-2"), None);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        refused.header("access-control-expose-headers"),
        Some(
            "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"
        )
    );
}

#[tokio::test]
async fn an_empty_body_is_judged_before_the_content_type() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let known = [("Content-Type", JSON), ("X-Amz-Target", LIST)];
    let unknown = [
        ("Content-Type", JSON),
        ("X-Amz-Target", "Kinesis_20131202.Nothing"),
    ];

    let serialization = post(&mut client, &known, "").await;
    let operation = post(&mut client, &unknown, "").await;
    let cbor = post(&mut client, &[("Content-Type", "text/html")], "").await;

    assert_eq!(
        text(&serialization),
        r#"{"__type":"SerializationException"}"#
    );
    assert_eq!(
        text(&operation),
        r#"{"__type":"UnknownOperationException"}"#
    );
    assert_eq!(
        (serialization.status, operation.status, cbor.status),
        (400, 400, 400)
    );
    assert_eq!(cbor.header("content-type"), Some(CBOR));
    assert_eq!(
        cbor.body,
        b"\xbf\x66__type\x78\x19UnknownOperationException\xff"
    );
}

#[tokio::test]
async fn an_unknown_content_type_is_answered_by_whether_an_operation_is_named() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let named = [("Content-Type", "text/html"), ("X-Amz-Target", "a.b")];
    let half = [("Content-Type", "text/html"), ("X-Amz-Target", "a.")];

    let named = post(&mut client, &named, "{}").await;
    let half = post(&mut client, &half, "{}").await;
    let none = post(&mut client, &[], "{}").await;

    assert_eq!(
        (named.status, text(&named)),
        (404, "<UnknownOperationException/>\n")
    );
    assert_eq!((half.status, text(&half)), (403, XML));
    assert_eq!((none.status, text(&none)), (403, XML));
}

#[tokio::test]
async fn the_older_envelope_is_recognised_and_not_served() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("X-Amz-Target", LIST),
    ];

    let whole = post(&mut client, &headers, "{}").await;
    let broken = post(&mut client, &headers, "{").await;

    let envelope = |kind: &str| {
        format!(r#"{{"Output":{{"__type":"com.amazon.coral.service#{kind}"}},"Version":"1.0"}}"#)
    };
    assert_eq!(
        (whole.status, text(&whole)),
        (404, &*envelope("UnknownOperationException"))
    );
    assert_eq!(
        (broken.status, text(&broken)),
        (400, &*envelope("SerializationException"))
    );
}

#[tokio::test]
async fn json_is_read_before_the_operation_and_the_operation_before_the_signature() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let target = |target| {
        [
            ("Content-Type", "Application/X-Amz-Json-1.1; x"),
            ("X-Amz-Target", target),
        ]
    };

    for body in [
        "{",
        "[]",
        "\"a\"",
        "null",
        "{} {}",
        "{\"a\":01}",
        "\u{feff}{}",
    ] {
        let answer = post(&mut client, &target("Kinesis_20131202.Nothing"), body).await;
        assert_eq!(
            text(&answer),
            r#"{"__type":"SerializationException"}"#,
            "{body}"
        );
    }
    for unknown in ["Kinesis_20131202.liststreams", "Other_20131202.ListStreams"] {
        let answer = post(&mut client, &target(unknown), "{}").await;
        assert_eq!(
            text(&answer),
            r#"{"__type":"UnknownOperationException"}"#,
            "{unknown}"
        );
        assert_eq!(answer.status, 400);
    }
    let unsigned = post(&mut client, &target(LIST), r#"{"Limit":true}"#).await;
    assert_eq!(
        text(&unsigned),
        "{\"__type\":\"MissingAuthenticationTokenException\",\
         \"message\":\"Missing Authentication Token\"}"
    );
}

#[tokio::test]
async fn cbor_is_told_that_it_is_not_served_yet() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    let answer = post(
        &mut client,
        &[("Content-Type", CBOR), ("X-Amz-Target", LIST)],
        "\u{0}",
    )
    .await;

    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, Some(CBOR))
    );
    let body = String::from_utf8_lossy(&answer.body);
    assert!(
        body.contains("SerializationException") && body.contains("CBOR"),
        "{body}"
    );
}

/// Asserts that each input is refused for its types, in these words.
async fn assert_types(cases: &[(&str, Value, &str)]) {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    for (operation, input, message) in cases {
        let (kind, found) = client.refusal(operation, input.clone()).await;
        assert_eq!(
            (&*kind, &*found),
            ("SerializationException", *message),
            "{operation}"
        );
    }
}

const NUMBER: &str = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";

#[tokio::test]
async fn scalars_of_another_type_are_named_by_their_java_class() {
    let boolean = "class java.lang.Boolean can not be converted to an Integer";
    let text = "class java.lang.String can not be converted to an Integer";
    let time = "class java.lang.Boolean can not be converted to milliseconds since epoch";
    assert_types(&[
        ("ListStreams", json!({"Limit": true}), boolean),
        ("ListStreams", json!({"Limit": "1"}), text),
        ("ListShards", json!({"StreamCreationTimestamp": true}), time),
    ])
    .await;
}

#[tokio::test]
async fn types_are_judged_before_constraints_in_the_order_of_the_model() {
    let text = format!("{NUMBER} can not be converted to an String");
    let boolean = "'HELLO' can not be converted to an Boolean";
    let both = json!({"EnforceConsumerDeletion": "Hello", "StreamARN": 1});
    assert_types(&[
        ("ListStreams", json!({"NextToken": 1, "Limit": 0}), &text),
        ("DeleteStream", both, boolean),
    ])
    .await;
}

#[tokio::test]
async fn lists_and_structures_in_the_wrong_place_are_named() {
    let list = "Start of list found where not expected";
    let map = "Start of structure or map found where not expected.";
    assert_types(&[
        ("ListStreams", json!({"Limit": [1]}), list),
        ("ListStreams", json!({"Limit": {}}), map),
        ("ListShards", json!({"ShardFilter": "x"}), "Expected null"),
        ("CreateStream", json!({"Tags": "x"}), "Expected map or null"),
        ("CreateStream", json!({"Tags": []}), list),
        (
            "PutRecords",
            json!({"Records": "x"}),
            "Expected list or null",
        ),
        ("PutRecords", json!({"Records": {}}), map),
    ])
    .await;
}

#[tokio::test]
async fn data_that_is_not_base64_is_shown_with_the_reason() {
    let number = format!("{NUMBER} can not be converted to a Blob");
    let length = "'A' can not be converted to a Blob: Base64 encoded length is expected a multiple \
                  of 4 bytes but found: 1";
    let stray = "'=+AA' can not be converted to a Blob: Invalid Base64 character: '='";
    assert_types(&[
        ("PutRecords", json!({"Records": [{"Data": "A"}]}), length),
        ("PutRecord", json!({"Data": "=+AA"}), stray),
        ("PutRecord", json!({"Data": 1}), &number),
    ])
    .await;
}

#[tokio::test]
async fn what_the_model_does_not_know_and_null_are_as_if_absent() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    let input = json!({"Limit": null, "Unknown": {"deep": [[1, {"x": "y"}]]}, "limit": "x"});
    let answer = client.call("ListStreams", input).await;
    let fraction = client
        .try_call_raw("ListStreams", br#"{"Limit":1.9e0,"Limit":2.9}"#)
        .await;

    assert_eq!(answer["StreamNames"], json!([]));
    assert_eq!(fraction.status, 200);
}

#[tokio::test]
async fn no_more_than_ten_violations_are_listed() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;

    let entries: Vec<_> = (0..20).map(|_| json!({})).collect();
    let (kind, message) = client
        .refusal("PutRecords", json!({"Records": entries}))
        .await;

    assert_eq!(kind, "ValidationException");
    assert!(message.starts_with("10 validation errors detected: Value null at 'records.1.member."));
    assert_eq!(message.matches("failed to satisfy constraint").count(), 10);
}

#[tokio::test]
async fn the_same_connection_serves_health_and_metrics() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    client.call("ListStreams", json!({})).await;

    for (path, part) in [
        ("/livez", "ok"),
        ("/readyz", "ready"),
        (
            "/metrics",
            "braid_kinesis_requests_total{operation=\"ListStreams\"",
        ),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send_raw(head.as_bytes()).await;
        let answer = client.receive().await;
        assert_eq!(answer.status, 200);
        assert!(text(&answer).contains(part), "{path}: {}", text(&answer));
    }
}

#[tokio::test]
async fn a_sender_that_waits_for_leave_is_told_to_go_on() {
    let server = TestServer::start().await;
    let mut client = server.kinesis().await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: \
                application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n\
                Content-Length: 2\r\n\r\n";

    client.send_raw(head.as_bytes()).await;
    let leave = client.receive().await;
    client.send_raw(b"{}").await;
    let answer = client.receive().await;

    assert_eq!((leave.status, answer.status), (100, 400));
    assert!(text(&answer).contains("Missing Authentication Token"));
}
