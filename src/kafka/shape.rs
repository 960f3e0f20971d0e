//! Where the lists of a request are, so that none can claim more elements than there are.
//!
//! Generated decoders reserve memory for whatever count the wire claims (spec §3.2, #1): 30 bytes
//! could ask for 300 GB, and a failed allocation ends the process. A request is therefore walked
//! by its shape, without allocating, before it is decoded. What follows a request's last list is
//! left out here.

use super::error::Disconnect;
use super::wire::Reader;
use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

/// A field and the versions that have it.
pub struct Field {
    since: i16,
    until: i16,
    kind: Kind,
}

/// How a field is written.
pub enum Kind {
    /// A number, a UUID: so many bytes.
    Fixed(usize),
    Text,
    Blob,
    /// A list of bare values.
    Each(&'static Kind),
    /// A list of structures, which may end in tagged fields.
    Rows(&'static [Field]),
}

use Kind::{Blob, Each, Fixed, Rows, Text};

const BYTE: Kind = Fixed(1);
const I16: Kind = Fixed(2);
const I32: Kind = Fixed(4);
const I64: Kind = Fixed(8);
const UUID: Kind = Fixed(16);

const fn always(kind: Kind) -> Field {
    between(0, i16::MAX, kind)
}

const fn since(since: i16, kind: Kind) -> Field {
    between(since, i16::MAX, kind)
}

const fn until(until: i16, kind: Kind) -> Field {
    between(0, until, kind)
}

const fn between(since: i16, until: i16, kind: Kind) -> Field {
    Field { since, until, kind }
}

/// Walks a request and counts the elements of its lists; an error if a count or a length is more
/// than there is, or if all lists together have more than `elements_max`.
pub fn elements(
    key: ApiKey,
    version: i16,
    body: &Bytes,
    elements_max: usize,
) -> Result<usize, Disconnect> {
    let shape = shape(key).ok_or(Disconnect::UnknownApi(key as i16))?;
    let flexible = key.request_header_version(version) >= 2;
    let mut walk = Walk {
        reader: Reader::new(body.clone(), flexible),
        version,
        elements: 0,
        elements_max,
    };
    walk.fields(shape)?;
    Ok(walk.elements)
}

struct Walk {
    reader: Reader,
    version: i16,
    elements: usize,
    elements_max: usize,
}

impl Walk {
    fn fields(&mut self, fields: &[Field]) -> Result<(), Disconnect> {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.skip(&field.kind)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, kind: &Kind) -> Result<(), Disconnect> {
        match kind {
            Fixed(bytes) => self.reader.skip(*bytes),
            Text => self.reader.skip_string(),
            Blob => self.reader.bytes().map(drop),
            Each(kind) => self.list(|walk| walk.skip(kind)),
            Rows(fields) => self.list(|walk| {
                walk.fields(fields)?;
                walk.reader.tagged_fields()
            }),
        }
    }

    fn list(
        &mut self,
        element: impl Fn(&mut Walk) -> Result<(), Disconnect>,
    ) -> Result<(), Disconnect> {
        for _ in 0..self.reader.array_length()?.unwrap_or(0) {
            self.elements += 1;
            if self.elements > self.elements_max {
                return Err(Disconnect::Malformed("too many elements".into()));
            }
            element(self)?;
        }
        Ok(())
    }
}

/// `None` for an API that has not been thought about.
fn shape(key: ApiKey) -> Option<&'static [Field]> {
    match key {
        ApiKey::Produce => Some(PRODUCE),
        ApiKey::Fetch => Some(FETCH),
        ApiKey::ListOffsets => Some(LIST_OFFSETS),
        ApiKey::Metadata => Some(METADATA),
        ApiKey::OffsetCommit => Some(OFFSET_COMMIT),
        ApiKey::OffsetFetch => Some(OFFSET_FETCH),
        ApiKey::FindCoordinator => Some(FIND_COORDINATOR),
        ApiKey::JoinGroup => Some(JOIN_GROUP),
        ApiKey::LeaveGroup => Some(LEAVE_GROUP),
        ApiKey::SyncGroup => Some(SYNC_GROUP),
        ApiKey::DescribeGroups | ApiKey::DeleteGroups => Some(NAMES),
        ApiKey::ListGroups => Some(LIST_GROUPS),
        ApiKey::CreateTopics => Some(CREATE_TOPICS),
        ApiKey::DeleteTopics => Some(DELETE_TOPICS),
        ApiKey::OffsetForLeaderEpoch => Some(OFFSET_FOR_LEADER_EPOCH),
        ApiKey::DescribeConfigs => Some(DESCRIBE_CONFIGS),
        ApiKey::AlterConfigs => Some(ALTER_CONFIGS),
        ApiKey::IncrementalAlterConfigs => Some(INCREMENTAL_ALTER_CONFIGS),
        // Without a list.
        ApiKey::Heartbeat
        | ApiKey::ApiVersions
        | ApiKey::InitProducerId
        | ApiKey::DescribeCluster => Some(&[]),
        _ => None,
    }
}

const NAMES: &[Field] = &[always(Each(&Text))];

const PRODUCE: &[Field] = &[
    always(Text), // transactional id
    always(I16),  // acknowledgements
    always(I32),  // timeout
    always(Rows(&[
        until(12, Text),
        since(13, UUID),
        always(Rows(&[always(I32), always(Blob)])),
    ])),
];

const FETCH: &[Field] = &[
    until(14, I32), // replica id
    always(I32),    // longest wait
    always(I32),    // least bytes
    always(I32),    // most bytes
    always(BYTE),   // isolation level
    since(7, I32),  // session id
    since(7, I32),  // session epoch
    always(Rows(&[
        until(12, Text),
        since(13, UUID),
        always(Rows(&[
            always(I32),    // partition
            since(9, I32),  // current leader epoch
            always(I64),    // fetch offset
            since(12, I32), // last fetched epoch
            since(5, I64),  // log start
            always(I32),    // most bytes
        ])),
    ])),
    // Forgotten topics.
    since(
        7,
        Rows(&[until(12, Text), since(13, UUID), always(Each(&I32))]),
    ),
];

const LIST_OFFSETS: &[Field] = &[
    always(I32),    // replica id
    since(2, BYTE), // isolation level
    always(Rows(&[
        always(Text),
        // Partition, current leader epoch, timestamp.
        always(Rows(&[always(I32), since(4, I32), always(I64)])),
    ])),
];

const METADATA: &[Field] = &[always(Rows(&[since(10, UUID), always(Text)]))];

const OFFSET_COMMIT: &[Field] = &[
    always(Text),   // group
    always(I32),    // generation
    always(Text),   // member
    since(7, Text), // instance
    until(4, I64),  // retention time
    always(Rows(&[
        always(Text),
        always(Rows(&[
            always(I32),   // partition
            always(I64),   // offset
            since(6, I32), // leader epoch
            always(Text),  // metadata
        ])),
    ])),
];

const OFFSET_FETCH: &[Field] = &[
    until(7, Text), // group
    until(7, Rows(&[always(Text), always(Each(&I32))])),
    since(
        8,
        Rows(&[
            always(Text),   // group
            since(9, Text), // member
            since(9, I32),  // member epoch
            always(Rows(&[always(Text), always(Each(&I32))])),
        ]),
    ),
];

const FIND_COORDINATOR: &[Field] = &[
    until(3, Text), // key
    since(1, BYTE), // key type
    since(4, Each(&Text)),
];

const JOIN_GROUP: &[Field] = &[
    always(Text),   // group
    always(I32),    // session timeout
    since(1, I32),  // rebalance timeout
    always(Text),   // member
    since(5, Text), // instance
    always(Text),   // protocol type
    always(Rows(&[always(Text), always(Blob)])),
];

const LEAVE_GROUP: &[Field] = &[
    always(Text),   // group
    until(2, Text), // member
    // Member, instance, reason.
    since(3, Rows(&[always(Text), always(Text), since(5, Text)])),
];

const SYNC_GROUP: &[Field] = &[
    always(Text),   // group
    always(I32),    // generation
    always(Text),   // member
    since(3, Text), // instance
    since(5, Text), // protocol type
    since(5, Text), // protocol name
    always(Rows(&[always(Text), always(Blob)])),
];

const LIST_GROUPS: &[Field] = &[since(4, Each(&Text)), since(5, Each(&Text))];

const CREATE_TOPICS: &[Field] = &[always(Rows(&[
    always(Text),
    always(I32), // partitions
    always(I16), // replication factor
    always(Rows(&[always(I32), always(Each(&I32))])),
    always(Rows(&[always(Text), always(Text)])),
]))];

const DELETE_TOPICS: &[Field] = &[
    since(6, Rows(&[always(Text), always(UUID)])),
    until(5, Each(&Text)),
];

const OFFSET_FOR_LEADER_EPOCH: &[Field] = &[
    since(3, I32), // replica id
    always(Rows(&[
        always(Text),
        // Partition, current leader epoch, leader epoch.
        always(Rows(&[always(I32), always(I32), always(I32)])),
    ])),
];

const DESCRIBE_CONFIGS: &[Field] = &[always(Rows(&[
    always(BYTE), // resource type
    always(Text),
    always(Each(&Text)),
]))];

const ALTER_CONFIGS: &[Field] = &[always(Rows(&[
    always(BYTE), // resource type
    always(Text),
    always(Rows(&[always(Text), always(Text)])),
]))];

const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[always(Rows(&[
    always(BYTE), // resource type
    always(Text),
    // Name, operation, value.
    always(Rows(&[always(Text), always(BYTE), always(Text)])),
]))];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::apis::APIS;

    #[test]
    fn every_api_that_is_served_has_a_shape() {
        let without: Vec<ApiKey> = APIS
            .iter()
            .map(|api| api.key)
            .filter(|key| shape(*key).is_none())
            .collect();
        assert_eq!(without, []);
    }
}
