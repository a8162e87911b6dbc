//! How well a face can be seen, by its brightness and its edges.

use crate::{Gray, Quality};

/// Of a face that was cut out and brought to the size that eyes are looked for in.
pub(crate) fn of(close: &Gray) -> Quality {
    let mean = close.data.iter().map(|value| f32::from(*value)).sum::<f32>() / close.data.len() as f32;
    let mut edges = 0.0;
    for y in 1..close.height as isize - 1 {
        for x in 1..close.width as isize - 1 {
            let at = |across: isize, down: isize| f32::from(close.at(x + across, y + down));
            edges += (4.0 * at(0, 0) - at(-1, 0) - at(1, 0) - at(0, -1) - at(0, 1)).abs();
        }
    }
    let edges = edges / close.data.len() as f32;
    Quality { brightness: mean / 255.0 * 100.0, sharpness: (100.0 * (1.0 - (-edges / 6.0).exp())).min(100.0) }
}
