//! What a plain scalar means: null, boolean, number, date or text, by js-yaml's rules.
//!
//! Stricter than YAML 1.1: `yes`, `on` and `1_000` are text, and `010` is ten.

use crate::number::integral;
use serde_json::Value;

/// The value of a plain scalar.
pub(crate) fn resolve(text: &str) -> Value {
    typed(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether a plain text would be read as anything but that text.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    text == "<<" || typed(text).is_some()
}

fn typed(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => number(text).or_else(|| date(text).map(Value::String)),
    }
}

/// A number; infinities and NaN are null, as JSON writes them.
pub(crate) fn number(text: &str) -> Option<Value> {
    let value = integer(text).or_else(|| float(text))?;
    Some(integral(value).map_or(Value::Null, Value::Number))
}

fn integer(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let radix = match digits.get(..2) {
        Some("0b") => 2,
        Some("0o") => 8,
        Some("0x") => 16,
        _ => 10,
    };
    let digits = if radix == 10 { digits } else { &digits[2..] };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = if radix == 10 {
        digits.parse().ok()?
    } else {
        digits
            .chars()
            .filter_map(|digit| digit.to_digit(radix))
            .fold(0.0, |sum, digit| sum * f64::from(radix) + f64::from(digit))
    };
    Some(sign * value).filter(|value| value.is_finite())
}

fn float(text: &str) -> Option<f64> {
    let (signed, rest) = match text.as_bytes().first()? {
        b'-' | b'+' => (true, &text[1..]),
        _ => (false, text),
    };
    if matches!(rest, ".inf" | ".Inf" | ".INF") {
        return Some(f64::INFINITY);
    }
    if !signed && matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(f64::NAN);
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let starts_well = if whole.is_empty() {
        !signed && fraction.is_some_and(|part| !part.is_empty())
    } else {
        all_digits(whole)
    };
    let exponent_fits = exponent.is_none_or(|part| {
        let digits = part.strip_prefix(['-', '+']).unwrap_or(part);
        !digits.is_empty() && all_digits(digits)
    });
    if !starts_well || !fraction.is_none_or(all_digits) || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// A date or a timestamp, as JavaScript's `toISOString` writes it.
pub(crate) fn date(text: &str) -> Option<String> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let year = reader.digits(4, 4)?;
    reader.expect(b'-')?;
    let month_width = reader.at;
    let month = reader.digits(1, 2)?;
    let month_width = reader.at - month_width;
    reader.expect(b'-')?;
    let day_width = reader.at;
    let day = reader.digits(1, 2)?;
    let day_width = reader.at - day_width;
    if reader.is_done() {
        return (month_width == 2 && day_width == 2).then(|| iso(millis(year, month, day, [0; 4])))?;
    }
    if !reader.take(b'T') && !reader.take(b't') {
        reader.blanks().then_some(())?;
    }
    let hour = reader.digits(1, 2)?;
    reader.expect(b':')?;
    let minute = reader.digits(2, 2)?;
    reader.expect(b':')?;
    let second = reader.digits(2, 2)?;
    let mut fraction = 0;
    if reader.take(b'.') {
        let start = reader.at;
        while reader.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            reader.at += 1;
        }
        let digits: String = text[start..reader.at].chars().chain("000".chars()).take(3).collect();
        fraction = digits.parse().ok()?;
    }
    let mut offset_minutes = 0;
    if !reader.is_done() {
        reader.blanks();
        if !reader.take(b'Z') {
            let sign = if reader.take(b'-') { -1 } else { reader.expect(b'+').map(|()| 1)? };
            let hours = reader.digits(1, 2)?;
            let minutes = if reader.take(b':') { reader.digits(2, 2)? } else { 0 };
            offset_minutes = sign * (hours * 60 + minutes);
        }
        reader.is_done().then_some(())?;
    }
    iso(millis(year, month, day, [hour, minute, second, fraction]) - offset_minutes * 60_000)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.take(b' ') || self.take(b'\t') {}
        self.at > start
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let start = self.at;
        while self.at - start < most && self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at - start < least {
            return None;
        }
        std::str::from_utf8(&self.bytes[start..self.at]).ok()?.parse().ok()
    }
}

/// Milliseconds since the epoch; parts beyond their range carry over, as in `Date.UTC`.
fn millis(year: i64, month: i64, day: i64, [hour, minute, second, fraction]: [i64; 4]) -> i64 {
    // `Date.UTC` takes the years 0 to 99 for those of the twentieth century.
    let year = if year < 100 { year + 1900 } else { year } + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    ((days(year, month, 1) + day - 1) * 24 + hour) * 3_600_000 + minute * 60_000 + second * 1000 + fraction
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn iso(millis: i64) -> Option<String> {
    let (day, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, fraction) =
        (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    (0..=9999)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z"))
}
