//! The table of APIs: dispatch, version gate, the ApiVersions answer and the compatibility page
//! all derive from it.

use super::api;
use super::body::Body;
use super::cx::Cx;
use super::error::Disconnect;
use super::reply::{Answer, Reply, Respond};
use super::text;
use super::wire::{Decode, Reader, RequestHead, ResponseHead};
use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

/// One API that is served.
#[derive(Clone, Debug)]
pub struct Api {
    pub key: ApiKey,
    /// What ApiVersions tells.
    pub listed: RangeInclusive<i16>,
    /// What is answered.
    pub served: RangeInclusive<i16>,
}

macro_rules! apis {
    ($($key:ident, $listed:expr, $served:expr, $handler:ident;)*) => {
        /// By key, ascending: some clients search it.
        pub const APIS: &[Api] = &[$(Api {
            key: ApiKey::$key,
            listed: $listed,
            served: $served,
        },)*];

        /// Decodes a request that passed the gate and hands it to its handler.
        pub async fn dispatch(
            cx: &Cx,
            head: RequestHead,
            body: Body,
        ) -> Result<Reply<Answer>, Disconnect> {
            let version = head.version;
            let response = head.response(version);
            match head.key {
                $(ApiKey::$key => {
                    let request = Decode::decode(body, version)?;
                    let reply = api::$handler::handle(cx, request, version).await;
                    Ok(answered(reply, response))
                })*
                other => Err(Disconnect::UnknownApi(other as i16)),
            }
        }
    };
}

apis! {
    // Key                    Listed     Served     Handler
    Produce,                  0..=13,    3..=13,    produce;
    Fetch,                    4..=18,    4..=18,    fetch;
    ListOffsets,              1..=10,    1..=10,    list_offsets;
    Metadata,                 0..=13,    0..=13,    metadata;
    OffsetCommit,             2..=9,     2..=9,     offset_commit;
    OffsetFetch,              1..=9,     1..=9,     offset_fetch;
    FindCoordinator,          0..=6,     0..=6,     find_coordinator;
    JoinGroup,                0..=9,     0..=9,     join_group;
    Heartbeat,                0..=4,     0..=4,     heartbeat;
    LeaveGroup,               0..=5,     0..=5,     leave_group;
    SyncGroup,                0..=5,     0..=5,     sync_group;
    DescribeGroups,           0..=6,     0..=6,     describe_groups;
    ListGroups,               0..=5,     0..=5,     list_groups;
    ApiVersions,              0..=4,     0..=4,     api_versions;
    CreateTopics,             2..=7,     2..=7,     create_topics;
    DeleteTopics,             1..=6,     1..=6,     delete_topics;
    InitProducerId,           0..=5,     0..=5,     init_producer_id;
    OffsetForLeaderEpoch,     2..=4,     2..=4,     offset_for_leader_epoch;
    DescribeConfigs,          1..=4,     1..=4,     describe_configs;
    AlterConfigs,             0..=2,     0..=2,     alter_configs;
    DeleteGroups,             0..=2,     0..=2,     delete_groups;
    IncrementalAlterConfigs,  0..=1,     0..=1,     incremental_alter_configs;
    DescribeCluster,          0..=2,     0..=2,     describe_cluster;
}

fn find(key: ApiKey) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// Refuses what is not served before its body is read, as Kafka does. ApiVersions alone is
/// answered at any version (KIP-511).
pub fn gate(head: &RequestHead) -> Result<(), Disconnect> {
    let RequestHead { key, version, .. } = *head;
    let api = find(key).ok_or(Disconnect::UnknownApi(key as i16))?;
    if api.served.contains(&version) || key == ApiKey::ApiVersions {
        return Ok(());
    }
    Err(Disconnect::UnsupportedVersion { key, version })
}

/// Whether this is an ApiVersions request of a version that can be answered but not read.
pub fn is_unreadable(head: &RequestHead) -> bool {
    find(head.key).is_none_or(|api| !api.served.contains(&head.version))
}

/// Takes the client id and tagged fields off the front of what follows the head.
pub fn client_id(head: &RequestHead, body: Body) -> Result<(Option<StrBytes>, Body), Disconnect> {
    let mut reader = reader(head, body.rest());
    let client_id = reader.client_id()?.as_ref().map(text::own);
    reader.tagged_fields()?;
    Ok((client_id, body.read_up_to(reader.rest())))
}

/// Reads what follows a head.
pub fn reader(head: &RequestHead, rest: Bytes) -> Reader {
    Reader::new(rest, head.key.request_header_version(head.version) >= 2)
}

fn answered<T: Respond + Send + 'static>(reply: Reply<T>, head: ResponseHead) -> Reply<Answer> {
    match reply {
        Reply::Now(response) => Reply::Now(response.respond(head)),
        Reply::Later(rest) => Reply::later(async move { rest.await.respond(head) }),
        Reply::Parked(rest) => Reply::parked(async move { rest.await.respond(head) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_listed_in_ascending_order() {
        let keys: Vec<i16> = APIS.iter().map(|api| api.key as i16).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn no_version_is_served_that_the_messages_do_not_have() {
        for Api {
            key,
            listed,
            served,
        } in APIS
        {
            let known = key.valid_versions();
            assert!(known.min <= *served.start(), "{key:?}");
            assert!(known.max >= *served.end(), "{key:?}");
            assert!(
                listed.start() <= served.start() && listed.end() == served.end(),
                "{key:?}"
            );
        }
    }
}
