//! AlterConfigs (33): replaces all settings of topics; what a request does not name is reset, but
//! for what belongs to the Kinesis face.
//!
//! Kafka deprecates it for IncrementalAlterConfigs, but rdkafka for Rust and kafkajs know no other.

use super::incremental_alter_configs::{alter_topic, each_once};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic_settings::{Bounds, Change, Operation, replaced};
use crate::store::Settings;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use kafka_protocol::protocol::StrBytes;

pub async fn handle(
    cx: &Cx,
    request: AlterConfigsRequest,
    _version: i16,
) -> Reply<AlterConfigsResponse> {
    let mut responses = Vec::with_capacity(request.resources.len());
    for (resource, once) in each_once(request.resources, identity) {
        let altered = match once {
            Ok(()) => replace(cx, &resource, request.validate_only).await,
            Err(error) => Err(error),
        };
        responses.push(response(resource, altered));
    }
    Reply::Now(AlterConfigsResponse::default().with_responses(responses))
}

fn identity(resource: &AlterConfigsResource) -> (i8, StrBytes) {
    (resource.resource_type, resource.resource_name.clone())
}

async fn replace(
    cx: &Cx,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ApiError> {
    let changes: Vec<Change> = resource.configs.iter().map(change).collect();
    let bounds = Bounds::of(cx);
    let replacement = |settings: &Settings| replaced(settings, &changes, bounds);
    let named = (resource.resource_type, resource.resource_name.as_str());
    alter_topic(cx, named, validate_only, replacement).await
}

fn change(config: &AlterableConfig) -> Change {
    Change {
        name: config.name.to_string(),
        operation: Operation::Set,
        value: config.value.as_ref().map(StrBytes::to_string),
    }
}

fn response(
    resource: AlterConfigsResource,
    altered: Result<(), ApiError>,
) -> AlterConfigsResourceResponse {
    let base = AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match altered {
        Ok(()) => base.with_error_code(NONE),
        Err(error) => base
            .with_error_code(error.code())
            .with_error_message(Some(error.message)),
    }
}
