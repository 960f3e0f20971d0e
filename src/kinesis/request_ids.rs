//! The two ids of every answer: a UUID, and 72 bytes that look random, as the service sends.

use bytes::Bytes;
use std::cell::Cell;
use uuid::{Builder, Uuid};

/// Bytes that are random in both ids together.
const RANDOM_BYTES: usize = 16 + EXTENDED_BYTES;
const EXTENDED_BYTES: usize = 72;
/// Characters of a UUID.
const ID_CHARACTERS: usize = 36;

pub struct RequestIds {
    pub id: Bytes,
    pub extended: Bytes,
}

thread_local! {
    /// Where this thread's numbers stand. They need to differ from all others, not to be secret:
    /// the system is asked once.
    static NUMBERS: Cell<[u64; 2]> = Cell::new(Uuid::new_v4().as_u64_pair().into());
}

impl RequestIds {
    /// Different ones at every call.
    pub fn new() -> RequestIds {
        let mut random = [0; RANDOM_BYTES];
        let [mut state, key] = NUMBERS.get();
        for word in random.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&mixed(state ^ key).to_be_bytes());
        }
        NUMBERS.set([state, key]);
        let (front, back) = random.split_at(16);
        let id = Builder::from_random_bytes(front.try_into().unwrap_or_default()).into_uuid();
        let mut text = Vec::with_capacity(ID_CHARACTERS + EXTENDED_BYTES / 3 * 4);
        text.resize(ID_CHARACTERS, 0);
        id.hyphenated().encode_lower(&mut text);
        super::base64::append(&mut text, back);
        let mut id = Bytes::from(text);
        let extended = id.split_off(ID_CHARACTERS);
        RequestIds { id, extended }
    }
}

/// SplitMix64's mixing.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_answers_carry_the_same_ids() {
        let all: HashSet<_> = (0..1000)
            .flat_map(|_| {
                let RequestIds { id, extended } = RequestIds::new();
                assert_eq!((id.len(), extended.len()), (36, 96));
                [id, extended]
            })
            .collect();
        assert_eq!(all.len(), 2000);
    }
}
