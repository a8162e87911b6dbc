//! Numbers as JavaScript has them: doubles, whose integral values are written without a point.

use serde_json::Number;

/// The JSON number of a double; integral values become integers. `None` for infinities and NaN, which JSON writes as null.
pub fn integral(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 1.8e19 {
        let digits = format!("{value}");
        let digits = if digits == "-0" { "0" } else { &digits };
        if let Ok(integer) = digits.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = digits.parse::<u64>() {
            return Some(integer.into());
        }
    }
    Number::from_f64(value)
}

/// The text that JavaScript's `String(number)` gives.
pub fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if !(number.is_i64() || number.is_u64()) => float_text(value),
        _ => number.to_string(),
    }
}

fn float_text(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&value.abs()) {
        return format!("{value}");
    }
    // `1e-7` and `1.5e+30`: Rust writes the same digits, without the plus.
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}
