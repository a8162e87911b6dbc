//! A face where a network wants it: the five landmarks brought as near as turning, scaling and moving can to fixed places.

use crate::{Gray, Landmarks, Point};

/// A side of an aligned face, in pixels.
pub(super) const SIDE: usize = 112;
/// Where eyes, nose and corners of the mouth are in the faces that SFace and ArcFace were trained with, in pixels.
pub(super) const PLACES: [(f32, f32); 5] =
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)];
/// No place is farther away from a picture's corner, in pixels.
const FARTHEST: f32 = 1e6;

/// Turning, scaling and moving: `(x, y)` becomes `(a x - b y + right, b x + a y + down)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Similarity {
    a: f32,
    b: f32,
    right: f32,
    down: f32,
}

impl Similarity {
    /// The one that brings points nearest to others, by the sum of squared distances.
    pub fn between(from: &[(f32, f32); 5], to: &[(f32, f32); 5]) -> Self {
        let middle = |points: &[(f32, f32); 5]| {
            let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (sum.0 / 5.0, sum.1 / 5.0)
        };
        let (from_middle, to_middle) = (middle(from), middle(to));
        let (mut a, mut b, mut spread) = (0.0, 0.0, 0.0);
        for (from, to) in from.iter().zip(to) {
            let (x, y) = (from.0 - from_middle.0, from.1 - from_middle.1);
            let (u, v) = (to.0 - to_middle.0, to.1 - to_middle.1);
            a += x * u + y * v;
            b += x * v - y * u;
            spread += x * x + y * y;
        }
        // Points in one place say nothing of turn and size.
        let (a, b) = if spread > 1e-6 { (a / spread, b / spread) } else { (1.0, 0.0) };
        let right = to_middle.0 - a * from_middle.0 + b * from_middle.1;
        let down = to_middle.1 - b * from_middle.0 - a * from_middle.1;
        Self { a, b, right, down }
    }

    /// Where a point comes to be.
    pub fn of(&self, (x, y): (f32, f32)) -> (f32, f32) {
        (self.a * x - self.b * y + self.right, self.b * x + self.a * y + self.down)
    }

    /// How many times longer lengths become.
    fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }
}

/// Landmarks in the pixels of a picture, whose centres are at whole numbers.
fn pixels(landmarks: &Landmarks, width: usize, height: usize) -> [(f32, f32); 5] {
    let Landmarks { left_eye, right_eye, nose, left_mouth, right_mouth } = *landmarks;
    let place = |share: f32, length: usize| {
        let place = share * length as f32 - 0.5;
        if place.is_finite() { place.clamp(-FARTHEST, FARTHEST) } else { 0.0 }
    };
    [left_eye, right_eye, nose, left_mouth, right_mouth]
        .map(|Point { x, y }| (place(x, width), place(y, height)))
}

/// A plane of the face with these landmarks, [`SIDE`] times [`SIDE`] values. What lies outside of the picture is black.
pub(super) fn face(plane: &Gray, landmarks: &Landmarks) -> Vec<f32> {
    let points = pixels(landmarks, plane.width, plane.height);
    // From a place in the aligned face to one in the picture: fitted the other way round, and turned about.
    let back = inverse(&Similarity::between(&points, &PLACES));
    // Large faces are made small first, so that no detail is skipped.
    let shrink = back.scale();
    if shrink < 2.0 {
        return warp(plane, &back);
    }
    let side = |length: usize| (length as f32 / shrink).round().max(1.0) as usize;
    let small = plane.resized(side(plane.width), side(plane.height));
    let points = pixels(landmarks, small.width, small.height);
    warp(&small, &inverse(&Similarity::between(&points, &PLACES)))
}

fn inverse(similarity: &Similarity) -> Similarity {
    let square = (similarity.a.powi(2) + similarity.b.powi(2)).max(1e-12);
    let (a, b) = (similarity.a / square, -similarity.b / square);
    let Similarity { right, down, .. } = *similarity;
    Similarity { a, b, right: -(a * right - b * down), down: -(b * right + a * down) }
}

fn warp(plane: &Gray, back: &Similarity) -> Vec<f32> {
    let (width, height) = (plane.width as f32, plane.height as f32);
    let mut out = Vec::with_capacity(SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let (x, y) = back.of((column as f32, row as f32));
            let is_inside = x > -1.0 && y > -1.0 && x < width && y < height;
            out.push(if is_inside { plane.sample(x, y) } else { 0.0 });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_and_scaled_points_come_back() {
        for (angle, scale) in [(0.0_f32, 1.0), (0.4, 3.0), (-2.0, 0.2), (3.1, 1.0)] {
            let (sine, cosine) = angle.sin_cos();
            let moved = PLACES.map(|(x, y)| {
                (scale * (cosine * x - sine * y) + 200.0, scale * (sine * x + cosine * y) - 50.0)
            });
            let there = Similarity::between(&moved, &PLACES);
            let back = inverse(&there);
            for (place, moved) in PLACES.iter().zip(moved) {
                for (found, expected) in [(there.of(moved), *place), (back.of(*place), moved)] {
                    let off = (found.0 - expected.0).hypot(found.1 - expected.1);
                    assert!(off < 0.01, "{angle} {scale}: {found:?} for {expected:?}");
                }
            }
        }
    }

    #[test]
    fn a_face_is_cut_out_upright_whatever_its_turn_and_size() {
        // Brightness tells the column, so it tells where a pixel came from.
        let slope = |width: usize| Gray {
            width,
            height: width,
            data: (0..width * width).map(|at| (at % width * 255 / width) as u8).collect(),
        };
        for (angle, size) in [(0.0_f32, 0.5), (0.3, 0.5), (-0.5, 0.1), (0.2, 0.8)] {
            let (sine, cosine) = angle.sin_cos();
            let point = |number: usize| {
                let (x, y) = (PLACES[number].0 / 112.0 - 0.5, PLACES[number].1 / 112.0 - 0.65);
                Point { x: 0.5 + size * (cosine * x - sine * y), y: 0.5 + size * (sine * x + cosine * y) }
            };
            let landmarks = Landmarks {
                left_eye: point(0),
                right_eye: point(1),
                nose: point(2),
                left_mouth: point(3),
                right_mouth: point(4),
            };
            for width in [200, 1500] {
                let face = face(&slope(width), &landmarks);
                for (number, (x, y)) in PLACES.iter().enumerate() {
                    let found = face[y.round() as usize * SIDE + x.round() as usize] / 255.0;
                    assert!(
                        (found - point(number).x).abs() < 0.012,
                        "{angle} {size} {width} {number}: {found}"
                    );
                }
            }
        }
        let white = Gray { width: 100, height: 100, data: vec![255; 100 * 100] };
        let nowhere = [f32::NAN, f32::INFINITY, 1e30, 0.0].map(|x| Point { x, y: x });
        for place in nowhere {
            let landmarks = Landmarks { left_eye: place, ..Landmarks::default() };
            assert_eq!(face(&white, &landmarks).len(), SIDE * SIDE);
        }
    }
}
