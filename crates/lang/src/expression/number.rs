//! The service's numbers: decimals of up to 38 significant digits, compared, added and ordered exactly.
//!
//! Not a general decimal: no multiplication, no rounding; what does not fit is refused with the service's own message.
//! Keeps true: a [`Decimal`] has no trailing zeros in its digits, so equal numbers are equal structures, and the bytes
//! of [`sort_key`] order as the values do.

use super::ExpressionError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// The most significant digits that a number may have.
const MAX_DIGITS: u32 = 38;
/// The largest and smallest power of ten of the leading digit.
const MAX_MAGNITUDE: i32 = 125;
const MIN_MAGNITUDE: i32 = -130;

/// A number as `(-1)^negative * digits * 10^exponent`, zero being `0 * 10^0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i32,
}

fn error(message: &str) -> ExpressionError {
    ExpressionError::new(message)
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, digits: 0, exponent: 0 };

    /// Reads `-12.5`, `1E+10`, `.5` and the like; white space around it is allowed, as the service allows it.
    ///
    /// # Errors
    /// The text is no number, has more than 38 significant digits, or is beyond 1E-130 to 9.99..E+125.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let malformed = || {
            ExpressionError::new(if text.is_empty() {
                "The parameter cannot be converted to a numeric value".to_owned()
            } else {
                format!("The parameter cannot be converted to a numeric value: {text}")
            })
        };
        let trimmed = text.trim();
        let (negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let (mantissa, power) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..]).ok_or_else(malformed)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Ok(Self::ZERO);
        }
        if significant.len() > MAX_DIGITS as usize {
            return Err(error("Attempting to store more than 38 significant digits in a Number"));
        }
        let dropped = (all.len() - all.trim_end_matches('0').len()) as i64;
        let exponent = power.saturating_sub(fraction.len() as i64).saturating_add(dropped);
        let digits = significant.parse().map_err(|_| malformed())?;
        Self::checked(negative, digits, exponent)
    }

    /// Drops trailing zeros and refuses what is out of range.
    fn checked(negative: bool, mut digits: u128, exponent: i64) -> Result<Self, ExpressionError> {
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        let mut exponent = exponent;
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        let length = digits.ilog10() + 1;
        if length > MAX_DIGITS {
            return Err(error("Attempting to store more than 38 significant digits in a Number"));
        }
        let magnitude = exponent.saturating_add(i64::from(length) - 1);
        if magnitude > i64::from(MAX_MAGNITUDE) {
            return Err(error(
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ));
        }
        if magnitude < i64::from(MIN_MAGNITUDE) {
            return Err(error(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ));
        }
        Ok(Self { negative, digits, exponent: exponent as i32 })
    }

    /// The sum.
    ///
    /// # Errors
    /// It needs more than 38 digits or leaves the range.
    pub fn plus(self, other: Self) -> Result<Self, ExpressionError> {
        if self.digits == 0 {
            return Ok(other);
        }
        if other.digits == 0 {
            return Ok(self);
        }
        let exponent = self.exponent.min(other.exponent);
        let too_long = || error("Attempting to store more than 38 significant digits in a Number");
        let align = |number: Self| {
            let shift = (number.exponent - exponent) as u32;
            10_u128.checked_pow(shift).and_then(|power| number.digits.checked_mul(power)).ok_or_else(too_long)
        };
        let (left, right) = (align(self)?, align(other)?);
        if self.negative == other.negative {
            let sum = left.checked_add(right).ok_or_else(too_long)?;
            return Self::checked(self.negative, sum, i64::from(exponent));
        }
        let negative = if left >= right { self.negative } else { other.negative };
        Self::checked(negative, left.abs_diff(right), i64::from(exponent))
    }

    /// The number with the other sign.
    pub fn negated(self) -> Self {
        Self { negative: !self.negative && self.digits != 0, ..self }
    }

    /// The power of ten of the leading digit.
    fn magnitude(self) -> i32 {
        if self.digits == 0 { 0 } else { self.exponent + self.digits.ilog10() as i32 }
    }

    /// Bytes that order as the numbers do and end by themselves, so that more key material may follow.
    fn encode(self) -> Vec<u8> {
        if self.digits == 0 {
            return vec![1];
        }
        let mut bytes = vec![(self.magnitude() - MIN_MAGNITUDE) as u8];
        // One byte for two digits, from 1, so that the closing zero sorts before any further digits.
        let text = self.digits.to_string();
        for pair in text.as_bytes().chunks(2) {
            let tens = (pair[0] - b'0') * 10;
            bytes.push(tens + pair.get(1).map_or(0, |digit| digit - b'0') + 1);
        }
        bytes.push(0);
        if self.negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes.insert(0, if self.negative { 0 } else { 2 });
        bytes
    }
}

/// The digits after an `e`, with their sign.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // An exponent of ten digits is out of range in any case; the range check names it.
    let power: i64 = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000);
    Some(if text.starts_with('-') { -power } else { power })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits, number.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let (left, right) = (sign(self), sign(other));
        if left != right || left == 0 {
            return left.cmp(&right);
        }
        let absolute = self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // The same magnitude and at most 38 digits each: padded to 38 digits they compare as integers.
            let pad = |number: &Self| number.digits * 10_u128.pow(MAX_DIGITS - 1 - number.digits.ilog10());
            pad(self).cmp(&pad(other))
        });
        if left < 0 { absolute.reverse() } else { absolute }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    /// Plain, without an exponent, as the service answers it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.to_string();
        if self.negative {
            f.write_str("-")?;
        }
        if self.exponent >= 0 {
            return write!(f, "{digits}{}", "0".repeat(self.exponent as usize));
        }
        let places = self.exponent.unsigned_abs() as usize;
        if places < digits.len() {
            let (whole, fraction) = digits.split_at(digits.len() - places);
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{}{digits}", "0".repeat(places - digits.len()))
        }
    }
}

/// The service's one spelling of a number: `1.50` and `15E-1` are both `1.5`.
///
/// # Errors
/// See [`Decimal::parse`].
pub fn normalise(text: &str) -> Result<String, ExpressionError> {
    Decimal::parse(text).map(|number| number.to_string())
}

/// Bytes that order as the key values `{"S":..}`, `{"N":..}` and `{"B":..}` do.
///
/// The encoding ends by itself: the key of a partition followed by that of a sort value orders by partition, then by
/// sort value. A value that is no key type, or is malformed, gives nothing; check values first.
pub fn sort_key(value: &Value) -> Vec<u8> {
    let Some((kind, inner)) = super::value::typed(value) else { return Vec::new() };
    match (kind, inner.as_str()) {
        ("N", Some(text)) => Decimal::parse(text).map(Decimal::encode).unwrap_or_default(),
        ("S" | "B", Some(_)) => {
            let mut bytes = sort_prefix(value);
            bytes.extend([0, 0]);
            bytes
        }
        _ => Vec::new(),
    }
}

/// What the [`sort_key`] of every string or binary value that begins with this one starts with.
pub fn sort_prefix(value: &Value) -> Vec<u8> {
    let raw = match super::value::typed(value) {
        Some(("S", inner)) => inner.as_str().map(|text| text.as_bytes().to_vec()),
        Some(("B", inner)) => inner.as_str().and_then(|text| STANDARD.decode(text).ok()),
        _ => None,
    };
    // A zero byte becomes 0x00 0xFF, so that the closing 0x00 0x00 sorts before every continuation.
    let mut bytes = Vec::new();
    for byte in raw.unwrap_or_default() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spelling_and_limits() {
        for (text, expected) in [
            ("1.50", "1.5"),
            ("-0", "0"),
            ("+007", "7"),
            ("15E-1", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("-1.2e-3", "-0.0012"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("", "The parameter cannot be converted to a numeric value"),
            ("abc", "The parameter cannot be converted to a numeric value: abc"),
            ("1e", "The parameter cannot be converted to a numeric value: 1e"),
            (".", "The parameter cannot be converted to a numeric value: ."),
            ("1é", "The parameter cannot be converted to a numeric value: 1é"),
            (
                "123456789012345678901234567890123456789",
                "Attempting to store more than 38 significant digits in a Number",
            ),
            (
                "1e126",
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ),
            (
                "1e-131",
                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
            ),
            (
                "1e99999999999999999999",
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
            ),
        ] {
            assert_eq!(normalise(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn sums_are_exact() {
        let sum = |left: &str, right: &str| {
            let (left, right) = (Decimal::parse(left).unwrap(), Decimal::parse(right).unwrap());
            left.plus(right).map(|number| number.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(sum("0.1", "0.2").as_deref(), Ok("0.3"));
        assert_eq!(sum("1e38", "-1").as_deref(), Ok("99999999999999999999999999999999999999"));
        assert_eq!(sum("-5", "5").as_deref(), Ok("0"));
        assert_eq!(sum("3", "-5").as_deref(), Ok("-2"));
        assert!(sum("1e100", "1").is_err());
        assert!(sum("9.9e125", "9.9e125").is_err());
    }

    #[test]
    fn order_of_bytes_is_order_of_values() {
        let mut texts = vec!["0".to_owned()];
        for sign in ["", "-"] {
            for mantissa in ["1", "1.1", "1.01", "1.10000001", "9", "9.99", "5.5", "12345678901234567890"] {
                for power in [-130, -5, -1, 0, 1, 2, 7, 106] {
                    texts.push(format!("{sign}{mantissa}e{power}"));
                }
            }
        }
        let numbers: Vec<Decimal> = texts.iter().map(|text| Decimal::parse(text).unwrap()).collect();
        for left in &numbers {
            for right in &numbers {
                assert_eq!(left.encode().cmp(&right.encode()), left.cmp(right), "{left} and {right}");
            }
        }
        let strings = ["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "b", "é"];
        for left in strings {
            for right in strings {
                let (one, two) = (sort_key(&json!({"S": left})), sort_key(&json!({"S": right})));
                assert_eq!(one.cmp(&two), left.cmp(right), "{left:?} and {right:?}");
                assert_eq!(one.starts_with(&sort_prefix(&json!({"S": right}))), left.starts_with(right));
            }
        }
    }
}
