//! ListShards' page tokens: an opaque string that holds the stream, the filter and how far the
//! pages have come, for five minutes. It grants nothing that ListShards would not, and needs
//! no key.

use super::error::ApiError;
use super::shards::{is_after, is_open_at};
use crate::store::{Name, Shard, ShardNumber, Stream, StreamId, Timestamp};
use minicbor::{Decode, Encode};
use std::fmt;

/// How long a token may be used (spec B.3).
const EXPIRES_AFTER_MS: i64 = 300_000;

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ShardsToken {
    #[n(0)]
    pub stream: Name,
    #[n(1)]
    pub stream_id: StreamId,
    #[n(2)]
    pick: Pick,
    /// ExclusiveStartShardId of the first page.
    #[n(3)]
    after_id: Option<String>,
    /// The last shard shown, and when it was.
    #[n(4)]
    shown: Option<ShardNumber>,
    #[n(5)]
    created: Timestamp,
}

/// Which shards a filter lets through.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Pick {
    #[n(0)]
    All,
    #[n(1)]
    Open,
    #[n(2)]
    OpenAt(#[n(0)] Timestamp),
    /// Open at that time or later.
    #[n(3)]
    OpenSince(#[n(0)] Timestamp),
    #[n(4)]
    After(#[n(0)] String),
}

impl ShardsToken {
    /// The state before the first page.
    pub fn new(stream: &Stream, pick: Pick, after_id: Option<String>) -> ShardsToken {
        ShardsToken {
            stream: stream.name.clone(),
            stream_id: stream.id,
            pick,
            after_id,
            shown: None,
            created: Timestamp(0),
        }
    }

    pub fn picks(&self, shard: &Shard) -> bool {
        let is_picked = match &self.pick {
            Pick::All => true,
            Pick::Open => shard.closed.is_none(),
            Pick::OpenAt(at) => is_open_at(shard, *at),
            Pick::OpenSince(at) => shard.closed.is_none_or(|closed| closed.at >= *at),
            Pick::After(id) => is_after(shard, id),
        };
        is_picked
            && self.after_id.as_ref().is_none_or(|id| is_after(shard, id))
            && self.shown.is_none_or(|shown| shard.number > shown)
    }

    /// The state after a page that ended with this shard.
    pub fn after(&self, shown: ShardNumber, now: Timestamp) -> ShardsToken {
        ShardsToken {
            shown: Some(shown),
            created: now,
            ..self.clone()
        }
    }

    /// Reads a token that was handed out not long ago.
    pub fn read(text: &str, now: Timestamp) -> Result<ShardsToken, ApiError> {
        let invalid = || ApiError::invalid_argument("Invalid NextToken.");
        let bytes = base64_simd::STANDARD
            .decode_to_vec(text)
            .map_err(|_| invalid())?;
        let token: ShardsToken = minicbor::decode(&bytes).map_err(|_| invalid())?;
        let age_ms = now.0.saturating_sub(token.created.0);
        if age_ms > EXPIRES_AFTER_MS {
            return Err(ApiError::expired_next_token(format!(
                "NextToken expired. It was created {age_ms} milliseconds ago, which is longer than \
                 the tolerated delay of {EXPIRES_AFTER_MS} milliseconds."
            )));
        }
        Ok(token)
    }
}

impl fmt::Display for ShardsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Writing to memory does not fail.
        f.write_str(&super::base64::encode(
            &minicbor::to_vec(self).unwrap_or_default(),
        ))
    }
}
