//! What work would have cost on AWS: from the ledger's sums and a dated table of prices to a bill.
//!
//! Pure: no IO. Keeps true: nothing is rounded before it is shown, and what is not in the bill is said in it.

mod bill;
mod prices;

pub use bill::{Bill, table};
pub use prices::Prices;

/// An amount of money as people read it: to the cent, smaller ones to two digits that count.
pub fn dollars(amount: f64) -> String {
    if amount == 0.0 {
        return "$0".to_owned();
    }
    if amount >= 0.01 {
        return format!("${amount:.2}");
    }
    // Two digits that count: 0.0000123 is 5 - 1 places behind the point before the first of them.
    let places = (1 - amount.log10().floor() as i64).clamp(2, 12) as usize;
    let text = format!("{amount:.places$}");
    format!("${}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_two_digits() {
        for (amount, expected) in [
            (0.0, "$0"),
            (12.345, "$12.35"),
            (0.014, "$0.01"),
            (0.0099, "$0.0099"),
            (0.000_012_34, "$0.000012"),
            (0.000_000_2, "$0.0000002"),
        ] {
            assert_eq!(dollars(amount), expected);
        }
    }
}
