//! IncrementalAlterConfigs (44): sets, resets, appends to and takes from settings of topics; all
//! changes of one resource or none.

use super::describe_configs::ResourceType;
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::topic;
use crate::kafka::topic_settings::{Bounds, Change, Operation, changed};
use crate::store::Settings;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashMap;

pub async fn handle(
    cx: &Cx,
    request: IncrementalAlterConfigsRequest,
    _version: i16,
) -> Reply<IncrementalAlterConfigsResponse> {
    let mut responses = Vec::with_capacity(request.resources.len());
    for (resource, once) in each_once(request.resources, identity) {
        let altered = match once {
            Ok(()) => alter(cx, &resource, request.validate_only).await,
            Err(error) => Err(error),
        };
        responses.push(response(resource, altered));
    }
    Reply::Now(IncrementalAlterConfigsResponse::default().with_responses(responses))
}

fn identity(resource: &AlterConfigsResource) -> (i8, StrBytes) {
    (resource.resource_type, resource.resource_name.clone())
}

/// Each resource once, with an error if the request names it more often.
pub fn each_once<R>(
    resources: Vec<R>,
    identity: impl Fn(&R) -> (i8, StrBytes),
) -> Vec<(R, Result<(), ApiError>)> {
    let mut counts: HashMap<(i8, StrBytes), usize> = HashMap::new();
    for resource in &resources {
        *counts.entry(identity(resource)).or_default() += 1;
    }
    let judged = resources.into_iter().filter_map(|resource| {
        let once = match counts.remove(&identity(&resource))? {
            1 => Ok(()),
            _ => {
                let text = "Each resource must appear at most once.";
                Err(ApiError::new(Code::InvalidRequest, text))
            }
        };
        Some((resource, once))
    });
    judged.collect()
}

async fn alter(
    cx: &Cx,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ApiError> {
    let changes = resource.configs.iter().map(change);
    let changes: Vec<Change> = changes.collect::<Result<_, ApiError>>()?;
    let bounds = Bounds::of(cx);
    let altered = |settings: &Settings| changed(settings, &changes, bounds);
    let named = (resource.resource_type, resource.resource_name.as_str());
    alter_topic(cx, named, validate_only, altered).await
}

/// Gives the topic of this type and name the settings that `altered` makes of its own.
pub async fn alter_topic(
    cx: &Cx,
    (resource_type, name): (i8, &str),
    validate_only: bool,
    altered: impl Fn(&Settings) -> Result<Settings, ApiError>,
) -> Result<(), ApiError> {
    match ResourceType::of(resource_type)? {
        ResourceType::Topic => {}
        ResourceType::Broker
        | ResourceType::BrokerLogger
        | ResourceType::ClientMetrics
        | ResourceType::Group => {
            let text = "Only settings of topics can be altered; others are given at the start.";
            return Err(ApiError::new(Code::InvalidRequest, text));
        }
    }
    if !topic::is_legal(name) {
        return Err(Code::InvalidTopicException.into());
    }
    if validate_only {
        return altered(&cx.store.stream(name)?.settings).map(drop);
    }
    cx.store.change_settings(name, altered).await
}

fn change(config: &AlterableConfig) -> Result<Change, ApiError> {
    let operation = match config.config_operation {
        0 => Operation::Set,
        1 => Operation::Delete,
        2 => Operation::Append,
        3 => Operation::Subtract,
        other => {
            let text = format!("Unknown config operation {other}");
            return Err(ApiError::new(Code::InvalidRequest, text));
        }
    };
    Ok(Change {
        name: config.name.to_string(),
        operation,
        value: config.value.as_ref().map(StrBytes::to_string),
    })
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
