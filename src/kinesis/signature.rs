//! Signature Version 4, checked for form: secrets are not, so any credentials will do.
//!
//! Messages: spec A.6 step 8.

use super::error::ApiError;
use hyper::header::{AUTHORIZATION, DATE, HeaderMap};
use std::borrow::Cow;

const ALGORITHM: &str = "X-Amz-Algorithm";
const DATE_HEADER: &str = "x-amz-date";
const SERVICE: &str = "kinesis";
const TERMINATOR: &str = "aws4_request";
/// Parameters of an Authorization header.
const PARAMETERS: [&str; 3] = ["Credential", "Signature", "SignedHeaders"];

pub fn check(headers: &HeaderMap, query: &str) -> Result<(), ApiError> {
    let header = headers
        .get(AUTHORIZATION)
        .map(|value| match value.to_str() {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(value.as_bytes()),
        });
    let header = header.filter(|value| !value.is_empty());
    let query = Query::of(query);
    match (header, query.get(ALGORITHM)) {
        (Some(_), Some(_)) => Err(invalid(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
             header."
                .into(),
        )),
        (None, None) => Err(ApiError::client(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )),
        (Some(header), None) => check_header(headers, &header),
        (None, Some(_)) => check_query(&query),
    }
}

fn check_header(headers: &HeaderMap, authorization: &str) -> Result<(), ApiError> {
    let found = parameters(authorization);
    let date = headers.get(DATE_HEADER).and_then(|date| date.to_str().ok());
    let missing = PARAMETERS
        .iter()
        .zip(found)
        .filter(|(_, value)| value.is_none());
    let mut complaints: Vec<String> = missing
        .map(|(part, _)| format!("Authorization header requires '{part}' parameter."))
        .collect();
    if date.is_none() && !headers.contains_key(DATE) {
        complaints.push(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                .into(),
        );
    }
    if !complaints.is_empty() {
        complaints.push(format!("Authorization={authorization}"));
        return Err(incomplete(complaints.join(" ")));
    }
    let [credential, _, signed] = found.map(Option::unwrap_or_default);
    check_scope(credential, signed)?;
    date.map_or(Ok(()), check_date)
}

/// What the header says of each; the last one counts, an empty one does not.
fn parameters(authorization: &str) -> [Option<&str>; 3] {
    let mut found = [None; 3];
    let mut start = None;
    let ends = memchr::memchr2_iter(b',', b' ', authorization.as_bytes());
    for end in ends.chain([authorization.len()]) {
        // The first piece is the algorithm.
        let piece = start.map(|start| &authorization[start..end]);
        start = Some(end + 1);
        let Some((name, value)) = piece.and_then(|piece| piece.split_once('=')) else {
            continue;
        };
        if let Some(at) = PARAMETERS.iter().position(|known| *known == name) {
            found[at] = Some(value).filter(|value| !value.is_empty());
        }
    }
    found
}

fn check_query(query: &Query) -> Result<(), ApiError> {
    let value = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let parts = [
        ALGORITHM,
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        "X-Amz-Date",
    ];
    let missing = parts.into_iter().filter(|part| value(part).is_none());
    let mut complaints: Vec<String> = missing
        .map(|part| format!("AWS query-string parameters must include '{part}'."))
        .collect();
    if !complaints.is_empty() {
        complaints.push("Re-examine the query-string parameters.".into());
        return Err(incomplete(complaints.join(" ")));
    }
    let (credential, signed) = (value("X-Amz-Credential"), value("X-Amz-SignedHeaders"));
    check_scope(credential.unwrap_or_default(), signed.unwrap_or_default())?;
    check_date(value("X-Amz-Date").unwrap_or_default())
}

/// `key/yyyymmdd/region/service/aws4_request`. Any region will do.
fn check_scope(credential: &str, signed_headers: &str) -> Result<(), ApiError> {
    let mut elements = credential.split('/');
    let five = [(); 5].map(|()| elements.next());
    let (
        [
            Some(_),
            Some(_),
            Some(region),
            Some(service),
            Some(terminator),
        ],
        None,
    ) = (five, elements.next())
    else {
        return Err(invalid(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        )));
    };
    if region.is_empty() {
        let message = format!("Credential should be scoped to a valid region, not '{region}'.");
        return Err(invalid(message));
    }
    if service != SERVICE {
        let message = format!("Credential should be scoped to correct service: '{SERVICE}'.");
        return Err(invalid(message));
    }
    if terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not \
             '{terminator}'."
        )));
    }
    // Over HTTP/2 a client may sign `:authority` instead (spec A.10).
    let mut signed = signed_headers.split(';');
    if !signed.any(|name| name == "host" || name == ":authority") {
        return Err(invalid(
            "'Host' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    Ok(())
}

/// `yyyymmddThhmmssZ`.
fn check_date(date: &str) -> Result<(), ApiError> {
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if date.len() == 16 && date.bytes().enumerate().all(fits) {
        return Ok(());
    }
    Err(invalid(format!(
        "Date must be in ISO-8601 'basic format'. Got '{date}'. See \
         http://en.wikipedia.org/wiki/ISO_8601"
    )))
}

fn invalid(message: String) -> ApiError {
    ApiError::client("InvalidSignatureException", message)
}

fn incomplete(message: String) -> ApiError {
    ApiError::client("IncompleteSignatureException", message)
}

/// A query string's parameters, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(name), percent_decoded(value))
        });
        Query(decoded.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digit = |at: usize| {
            tail.get(at)
                .and_then(|digit| char::from(*digit).to_digit(16))
        };
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = &tail[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
