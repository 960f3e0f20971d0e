//! Responses: the headers that every one carries, and the bodies of errors (spec A.3–A.5).

use super::body::Unread;
use super::error::ApiError;
use super::pieces::Pieces;
use super::request_ids::RequestIds;
use crate::admin::Page;
use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    ORIGIN,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

pub const JSON: &str = "application/x-amz-json-1.1";
pub const CBOR: &str = "application/x-amz-cbor-1.1";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,\
                       x-amzn-ErrorMessage,Date";
const PREFLIGHT_SECONDS: &str = "172800";

pub type Answered = Response<Pieces>;

/// An answer as it leaves. The date is set by the listener.
pub fn with_body(
    asked: &HeaderMap,
    status: u16,
    content_type: Option<&'static str>,
    body: impl Into<Pieces>,
) -> Answered {
    let mut response = plain(status, body);
    let ids = RequestIds::new();
    let headers = response.headers_mut();
    set(headers, REQUEST_ID, ids.id);
    set(headers, EXTENDED_REQUEST_ID, ids.extended);
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if asked.contains_key(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
    response
}

/// The answer to a browser that asks whether it may ask.
pub fn preflight(asked: &HeaderMap) -> Answered {
    let mut response = plain(200, Bytes::new());
    let headers = response.headers_mut();
    set(headers, REQUEST_ID, RequestIds::new().id);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(PREFLIGHT_SECONDS),
    );
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
    }
    response
}

/// A page of the administration.
pub fn page(page: Page) -> Answered {
    let mut response = plain(page.status, page.body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response
}

/// The answer to a request whose body could not be read.
pub fn unread(asked: &HeaderMap, unread: Unread) -> Answered {
    let mut response = match unread {
        Unread::TooLarge => with_body(asked, 413, None, Bytes::new()),
        Unread::TooSlow | Unread::Broken => with_body(asked, 408, None, Bytes::new()),
        Unread::NoRoom => json_error(
            asked,
            &ApiError::unavailable("Too many requests are being read."),
        ),
    };
    // What is left of the body would be taken for the next request. HTTP/2 has no such header,
    // and hyper removes it there.
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An error as JSON. What the service calls `message` is `Message` for serialization problems.
pub fn json_error(asked: &HeaderMap, error: &ApiError) -> Answered {
    let body = error_body(error, |fields| {
        serde_json::to_vec(fields).unwrap_or_default()
    });
    with_body(asked, error.status, Some(JSON), body)
}

/// An error as CBOR, for whoever asked in CBOR.
pub fn cbor_error(asked: &HeaderMap, error: &ApiError) -> Answered {
    let mut out = minicbor::Encoder::new(Vec::new());
    // Writing to memory does not fail.
    let _ = out.begin_map();
    let _ = out.str("__type").and_then(|out| out.str(error.kind));
    if let Some(message) = &error.message {
        let _ = out.str("message").and_then(|out| out.str(message));
    }
    let _ = out.end();
    with_body(asked, error.status, Some(CBOR), out.into_writer())
}

/// The envelope of the older protocol, whose requests are never served (spec A.6).
pub fn envelope(asked: &HeaderMap, status: u16, kind: &str) -> Answered {
    let body = format!(
        "{{\"Output\":{{\"__type\":\"com.amazon.coral.service#{kind}\"}},\"Version\":\"1.0\"}}"
    );
    with_body(asked, status, Some("application/json"), body)
}

/// For requests that name no operation.
pub fn nothing_to_authorize(asked: &HeaderMap) -> Answered {
    let body = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to \
                be authorized</Message>\n</AccessDeniedException>\n";
    with_body(asked, 403, None, body)
}

/// For requests in no known content type.
pub fn unknown_content(asked: &HeaderMap) -> Answered {
    with_body(asked, 404, None, "<UnknownOperationException/>\n")
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "__type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(rename = "Message", skip_serializing_if = "Option::is_none")]
    capital_message: Option<&'a str>,
}

fn error_body(error: &ApiError, write: impl Fn(&ErrorBody<'_>) -> Vec<u8>) -> Vec<u8> {
    let (message, capital_message) = match error.kind {
        "SerializationException" => (None, error.message.as_deref()),
        _ => (error.message.as_deref(), None),
    };
    write(&ErrorBody {
        kind: error.kind,
        message,
        capital_message,
    })
}

fn plain(status: u16, body: impl Into<Pieces>) -> Answered {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Bytes) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value) {
        headers.insert(name, value);
    }
}
