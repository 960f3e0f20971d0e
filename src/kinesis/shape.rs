//! Constraints as data: what the service's model says about a member, and nothing else.

use std::ops::RangeInclusive;

/// A member of a structure, in the service's order.
#[derive(Debug)]
pub struct Member {
    /// As the model spells it, capital first.
    pub name: &'static str,
    pub is_required: bool,
    pub shape: Shape,
}

/// What a value must be, and the bounds it must keep.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Text(Text),
    Integer(Integer),
    Boolean,
    /// Bytes, as base64 on the wire.
    Blob(Length),
    /// Seconds since the epoch, with a fraction.
    Timestamp,
    List(List),
    Map(Map),
    Structure(&'static Structure),
}

#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub pattern: Option<Pattern>,
    pub length: Length,
    /// The values allowed, if they are listed.
    pub choices: &'static [&'static str],
}

/// The model's regular expression, and what it comes to.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    pub text: &'static str,
    pub accepts: fn(&str) -> bool,
}

/// Bounds of a length in characters, bytes or elements, both included; an absent one is not
/// checked.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub min: Option<usize>,
    pub max: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub struct Integer {
    pub min: Option<i64>,
    pub max: Option<i64>,
    /// Its Java class, which messages name.
    pub class: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub struct List {
    pub element: &'static Shape,
    pub length: Length,
}

/// A map from text to text.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    pub length: Length,
    pub key_length: Length,
    pub value_length: Length,
}

#[derive(Debug)]
pub struct Structure {
    /// The model's name, which messages show.
    pub name: &'static str,
    pub members: &'static [Member],
}

impl Shape {
    /// Whether this is a text shape whose every bound the text keeps.
    pub fn accepts(&self, text: &str) -> bool {
        matches!(self, Shape::Text(rules) if rules.accept(text))
    }
}

impl Text {
    /// Whether a text keeps every bound.
    pub fn accept(&self, text: &str) -> bool {
        self.length.holds(text.chars().count())
            && self.pattern.is_none_or(|pattern| (pattern.accepts)(text))
            && (self.choices.is_empty() || self.choices.contains(&text))
    }
}

impl Length {
    pub const ANY: Length = Length {
        min: None,
        max: None,
    };

    pub const fn of(range: RangeInclusive<usize>) -> Length {
        Length {
            min: Some(*range.start()),
            max: Some(*range.end()),
        }
    }

    pub const fn at_most(max: usize) -> Length {
        Length {
            min: None,
            max: Some(max),
        }
    }

    pub fn holds(self, length: usize) -> bool {
        self.min.is_none_or(|min| length >= min) && self.max.is_none_or(|max| length <= max)
    }
}

/// Text of any form and length.
pub const TEXT: Shape = Shape::Text(Text {
    pattern: None,
    length: Length::ANY,
    choices: &[],
});

/// Text of so many characters.
pub const fn text(length: RangeInclusive<usize>) -> Shape {
    Shape::Text(Text {
        pattern: None,
        length: Length::of(length),
        choices: &[],
    })
}

/// Text that matches, of any length that matches.
pub const fn matching(pattern: Pattern) -> Shape {
    Shape::Text(Text {
        pattern: Some(pattern),
        length: Length::ANY,
        choices: &[],
    })
}

/// Text that matches, of so many characters.
pub const fn named(pattern: Pattern, length: RangeInclusive<usize>) -> Shape {
    Shape::Text(Text {
        pattern: Some(pattern),
        length: Length::of(length),
        choices: &[],
    })
}

/// One of a list of words.
pub const fn choice(choices: &'static [&'static str]) -> Shape {
    Shape::Text(Text {
        pattern: None,
        length: Length::ANY,
        choices,
    })
}

pub const fn integer(range: RangeInclusive<i64>) -> Shape {
    Shape::Integer(Integer {
        min: Some(*range.start()),
        max: Some(*range.end()),
        class: "Integer",
    })
}

pub const fn integer_from(min: i64) -> Shape {
    Shape::Integer(Integer {
        min: Some(min),
        max: None,
        class: "Integer",
    })
}

pub const STREAM_NAME: Shape = named(NAME, 1..=128);
pub const SHARD_ID: Shape = named(NAME, 1..=128);
pub const STREAM_ARN: Shape = named(STREAM_ARN_PATTERN, 1..=2048);
/// Reserved by the service: checked for form and otherwise ignored.
pub const STREAM_ID: Shape = named(STREAM_ID_PATTERN, 1..=24);
pub const NEXT_TOKEN: Shape = text(1..=1_048_576);
pub const SEQUENCE_NUMBER: Shape = matching(SEQUENCE_NUMBER_PATTERN);
pub const TAGS: Shape = Shape::Map(Map {
    length: Length {
        min: Some(1),
        max: Some(200),
    },
    key_length: Length {
        min: Some(1),
        max: Some(128),
    },
    value_length: Length {
        min: Some(0),
        max: Some(256),
    },
});

pub const NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_.-]+",
    accepts: |text| !text.is_empty() && text.bytes().all(is_name_byte),
};
pub const STREAM_ARN_PATTERN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+",
    accepts: |text| is_arn_of(text, ":stream/"),
};
pub const STREAM_ID_PATTERN: Pattern = Pattern {
    text: "[a-z0-9]{20}-[a-z0-9]{3}",
    accepts: |text| {
        let is_part = |part: &str| part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'));
        text.len() == 24
            && text
                .split_once('-')
                .is_some_and(|(a, b)| a.len() == 20 && is_part(a) && is_part(b))
    },
};
pub const SEQUENCE_NUMBER_PATTERN: Pattern = Pattern {
    text: r"0|([1-9]\d{0,128})",
    accepts: |text| is_decimal(text, 129),
};
pub const HASH_KEY_PATTERN: Pattern = Pattern {
    text: r"0|([1-9]\d{0,38})",
    accepts: |text| is_decimal(text, 39),
};

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_decimal(text: &str, digits_max: usize) -> bool {
    text == "0"
        || ((1..=digits_max).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|b| b.is_ascii_digit()))
}

/// `arn:aws.*:kinesis:.*:\d{12}` then `kind`, then anything without white space.
fn is_arn_of(text: &str, kind: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws") else {
        return false;
    };
    let fits = |at: usize| {
        let (head, tail) = (&rest[..at], &rest[at + kind.len()..]);
        let Some((middle, account)) = head.rsplit_once(':') else {
            return false;
        };
        !tail.is_empty()
            && !tail.contains(char::is_whitespace)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && middle.contains(":kinesis:")
            && !middle.contains(['\n', '\r'])
    };
    rest.match_indices(kind).any(|(at, _)| fits(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_needs_its_service_its_account_and_a_name() {
        let accepts = STREAM_ARN_PATTERN.accepts;
        assert!(accepts(
            "arn:aws:kinesis:us-east-1:123456789012:stream/orders"
        ));
        assert!(accepts("arn:aws-cn:kinesis::123456789012:stream/a/b"));
        assert!(!accepts(
            "arn:aws:kinesis:us-east-1:12345678901:stream/orders"
        ));
        assert!(!accepts("arn:aws:sqs:us-east-1:123456789012:stream/orders"));
        assert!(!accepts("arn:aws:kinesis:us-east-1:123456789012:stream/"));
        assert!(!accepts(
            "arn:aws:kinesis:us-east-1:123456789012:stream/a b"
        ));
    }

    #[test]
    fn a_number_has_no_leading_zero_and_a_bounded_length() {
        let accepts = HASH_KEY_PATTERN.accepts;
        assert!(accepts("0") && accepts("10") && accepts(&"9".repeat(39)));
        assert!(!accepts("") && !accepts("00") && !accepts("-1") && !accepts(&"9".repeat(40)));
    }
}
