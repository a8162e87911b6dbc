//! A face in a fixed place: turned and scaled so that its eyes are where those of all faces are.

use crate::gray::Gray;

/// Width of an aligned face, in pixels.
pub(crate) const WIDTH: usize = 96;
/// Height of an aligned face, in pixels.
pub(crate) const HEIGHT: usize = 112;
/// The left eye's column; the right eye's is the mirror image.
const EYE_X: f32 = 29.5;
/// The eyes' row.
const EYE_Y: f32 = 38.0;

/// Cuts out the face whose eyes are at these pixels.
pub(crate) fn face(gray: &Gray, left: (f32, f32), right: (f32, f32)) -> Vec<f32> {
    let apart = WIDTH as f32 - 1.0 - 2.0 * EYE_X;
    let (across, down) = (right.0 - left.0, right.1 - left.1);
    let distance = across.hypot(down).max(1.0);
    let middle = ((left.0 + right.0) / 2.0, (left.1 + right.1) / 2.0);
    // Large faces are made small first, so that no detail is skipped.
    let shrink = (distance / apart).max(1.0);
    let side = (distance * 5.5).ceil();
    let (x, y) = ((middle.0 - side / 2.0).floor(), (middle.1 - side / 2.0).floor());
    let piece = gray.cut(x as isize, y as isize, side as usize, side as usize);
    let small = (side / shrink).round() as usize;
    let piece = if shrink > 1.0 { piece.resized(small, small) } else { piece };
    let shrink = side / piece.width as f32;
    let place = |value: f32, from: f32| (value - from + 0.5) / shrink - 0.5;
    let (middle_x, middle_y) = (place(middle.0, x), place(middle.1, y));
    let scale = distance / shrink / apart;
    let (cosine, sine) = (across / distance * scale, down / distance * scale);
    let mut out = Vec::with_capacity(WIDTH * HEIGHT);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let (u, v) = (column as f32 - (WIDTH as f32 - 1.0) / 2.0, row as f32 - EYE_Y);
            out.push(piece.sample(middle_x + u * cosine - v * sine, middle_y + u * sine + v * cosine));
        }
    }
    out
}
