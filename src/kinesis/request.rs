//! A request is judged in the service's order (spec A.6): method, body, content type, JSON,
//! operation, authentication, types, constraints; then the operation itself.

use super::answer::Body;
use super::codec;
use super::cx::Cx;
use super::error::ApiError;
use super::operations::{Answers, Operation};
use super::pieces::Pieces;
use super::response::{self, Answered, CBOR, JSON};
use super::signature;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use std::collections::VecDeque;

const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "Kinesis_20131202";

/// A request with its whole body.
pub struct Asked<'a> {
    pub method: &'a Method,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
}

/// The content types that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Json,
    Cbor,
    /// The older protocol: recognised, never served.
    Envelope,
    Other,
}

/// Answers a request; what the answer takes of `answers` it holds until it is written.
pub async fn answer(cx: &Cx, answers: &Answers, asked: Asked<'_>) -> Answered {
    let headers = asked.headers;
    if asked.method == Method::OPTIONS && headers.contains_key(ORIGIN) {
        return response::preflight(headers);
    }
    if asked.method != Method::POST {
        return response::nothing_to_authorize(headers);
    }
    let content = content(headers);
    let target = Target::of(headers);
    if asked.body.is_empty() {
        return no_body(headers, content, target.operation);
    }
    match content {
        Content::Json => {}
        Content::Envelope => return envelope(headers, &asked.body),
        Content::Cbor => return response::cbor_error(headers, &no_cbor()),
        Content::Other if target.is_whole => return response::unknown_content(headers),
        Content::Other => return response::nothing_to_authorize(headers),
    }
    match operate(cx, answers, &asked, target.operation).await {
        Ok(pieces) => response::with_body(headers, 200, Some(JSON), Pieces::from(pieces)),
        Err(error) => response::json_error(headers, &error),
    }
}

async fn operate(
    cx: &Cx,
    answers: &Answers,
    asked: &Asked<'_>,
    operation: Option<Operation>,
) -> Result<VecDeque<Bytes>, ApiError> {
    let judged = operation
        .ok_or_else(ApiError::unknown_operation)
        .and_then(|operation| {
            signature::check(asked.headers, asked.query)?;
            Ok(operation)
        });
    let operation = match judged {
        Ok(operation) => operation,
        // The service reads the JSON first; here it is read twice only if something is refused.
        Err(_) if !codec::is_object(&asked.body) => return Err(ApiError::unparsable()),
        Err(error) => return Err(error),
    };
    let share = operation.share(answers).await;
    let share = share.map_err(|_| ApiError::unavailable("Too many answers are being written."))?;
    let answered = operation.answer(cx, asked.body.clone()).await;
    cx.store.settle().await?;
    count(answers, operation, &answered);
    Ok(share.holding(answered?))
}

fn count(answers: &Answers, operation: Operation, answered: &Result<Body, ApiError>) {
    let Err(error) = answered else {
        return answers.count_done(operation);
    };
    let (name, message) = (operation.name(), error.message.as_deref());
    match error.status {
        500.. => tracing::error!(operation = name, kind = error.kind, message, "not done"),
        _ => tracing::debug!(operation = name, kind = error.kind, message, "refused"),
    }
    operation.counter(error.kind).increment(1);
}

/// What `X-Amz-Target` names.
struct Target {
    /// It has a service and an operation, known or not.
    is_whole: bool,
    operation: Option<Operation>,
}

impl Target {
    fn of(headers: &HeaderMap) -> Target {
        let target = headers.get(TARGET).and_then(|target| target.to_str().ok());
        let mut parts = target.unwrap_or_default().split('.');
        let service = parts.next().unwrap_or_default();
        let operation = parts.next().unwrap_or_default();
        let is_ours = service == TARGET_PREFIX;
        Target {
            is_whole: !service.is_empty() && !operation.is_empty(),
            operation: Operation::named(operation).filter(|_| is_ours),
        }
    }
}

fn content(headers: &HeaderMap) -> Content {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|text| text.to_str().ok());
    let text = text.unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is = |known: &str| essence.eq_ignore_ascii_case(known);
    if is(JSON) {
        Content::Json
    } else if is(CBOR) {
        Content::Cbor
    } else if is("application/json") {
        Content::Envelope
    } else {
        Content::Other
    }
}

/// An empty body is judged before the content type, and answered in CBOR unless JSON was named.
fn no_body(headers: &HeaderMap, content: Content, operation: Option<Operation>) -> Answered {
    let error = match operation {
        Some(_) => ApiError::unparsable(),
        None => ApiError::unknown_operation(),
    };
    match content {
        Content::Json => response::json_error(headers, &error),
        Content::Cbor | Content::Envelope | Content::Other => response::cbor_error(headers, &error),
    }
}

fn envelope(headers: &HeaderMap, body: &[u8]) -> Answered {
    match codec::is_object(body) {
        true => response::envelope(headers, 404, "UnknownOperationException"),
        false => response::envelope(headers, 400, "SerializationException"),
    }
}

/// Until CBOR is served: in CBOR, so that the SDK can show it.
fn no_cbor() -> ApiError {
    ApiError::serialization(
        "This server does not read CBOR yet. Use JSON (Java SDK: aws.cborEnabled=false or \
         CBOR_ENABLED=false).",
    )
}
