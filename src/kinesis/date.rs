//! Times as the service's messages print them.

use crate::store::Timestamp;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_MS: i64 = 86_400_000;

/// As Java's `Date` prints itself: `Thu Jan 22 01:22:02 UTC 2015`.
pub fn java(at: Timestamp) -> String {
    let (days, ms) = (at.0.div_euclid(DAY_MS), at.0.rem_euclid(DAY_MS));
    let weekday = WEEKDAYS[index(days.rem_euclid(7))];
    let (year, month, day) = civil(days);
    let seconds = ms / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let month = MONTHS[index(month - 1)];
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Year, month and day of a day counted from 1970 (Gregorian, in eras of 400 years that begin in
/// March, so that a leap day is the last of its year).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn index(small: i64) -> usize {
    usize::try_from(small).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_as_in_java() {
        let recorded = [
            (1_421_889_722_000, "Thu Jan 22 01:22:02 UTC 2015"),
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (1_709_251_199_999, "Thu Feb 29 23:59:59 UTC 2024"),
            (1_795_256_400_000, "Sat Nov 21 10:20:00 UTC 2026"),
        ];
        for (ms, text) in recorded {
            assert_eq!(java(Timestamp(ms)), text);
        }
    }
}
