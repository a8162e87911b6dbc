//! The binary operators, with Java's numbers: whole ones stay whole and wrap round, a division by zero gives nothing.

use super::VtlError;
use super::node::Operator;
use super::value::{Heap, Value};
use std::cmp::Ordering;

/// The operators but `&&` and `||`, which do not always need their right side.
pub(crate) fn apply(
    heap: &mut Heap,
    operator: Operator,
    left: &Value,
    right: &Value,
) -> Result<Value, VtlError> {
    Ok(match operator {
        Operator::Equal => Value::Boolean(heap.equal(left, right)?),
        Operator::NotEqual => Value::Boolean(!heap.equal(left, right)?),
        Operator::Less => Value::Boolean(compare(left, right) == Some(Ordering::Less)),
        Operator::Greater => Value::Boolean(compare(left, right) == Some(Ordering::Greater)),
        Operator::LessOrEqual => Value::Boolean(compare(left, right).is_some_and(Ordering::is_le)),
        Operator::GreaterOrEqual => Value::Boolean(compare(left, right).is_some_and(Ordering::is_ge)),
        Operator::Plus if matches!(left, Value::Text(_)) || matches!(right, Value::Text(_)) => {
            let joined = heap.to_text(left)? + &heap.to_text(right)?;
            heap.text(joined)?
        }
        _ => calculate(operator, left, right),
    })
}

/// Only numbers have an order.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(one), Value::Integer(two)) => Some(one.cmp(two)),
        _ => left.as_float()?.partial_cmp(&right.as_float()?),
    }
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Integer(one), Value::Integer(two)) = (left, right) {
        let (one, two) = (*one, *two);
        return match operator {
            Operator::Plus => Value::Integer(one.wrapping_add(two)),
            Operator::Minus => Value::Integer(one.wrapping_sub(two)),
            Operator::Times => Value::Integer(one.wrapping_mul(two)),
            Operator::Divide if two != 0 => Value::Integer(one.wrapping_div(two)),
            Operator::Modulo if two != 0 => Value::Integer(one.wrapping_rem(two)),
            _ => Value::Null,
        };
    }
    let (Some(one), Some(two)) = (left.as_float(), right.as_float()) else { return Value::Null };
    match operator {
        Operator::Plus => Value::Float(one + two),
        Operator::Minus => Value::Float(one - two),
        Operator::Times => Value::Float(one * two),
        Operator::Divide if two != 0.0 => Value::Float(one / two),
        Operator::Modulo if two != 0.0 => Value::Float(one % two),
        _ => Value::Null,
    }
}
