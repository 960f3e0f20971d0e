//! The 56-digit sequence numbers: 47 hexadecimal digits printed in decimal.
//!
//! Hexadecimal layout, as real version-2 numbers have it: `2`, 9 digits of creation stamp, the
//! shard index's low digit, 16 digits of sequence index (here the offset), `00`, 9 digits of
//! record second, 8 digits of shard index, `2`.

use anyhow::{Context, Result, ensure};

const HEX_DIGITS: usize = 47;

/// A sequence number taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    pub stamp: u64,
    pub offset: u64,
    pub second: u64,
    pub shard: u32,
}

impl Sequence {
    /// Takes a decimal number apart and checks every fixed digit.
    pub fn parse(decimal: &str) -> Result<Sequence> {
        ensure!(decimal.len() == 56, "{decimal} does not have 56 digits");
        let hex = hex_from_decimal(decimal)?;
        ensure!(hex.len() == HEX_DIGITS, "{decimal} is {hex} in hexadecimal");
        ensure!(
            hex.starts_with('2') && hex.ends_with('2'),
            "{hex} is not of version 2"
        );
        ensure!(&hex[27..29] == "00", "{hex} has no 00 at 27");
        let field = |from: usize, to: usize| u64::from_str_radix(&hex[from..to], 16);
        let shard = u32::try_from(field(38, 46)?)?;
        ensure!(
            field(10, 11)? == u64::from(shard & 0xf),
            "{hex} names two shards"
        );
        Ok(Sequence {
            stamp: field(1, 10)?,
            offset: field(11, 27)?,
            second: field(29, 38)?,
            shard,
        })
    }

    /// The number in decimal.
    pub fn decimal(self) -> String {
        let Sequence {
            stamp,
            offset,
            second,
            shard,
        } = self;
        let nibble = shard & 0xf;
        decimal_from_hex(&format!(
            "2{stamp:09x}{nibble:x}{offset:016x}00{second:09x}{shard:08x}2"
        ))
    }

    /// The number of the place before this offset's record: its second is the stamp.
    pub fn position(self) -> Sequence {
        Sequence {
            second: self.stamp,
            ..self
        }
    }
}

fn hex_from_decimal(decimal: &str) -> Result<String> {
    // Base-16 digits, least significant first.
    let mut digits: Vec<u32> = Vec::new();
    for character in decimal.chars() {
        let mut carry = character.to_digit(10).context("not a decimal digit")?;
        for digit in &mut digits {
            let value = *digit * 10 + carry;
            *digit = value % 16;
            carry = value / 16;
        }
        while carry > 0 {
            digits.push(carry % 16);
            carry /= 16;
        }
    }
    Ok(printed(&digits, 16))
}

fn decimal_from_hex(hex: &str) -> String {
    let mut digits: Vec<u32> = Vec::new();
    for character in hex.chars() {
        let mut carry = character.to_digit(16).unwrap_or_default();
        for digit in &mut digits {
            let value = *digit * 16 + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    printed(&digits, 10)
}

fn printed(digits: &[u32], radix: u32) -> String {
    let digits = digits.iter().rev();
    digits
        .filter_map(|digit| char::from_digit(*digit, radix))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The worked example of the specification, section C.4.
    const EXAMPLE: &str = "49646437577175378652512468275256581209501454778614415410";

    #[test]
    fn the_example_of_the_specification_is_taken_apart() {
        let parsed = Sequence::parse(EXAMPLE).unwrap();

        let expected = Sequence {
            stamp: 1_700_000_000,
            offset: 5,
            second: 1_700_000_100,
            shard: 3,
        };
        assert_eq!(parsed, expected);
        assert_eq!(parsed.decimal(), EXAMPLE);
    }

    #[test]
    fn a_number_of_another_layout_is_refused() {
        let other = EXAMPLE.replace("49646", "49647");

        assert!(Sequence::parse(&other).is_err());
        assert!(Sequence::parse("5").is_err());
    }
}
