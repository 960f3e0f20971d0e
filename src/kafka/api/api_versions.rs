//! ApiVersions (18): which APIs are served, in which versions.
//!
//! v1 throttle, v3 flexible body (its header never is) and the client's software name. A version
//! that is not known is answered in the format of v0 with error 35 and this API's own range
//! (KIP-511). No features are listed: without `transaction.version` clients keep to the first
//! version of the transaction protocol, and an old librdkafka cannot read tagged fields.

use crate::kafka::apis::{APIS, Api};
use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::reply::Reply;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

pub async fn handle(
    _cx: &Cx,
    request: ApiVersionsRequest,
    version: i16,
) -> Reply<ApiVersionsResponse> {
    let name = &request.client_software_name;
    let release = &request.client_software_version;
    if version >= 3 && !(is_software(name) && is_software(release)) {
        let code = Code::InvalidRequest.code();
        return Reply::Now(ApiVersionsResponse::default().with_error_code(code));
    }
    tracing::debug!(%name, %release, "client");
    let keys = APIS.iter().map(listed).collect();
    Reply::Now(
        ApiVersionsResponse::default()
            .with_error_code(NONE)
            .with_api_keys(keys),
    )
}

/// The answer to a version that is not known; to be written in the format of v0.
pub fn unsupported() -> ApiVersionsResponse {
    let own = APIS.iter().filter(|api| api.key == ApiKey::ApiVersions);
    ApiVersionsResponse::default()
        .with_error_code(Code::UnsupportedVersion.code())
        .with_api_keys(own.map(listed).collect())
}

fn listed(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(*api.listed.start())
        .with_max_version(*api.listed.end())
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?` (KIP-511).
fn is_software(name: &str) -> bool {
    let alphanumeric = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let inside = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    alphanumeric(bytes.first()) && alphanumeric(bytes.last()) && bytes.iter().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_software_name_starts_and_ends_with_a_letter_or_digit() {
        for good in ["librdkafka", "a", "2.0.2", "apache-kafka-java"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-", "kafka-", ".kafka", "a b", "é"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
