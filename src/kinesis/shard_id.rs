//! Shard ids: `shardId-` and twelve digits of the shard's number (spec C.1).

use crate::store::ShardNumber;

/// Largest number that a shard id may name.
const NUMBER_MAX: u32 = i32::MAX.cast_unsigned();

pub fn format(number: ShardNumber) -> String {
    format!("shardId-{:012}", number.0)
}

/// Reads an id as the service does: what is before the first `-` and leading zeros do not matter.
pub fn parse(id: &str) -> Option<ShardNumber> {
    let second = id.split('-').nth(1).filter(|digits| !digits.is_empty());
    let digits = second.unwrap_or(id);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok())??;
    (number <= NUMBER_MAX).then_some(ShardNumber(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_the_service_reads_them() {
        assert_eq!(format(ShardNumber(7)), "shardId-000000000007");
        for id in [
            "shardId-000000000007",
            "shardId-7",
            "7",
            "a-7",
            "007",
            "a-7-b",
        ] {
            assert_eq!(parse(id), Some(ShardNumber(7)), "{id}");
        }
        assert_eq!(
            parse("shardId-002147483647"),
            Some(ShardNumber(i32::MAX.cast_unsigned()))
        );
        for id in [
            "shardId-002147483648",
            "shardId-",
            "a",
            "",
            "a--7",
            "shardId-+7",
        ] {
            assert_eq!(parse(id), None, "{id}");
        }
    }
}
