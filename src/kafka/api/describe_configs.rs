//! DescribeConfigs (32): settings of topics, of the broker and of groups.
//!
//! v1 synonyms if asked, v3 type, and documentation if asked. Null or empty keys mean all;
//! unknown keys are left out.

use crate::kafka::broker_settings::{self, Told};
use crate::kafka::cx::Cx;
use crate::kafka::error::{ApiError, Code, NONE};
use crate::kafka::reply::Reply;
use crate::kafka::text::text;
use crate::kafka::topic;
use crate::kafka::topic_settings::{TOPIC_SETTINGS, TopicSetting};
use crate::store::Settings;
use kafka_protocol::messages::create_topics_response::CreatableTopicConfigs;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;

/// Where a value comes from.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_STATIC_BROKER: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    pub fn of(number: i8) -> Result<ResourceType, ApiError> {
        match number {
            2 => Ok(ResourceType::Topic),
            4 => Ok(ResourceType::Broker),
            8 => Ok(ResourceType::BrokerLogger),
            16 => Ok(ResourceType::ClientMetrics),
            32 => Ok(ResourceType::Group),
            _ => {
                let text = format!("Unsupported resource type: {number}");
                Err(ApiError::new(Code::InvalidRequest, text))
            }
        }
    }
}

/// What the client wants to know of each setting.
#[derive(Clone, Copy)]
struct Detail {
    version: i16,
    has_synonyms: bool,
    has_documentation: bool,
}

pub async fn handle(
    cx: &Cx,
    request: DescribeConfigsRequest,
    version: i16,
) -> Reply<DescribeConfigsResponse> {
    let detail = Detail {
        version,
        has_synonyms: request.include_synonyms,
        has_documentation: request.include_documentation && version >= 3,
    };
    // Each resource once: a few bytes of request ask for kilobytes of answer.
    let mut seen = HashSet::new();
    let mut resources = request.resources;
    resources.retain(|asked| seen.insert((asked.resource_type, asked.resource_name.clone())));
    let described = resources.into_iter().map(|resource| {
        let configs = describe(cx, &resource, detail);
        result(resource, configs)
    });
    Reply::Now(DescribeConfigsResponse::default().with_results(described.collect()))
}

type Configs = Vec<DescribeConfigsResourceResult>;

fn describe(cx: &Cx, asked: &DescribeConfigsResource, detail: Detail) -> Result<Configs, ApiError> {
    let name = asked.resource_name.as_str();
    let mut configs = match ResourceType::of(asked.resource_type)? {
        ResourceType::Topic => of_topic(cx, name, detail)?,
        ResourceType::Broker => of_broker(cx, name, detail)?,
        ResourceType::Group => {
            let told = broker_settings::of_group();
            told.into_iter()
                .map(|told| plain(told, SOURCE_DEFAULT, detail))
                .collect()
        }
        // There are none of these.
        ResourceType::BrokerLogger | ResourceType::ClientMetrics => Vec::new(),
    };
    if let Some(keys) = &asked.configuration_keys
        && !keys.is_empty()
    {
        configs.retain(|config| keys.contains(&config.name));
    }
    Ok(configs)
}

fn of_topic(cx: &Cx, name: &str, detail: Detail) -> Result<Configs, ApiError> {
    if !topic::is_legal(name) {
        return Err(Code::InvalidTopicException.into());
    }
    let stream = cx.store.stream(name)?;
    let settings = TOPIC_SETTINGS.iter();
    let told = settings.map(|setting| of_setting(setting, &stream.settings, detail));
    Ok(told.collect())
}

fn of_setting(
    setting: &'static TopicSetting,
    settings: &Settings,
    detail: Detail,
) -> DescribeConfigsResourceResult {
    let documentation = StrBytes::from_static_str(setting.documentation);
    let synonyms = match detail.has_synonyms {
        true => synonyms(setting, settings),
        false => Vec::new(),
    };
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(setting.name))
        .with_value(Some(text(setting.value(settings))))
        .with_config_source(source(setting, settings))
        .with_synonyms(synonyms)
        .with_config_type(from_v3(setting.kind.number(), detail))
        .with_documentation(Some(documentation).filter(|_| detail.has_documentation))
}

fn source(setting: &TopicSetting, settings: &Settings) -> i8 {
    match settings.get(setting.name) {
        Some(_) => SOURCE_TOPIC,
        None => SOURCE_DEFAULT,
    }
}

/// Every place the value could come from, the one that counts first.
fn synonyms(setting: &'static TopicSetting, settings: &Settings) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &'static str, value: &str, source: i8| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(text(value)))
            .with_source(source)
    };
    let own = settings.get(setting.name);
    let own = own.map(|value| synonym(setting.name, value, SOURCE_TOPIC));
    let default = synonym(setting.broker_name, setting.default, SOURCE_DEFAULT);
    own.into_iter().chain([default]).collect()
}

fn of_broker(cx: &Cx, name: &str, detail: Detail) -> Result<Configs, ApiError> {
    // The cluster-wide dynamic settings: there are none.
    if name.is_empty() {
        return Ok(Vec::new());
    }
    if name.parse() != Ok(*cx.broker.id) {
        let text = format!(
            "Unexpected broker id, expected {} but received {name}",
            *cx.broker.id
        );
        return Err(ApiError::new(Code::InvalidRequest, text));
    }
    let told = broker_settings::of_broker(cx).into_iter();
    Ok(told
        .map(|told| plain(told, SOURCE_STATIC_BROKER, detail))
        .collect())
}

/// A setting that cannot be changed here.
fn plain(told: Told, source: i8, detail: Detail) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(told.name))
        .with_value(Some(StrBytes::from_string(told.value)))
        .with_read_only(true)
        .with_config_source(source)
        .with_config_type(from_v3(told.kind.number(), detail))
}

fn from_v3(kind: i8, detail: Detail) -> i8 {
    match detail.version {
        3.. => kind,
        _ => 0,
    }
}

fn result(
    asked: DescribeConfigsResource,
    configs: Result<Configs, ApiError>,
) -> DescribeConfigsResult {
    let base = DescribeConfigsResult::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name);
    match configs {
        Ok(configs) => base.with_error_code(NONE).with_configs(configs),
        Err(error) => base
            .with_error_code(error.code())
            .with_error_message(Some(error.message)),
    }
}

/// A new topic's settings as CreateTopics tells them.
pub fn created_settings(settings: &Settings) -> Vec<CreatableTopicConfigs> {
    let told = TOPIC_SETTINGS.iter().map(|setting| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(setting.name))
            .with_value(Some(text(setting.value(settings))))
            .with_config_source(source(setting, settings))
    });
    told.collect()
}
