//! Every refusal that the form of a signature can decide.

use super::*;
use hyper::header::HeaderValue;

const GOOD: &str = "AWS4-HMAC-SHA256 Credential=AK/20260102/us-east-1/kinesis/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date, Signature=ab";

fn headers(authorization: &str, date: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    if let Some(date) = date {
        headers.insert(DATE_HEADER, HeaderValue::from_str(date).unwrap());
    }
    headers
}

fn refusal(authorization: &str) -> (&'static str, String) {
    let headers = headers(authorization, Some("20260102T030405Z"));
    let error = check(&headers, "").expect_err("not well-formed");
    (error.kind, error.message.unwrap())
}

#[test]
fn a_well_formed_header_is_accepted() {
    assert_eq!(check(&headers(GOOD, Some("20260102T030405Z")), ""), Ok(()));
    let over_http2 = GOOD.replace("host", ":authority");
    assert_eq!(
        check(&headers(&over_http2, Some("20260102T030405Z")), ""),
        Ok(())
    );
}

#[test]
fn everything_that_a_header_lacks_is_listed() {
    let error = check(&headers("AWS4-HMAC-SHA256 Credential=a", None), "").unwrap_err();
    assert_eq!(error.kind, "IncompleteSignatureException");
    assert_eq!(
        error.message.unwrap(),
        "Authorization header requires 'Signature' parameter. Authorization header requires \
         'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a"
    );
}

#[test]
fn everything_that_a_query_lacks_is_listed() {
    let error = check(&HeaderMap::new(), "X-Amz-Algorithm=a&X-Amz-Date=b").unwrap_err();
    assert_eq!(error.kind, "IncompleteSignatureException");
    assert_eq!(
        error.message.unwrap(),
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters \
         must include 'X-Amz-Signature'. AWS query-string parameters must include \
         'X-Amz-SignedHeaders'. Re-examine the query-string parameters."
    );
}

#[test]
fn no_signature_and_two_signatures_are_refused() {
    let none = check(&HeaderMap::new(), "Action=x").unwrap_err();
    assert_eq!(none.kind, "MissingAuthenticationTokenException");
    assert_eq!(
        none.message.as_deref(),
        Some("Missing Authentication Token")
    );
    let both = check(&headers(GOOD, None), "%58-Amz-Algorithm=x").unwrap_err();
    assert_eq!(both.kind, "InvalidSignatureException");
    assert!(
        both.message
            .unwrap()
            .starts_with("Found both 'X-Amz-Algorithm'")
    );
}

#[test]
fn a_presigned_query_is_accepted() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260102%2Fus-east-1%2F\
                 kinesis%2Faws4_request&X-Amz-Signature=ab&X-Amz-SignedHeaders=host&\
                 X-Amz-Date=20260102T030405Z";
    assert_eq!(check(&HeaderMap::new(), query), Ok(()));
}

#[test]
fn a_wrong_scope_is_named() {
    let wrong = |from: &str, to: &str| refusal(&GOOD.replace(from, to)).1;
    assert_eq!(
        wrong("kinesis", "dynamodb"),
        "Credential should be scoped to correct service: 'kinesis'."
    );
    assert_eq!(
        wrong("aws4_request", "e"),
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'e'."
    );
    assert_eq!(
        wrong("AK/20260102/", "AK/"),
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got 'AK/us-east-1/kinesis/aws4_request'"
    );
    assert_eq!(
        wrong("content-type;host;", "content-type;"),
        "'Host' must be a 'SignedHeader' in the AWS Authorization."
    );
    assert_eq!(
        refusal(&GOOD.replace("kinesis", "sqs")).0,
        "InvalidSignatureException"
    );
}

#[test]
fn a_date_is_in_the_basic_format() {
    let error = check(&headers(GOOD, Some("2026-01-02T03:04:05Z")), "").unwrap_err();
    assert_eq!(
        error.message.unwrap(),
        "Date must be in ISO-8601 'basic format'. Got '2026-01-02T03:04:05Z'. See \
         http://en.wikipedia.org/wiki/ISO_8601"
    );
}
