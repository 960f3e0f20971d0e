//! A group as it is stored: CBOR by field number, so that fields can be added.

use super::member::{Client, Member, Protocol, Wait};
use super::state::{Group, Limits, Moment, Phase};
use crate::store::Name;
use bytes::Bytes;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

#[derive(Debug, Default, Encode, Decode)]
struct GroupRecord {
    #[n(0)]
    generation: i32,
    #[n(1)]
    protocol_type: Option<Name>,
    #[n(2)]
    protocol: Option<Name>,
    #[n(3)]
    leader: Option<Name>,
    /// In order of arrival.
    #[n(4)]
    members: Vec<MemberRecord>,
}

#[derive(Debug, Encode, Decode)]
struct MemberRecord {
    #[n(0)]
    id: Name,
    #[n(1)]
    instance: Option<Name>,
    #[n(2)]
    client_id: Name,
    #[n(3)]
    client_host: Name,
    #[n(4)]
    session_ms: u64,
    #[n(5)]
    rebalance_ms: u64,
    #[n(6)]
    protocols: Vec<ProtocolRecord>,
    #[n(7)]
    assignment: ByteVec,
}

#[derive(Debug, Encode, Decode)]
struct ProtocolRecord {
    #[n(0)]
    name: Name,
    #[n(1)]
    metadata: ByteVec,
}

impl Group {
    /// The group in its stored form.
    pub fn encode(&self) -> Bytes {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.arrival);
        let record = GroupRecord {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: members.into_iter().map(member_record).collect(),
        };
        let bytes = minicbor::to_vec(record).expect("a vector takes every encoding");
        bytes.into()
    }

    /// The group as it was stored; its members have a session's time to be heard of again. What
    /// cannot be read, such as the nothing stored for a group of commits only, is an empty group.
    pub fn decode(stored: &[u8], limits: Limits, now: Moment) -> Group {
        let record: GroupRecord = minicbor::decode(stored).unwrap_or_default();
        let mut group = Group::new(limits);
        group.generation = record.generation;
        group.protocol_type = record.protocol_type;
        group.protocol = record.protocol;
        group.leader = record.leader;
        for stored in record.members {
            group.arrivals += 1;
            let member = member(stored, group.arrivals, now);
            if let Some(instance) = &member.instance {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        if !group.members.is_empty() {
            group.phase = Phase::Stable;
        }
        group
    }
}

fn member_record(member: &Member) -> MemberRecord {
    let protocol = |protocol: &Protocol| ProtocolRecord {
        name: protocol.name.clone(),
        metadata: protocol.metadata.to_vec().into(),
    };
    MemberRecord {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client.id.clone(),
        client_host: member.client.host.clone(),
        session_ms: member.session_ms,
        rebalance_ms: member.rebalance_ms,
        protocols: member.protocols.iter().map(protocol).collect(),
        assignment: member.assignment.to_vec().into(),
    }
}

fn member(stored: MemberRecord, arrival: u64, now: Moment) -> Member {
    let protocol = |protocol: ProtocolRecord| Protocol {
        name: protocol.name,
        metadata: Bytes::from(Vec::from(protocol.metadata)),
    };
    Member {
        id: stored.id,
        instance: stored.instance,
        client: Client {
            id: stored.client_id,
            host: stored.client_host,
        },
        session_ms: stored.session_ms,
        rebalance_ms: stored.rebalance_ms,
        protocols: stored.protocols.into_iter().map(protocol).collect(),
        assignment: Bytes::from(Vec::from(stored.assignment)),
        arrival,
        seen: now,
        waits_for: Wait::Nothing,
        is_new: false,
        has_synced: true,
    }
}
