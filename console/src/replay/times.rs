//! Times as `kafka-consumer-groups` writes them: moments with or without a zone, ISO 8601
//! durations.
//!
//! Pure. Invariant: what is read is one moment, or one length of time; a moment without a zone is
//! UTC, as it is to Kafka's own tool. Left out: years and months, which have no fixed length.
//!
//! Source: `java.time.Duration.parse`, which Kafka's tool reads `--by-duration` with.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Utc};

/// Digits of one number in a duration: far more than any log has seconds.
const MAX_DIGITS: usize = 12;

/// Reads a moment: RFC 3339, a zone without a colon (`+0100`), or no zone at all, which is UTC.
///
/// # Errors
/// What is expected.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_other| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|at| at.with_timezone(&Utc))
        .or_else(|_other| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc())
        })
        .map_err(|_odd| {
            "not a time like 2026-11-01T12:00:00Z (without a zone it is UTC)".to_owned()
        })
}

/// A moment as it is printed: UTC, with its zone, to the millisecond.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads `P2W`, `P1DT2H30M`, `PT0.5S`: more than nothing, in this order, weeks alone or with days.
///
/// # Errors
/// What is expected.
pub(crate) fn iso_duration(text: &str) -> Result<TimeDelta, String> {
    let odd = || "not an ISO 8601 duration like PT1H30M or P1DT12H".to_owned();
    let upper = text.to_ascii_uppercase();
    let body = upper.strip_prefix('P').ok_or_else(odd)?;
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return Err(odd()),
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.contains(['Y', 'M']) {
        return Err("years and months have no fixed length: give days".to_owned());
    }
    let days = units(date, &[('W', 604_800), ('D', 86_400)]).ok_or_else(odd)?;
    let (whole, fraction) = split_fraction(time).ok_or_else(odd)?;
    let hours = units(&whole, &[('H', 3_600), ('M', 60), ('S', 1)]).ok_or_else(odd)?;
    let total = days
        .checked_add(&hours)
        .and_then(|sum| sum.checked_add(&fraction))
        .ok_or_else(odd)?;
    if total <= TimeDelta::zero() {
        return Err("a duration of nothing selects nothing".to_owned());
    }
    Ok(total)
}

/// Sums numbers followed by these units, each at most once, in this order.
fn units(text: &str, units: &[(char, i64)]) -> Option<TimeDelta> {
    let (mut rest, mut seconds) = (text, 0_i64);
    for (unit, length) in units {
        if let Some((number, after)) = rest.split_once(*unit) {
            let number = digits(number)?;
            seconds = seconds.checked_add(number.checked_mul(*length)?)?;
            rest = after;
        }
    }
    rest.is_empty()
        .then(|| TimeDelta::try_seconds(seconds))
        .flatten()
}

fn digits(text: &str) -> Option<i64> {
    let good = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

/// `12.5S` is `12S` and half a second; without a fraction, the text and nothing.
fn split_fraction(text: &str) -> Option<(String, TimeDelta)> {
    let Some((whole, fraction)) = text.split_once(['.', ',']) else {
        return Some((text.to_owned(), TimeDelta::zero()));
    };
    let fraction = fraction.strip_suffix('S')?;
    if fraction.len() > 9 {
        return None;
    }
    digits(fraction)?;
    let nanoseconds = digits(&format!("{fraction:0<9}"))?;
    Some((format!("{whole}S"), TimeDelta::nanoseconds(nanoseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_without_a_zone_is_utc() {
        for (text, wanted) in [
            ("2026-11-01T12:00:00", "2026-11-01T12:00:00.000Z"),
            ("2026-11-01T12:00:00.250", "2026-11-01T12:00:00.250Z"),
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00.000Z"),
            ("2026-11-01T12:00:00+01:00", "2026-11-01T11:00:00.000Z"),
            ("2026-11-01T12:00:00.000+0100", "2026-11-01T11:00:00.000Z"),
        ] {
            assert_eq!(moment(text).map(shown), Ok(wanted.to_owned()), "{text}");
        }
    }

    #[test]
    fn half_a_moment_is_none() {
        for bad in [
            "",
            "2026-11-01",
            "12:00:00",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2h",
        ] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn iso_durations_are_lengths_of_time() {
        for (text, milliseconds) in [
            ("PT1H30M", 5_400_000),
            ("P1D", 86_400_000),
            ("P1DT12H", 129_600_000),
            ("P2W", 1_209_600_000),
            ("PT0.5S", 500),
            ("PT1M2,25S", 62_250),
            ("pt90s", 90_000),
        ] {
            let read = iso_duration(text).map(|length| length.num_milliseconds());
            assert_eq!(read, Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_fixed_length_is_refused() {
        for bad in [
            "",
            "P",
            "PT",
            "1H",
            "PT-1H",
            "-PT1H",
            "PT1M1H",
            "P1M",
            "P1Y",
            "PT1.5H",
            "PT0S",
            "P1H",
            "PT1H ",
            "PT.5",
            "PTS",
            "P1DT",
            "PT1HH",
            "PT99999999999999H",
            "PT1.1234567890S",
        ] {
            assert!(iso_duration(bad).is_err(), "{bad:?}");
        }
    }
}
