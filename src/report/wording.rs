//! How numbers and names are worded, for people and in files.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::text::escape::{is_one_line, visible};

/// `1,740`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `812`, `41k`, `1.2M`: for a line that changes all the time.
pub(super) fn rough(number: u64) -> String {
    match number {
        0..10_000 => grouped(number),
        10_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// `$0.012`; more decimals where it is so little that three would show nothing.
pub(super) fn money(usd: f64) -> String {
    if usd >= 1.0 {
        format!("${usd:.2}")
    } else if usd >= 0.001 || usd <= 0.0 {
        format!("${usd:.3}")
    } else {
        format!("${usd:.6}")
    }
}

/// `4.1 s`, from two minutes on `3 min 20 s`, from two hours on `2 h 5 min`.
pub(super) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{:.1} s", duration.as_secs_f64()),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The same for milliseconds as the journal has them.
pub(super) fn time_of_ms(milliseconds: f64) -> String {
    time(Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default())
}

/// `1 failed`, `3 retries`: the number with the right word.
pub(super) fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// The matrix values as `gap=4, tone=dry`; what is no JSON object stays as it is.
pub(super) fn vars_in_words(vars: &str) -> String {
    let Ok(map) = serde_json::from_str::<Map<String, Value>>(vars) else {
        return one_line(vars);
    };
    let words = map.iter().map(|(name, value)| format!("{name}={}", value_in_words(value)));
    one_line(&words.collect::<Vec<_>>().join(", "))
}

/// A matrix value as people write it: texts without quotes.
pub(super) fn value_in_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text made visible on one line.
pub(super) fn one_line(text: &str) -> String {
    if is_one_line(text) {
        return text.to_owned();
    }
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a number with so many decimals, as `{:.*}` does, which is exact and slow: most are far enough from the middle
/// between two such numbers that it is plain which of them is nearer.
pub(super) fn push_fixed(text: &mut String, number: f64, decimals: usize) {
    let scaled = number * [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6].get(decimals).copied().unwrap_or(f64::NAN);
    let is_plain = number.is_sign_positive() && (0.0..1e12).contains(&scaled) && (scaled.fract() - 0.5).abs() > 1e-3;
    if !is_plain || decimals == 0 {
        // Nothing can fail to be written into a text.
        let _ = write!(text, "{number:.decimals$}");
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10^12")]
    let units = scaled.round() as u64;
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(units);
    let whole = digits.len().saturating_sub(decimals);
    text.push_str(if whole == 0 { "0" } else { &digits[..whole] });
    text.push('.');
    (digits.len()..decimals).for_each(|_| text.push('0'));
    text.push_str(&digits[whole..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn rough_numbers_are_short() {
        for (number, text) in [(9_999, "9,999"), (41_300, "41k"), (999_999, "999k"), (1_250_000, "1.2M")] {
            assert_eq!(rough(number), text);
        }
    }

    #[test]
    fn a_little_money_is_not_shown_as_none() {
        for (usd, text) in [(0.0, "$0.000"), (0.000_042, "$0.000042"), (0.0124, "$0.012"), (12.5, "$12.50")] {
            assert_eq!(money(usd), text);
        }
    }

    #[test]
    fn long_times_are_told_in_minutes_and_hours() {
        for (seconds, text) in [(0.04, "0.0 s"), (12.44, "12.4 s"), (200.0, "3 min 20 s"), (7_500.0, "2 h 5 min")] {
            assert_eq!(time(Duration::from_secs_f64(seconds)), text);
        }
    }

    fn fixed(number: f64, decimals: usize) -> String {
        let mut text = String::new();
        push_fixed(&mut text, number, decimals);
        text
    }

    proptest! {
        #[test]
        fn a_number_has_the_decimals_that_the_standard_library_gives_it(
            number in prop_oneof![any::<f64>(), 0.0..1e6_f64, (0..2_000_000_u32).prop_map(|halves| f64::from(halves) / 2000.0)],
            decimals in 0..8_usize,
        ) {
            prop_assert_eq!(fixed(number, decimals), format!("{number:.decimals$}"));
            prop_assert_eq!(fixed(-number, decimals), format!("{:.decimals$}", -number));
        }

        #[test]
        fn the_quick_way_gives_the_same_line(text in "[a-z·  \t\n\u{200b}é]{0,8}") {
            let line = visible(&text).split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(one_line(&text), line);
        }
    }
}
