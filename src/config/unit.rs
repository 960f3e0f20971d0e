//! Sizes and times as people write them: `64MiB`, `30s`.

/// What a setting's number counts. Its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Milliseconds,
    None,
}

const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];
const TIMES: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Unit {
    /// The unit that `name` ends with, give or take its bound.
    pub fn of(name: &str) -> Unit {
        let name = name.trim_end_matches("-max");
        if name.ends_with("-bytes") {
            return Unit::Bytes;
        }
        if name.ends_with("-ms") {
            return Unit::Milliseconds;
        }
        Unit::None
    }

    fn suffixes(self) -> &'static [(&'static str, u64)] {
        match self {
            Unit::Bytes => SIZES,
            Unit::Milliseconds => TIMES,
            Unit::None => &[],
        }
    }

    /// `text` as a plain number of this unit; unchanged if it has no suffix of ours.
    pub fn plain(self, text: &str) -> String {
        let scaled = self.suffixes().iter().find_map(|(suffix, scale)| {
            let number = strip_suffix_ignoring_case(text, suffix)?;
            number.trim().parse::<u64>().ok()?.checked_mul(*scale)
        });
        scaled.map_or_else(|| text.to_owned(), |number| number.to_string())
    }

    /// A plain number in the largest binary or time unit that divides it.
    pub fn written(self, plain: &str) -> String {
        let Ok(number) = plain.parse::<u64>() else {
            return plain.to_owned();
        };
        let fitting = self.suffixes().iter().find(|(suffix, scale)| {
            let is_shown = self != Unit::Bytes || suffix.ends_with("iB");
            is_shown && number > 0 && number.is_multiple_of(*scale)
        });
        match fitting {
            Some((suffix, scale)) => format!("{}{suffix}", number / scale),
            None => plain.to_owned(),
        }
    }
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (number, found) = text.split_at_checked(at)?;
    found.eq_ignore_ascii_case(suffix).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_unit() {
        assert_eq!(Unit::of("kafka-frame-bytes-max"), Unit::Bytes);
        assert_eq!(Unit::of("retention-check-ms"), Unit::Milliseconds);
        assert_eq!(Unit::of("num-partitions"), Unit::None);
    }

    #[test]
    fn sizes_and_times_may_be_written_with_units() {
        assert_eq!(Unit::Bytes.plain("64MiB"), "67108864");
        assert_eq!(Unit::Bytes.plain("1 kb"), "1000");
        assert_eq!(Unit::Bytes.plain("17"), "17");
        assert_eq!(Unit::Milliseconds.plain("500ms"), "500");
        assert_eq!(Unit::Milliseconds.plain("2min"), "120000");
        assert_eq!(Unit::None.plain("2min"), "2min");
    }

    #[test]
    fn what_is_too_large_to_scale_is_left_to_be_refused() {
        assert_eq!(Unit::Bytes.plain("99999999999TiB"), "99999999999TiB");
    }

    #[test]
    fn defaults_are_shown_in_the_unit_that_fits() {
        assert_eq!(Unit::Bytes.written("67108864"), "64MiB");
        assert_eq!(Unit::Bytes.written("1000"), "1000");
        assert_eq!(Unit::Milliseconds.written("30000"), "30s");
        assert_eq!(Unit::Milliseconds.written("500"), "500ms");
        assert_eq!(Unit::Milliseconds.written("0"), "0");
        assert_eq!(Unit::None.written("./braid-data"), "./braid-data");
    }
}
