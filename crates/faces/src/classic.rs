//! The engine that is built in: cascades find faces and eyes, gradient histograms describe them.

use crate::cascade::{Cascade, Search};
use crate::eyes::{self, Eyes, SIDE};
use crate::windows::{self, Group};
use crate::{
    BoundingBox, Embedding, Engine, EngineError, Face, Gray, Image, Landmarks, Point, Pose, align,
    descriptor, quality,
};

/// Faces are looked for in a copy with this longest side, in pixels.
const SEARCH_SIDE: usize = 960;
/// A face is passed by at least so many windows.
const LEAST_WINDOWS: usize = 3;
/// Where the eyes of a face are not both seen in its square, squares of these sizes around the same middle are tried.
const OTHER_SQUARES: [f32; 2] = [1.12, 0.9];
/// The cosine at which two faces have similarity 80: where the example `measure` finds as many pairs judged wrongly on both
/// sides, with people that nothing else is measured with (`docs/rekognition.md`).
const SAME: f32 = 0.66;

/// Classic computer vision; deterministic, without model files.
pub struct Classic {
    face: Cascade,
    eye: Cascade,
    /// For each number of a description, its mean over people and how much it tells.
    average: Vec<(f32, f32)>,
}

impl Default for Classic {
    fn default() -> Self {
        let read = |data| Cascade::read(data).expect("the embedded cascades can be read");
        Self {
            face: read(include_bytes!("../data/face.cascade")),
            eye: read(include_bytes!("../data/eye.cascade")),
            average: include_bytes!("../data/average.face").chunks_exact(8).map(pair).collect(),
        }
    }
}

/// Two numbers of four bytes, the lowest first.
fn pair(bytes: &[u8]) -> (f32, f32) {
    let number = |at: usize| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    (number(0), number(4))
}

impl Engine for Classic {
    fn version(&self) -> &str {
        "1.0"
    }

    fn detect(&self, image: &Image) -> Result<Vec<Face>, EngineError> {
        let gray = image.gray();
        let longest = gray.width.max(gray.height);
        let scale = (longest as f32 / SEARCH_SIDE as f32).max(1.0);
        let side = |side: usize| (side as f32 / scale).round() as usize;
        let copy = if scale > 1.0 { gray.resized(side(gray.width), side(gray.height)) } else { gray.clone() };
        let search = Search { least: 20.0, most: f32::MAX, factor: 1.1, step: 2 };
        let mut groups = windows::group(&self.face.search(&copy, search));
        groups.retain(|group| group.count >= LEAST_WINDOWS);
        let mut groups = windows::apart(groups);
        groups.sort_by(|one, other| other.size.total_cmp(&one.size));
        Ok(groups.iter().filter_map(|group| self.face(gray, group, scale)).collect())
    }

    fn embed(&self, image: &Image, face: &Face) -> Result<Embedding, EngineError> {
        let description = self.describe(image, face);
        let special =
            description.iter().zip(&self.average).map(|(value, (mean, weight))| (value - mean) * weight);
        Ok(Embedding::new(&special.collect::<Vec<_>>()))
    }

    fn similarity(&self, one: &Embedding, other: &Embedding) -> f32 {
        one.similarity(other, SAME)
    }
}

impl Classic {
    /// What the pixels say of a face, of length 1, before it is compared with the average face: the average is made of these.
    pub fn describe(&self, image: &Image, face: &Face) -> Vec<f32> {
        let gray = image.gray();
        let pixel = |point: Point| (point.x * gray.width as f32 - 0.5, point.y * gray.height as f32 - 0.5);
        let (left, right) = (pixel(face.landmarks.left_eye), pixel(face.landmarks.right_eye));
        let mut description = descriptor::describe(&align::face(gray, left, right));
        let length = description.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        description.iter_mut().for_each(|value| *value /= length);
        description
    }

    /// The eyes in a square that is larger or smaller by a factor, in pixels of [`SIDE`] of the one that is given.
    fn eyes_in_another(&self, gray: &Gray, (left, top, square): (f32, f32, f32), factor: f32) -> Eyes {
        let other = (square * factor).round().max(1.0);
        let corner = |edge: f32| (edge + (square - other) / 2.0).round();
        let (x, y) = (corner(left), corner(top));
        let close = gray.cut(x as isize, y as isize, other as usize, other as usize).resized(SIDE, SIDE);
        let eyes = eyes::find(&self.eye, &close);
        let side = SIDE as f32;
        let back =
            |at: f32, from: f32, edge: f32| ((at + 0.5) * other / side + from - edge) * side / square - 0.5;
        Eyes { centres: eyes.centres.map(|(at_x, at_y)| (back(at_x, x, left), back(at_y, y, top))), ..eyes }
    }

    /// What a group of windows in a copy that is smaller by `scale` means in the picture; nothing when it is no face.
    fn face(&self, gray: &Gray, group: &Group, scale: f32) -> Option<Face> {
        let (x, y, size) = (group.x * scale, group.y * scale, group.size * scale);
        let (left, top) = (x.round(), y.round());
        let square = size.round().max(1.0);
        let close =
            gray.cut(left as isize, top as isize, square as usize, square as usize).resized(SIDE, SIDE);
        let mut eyes = eyes::find(&self.eye, &close);
        let confidence = confidence(group, &eyes);
        if confidence < 50.0 {
            return None;
        }
        if eyes.seen < 2 {
            let others =
                OTHER_SQUARES.iter().map(|factor| self.eyes_in_another(gray, (left, top, square), *factor));
            eyes = others.into_iter().find(|eyes| eyes.seen == 2).unwrap_or(eyes);
        }
        let (width, height) = (gray.width as f32, gray.height as f32);
        let share = |(at_x, at_y): (f32, f32)| Point {
            x: (left + (at_x + 0.5) * square / SIDE as f32) / width,
            y: (top + (at_y + 0.5) * square / SIDE as f32) / height,
        };
        let [left_eye, right_eye] = eyes.centres;
        let (across, down) = (right_eye.0 - left_eye.0, right_eye.1 - left_eye.1);
        let middle = ((left_eye.0 + right_eye.0) / 2.0, (left_eye.1 + right_eye.1) / 2.0);
        // Along the eyes and down the face, in distances between the eyes.
        let place =
            |u: f32, v: f32| share((middle.0 + u * across - v * down, middle.1 + u * down + v * across));
        let landmarks = Landmarks {
            left_eye: share(left_eye),
            right_eye: share(right_eye),
            nose: place(0.0, 0.62),
            left_mouth: place(-0.38, 1.1),
            right_mouth: place(0.38, 1.1),
        };
        let bounding_box = BoundingBox {
            left: (x + 0.1 * size) / width,
            top: (y - 0.02 * size) / height,
            width: 0.8 * size / width,
            height: 1.1 * size / height,
        };
        let pose = Pose {
            roll: down.atan2(across).to_degrees(),
            yaw: ((middle.0 / SIDE as f32 - 0.5) * 180.0).clamp(-45.0, 45.0),
            pitch: ((0.39 - middle.1 / SIDE as f32) * 120.0).clamp(-30.0, 30.0),
        };
        Some(Face { bounding_box, landmarks, confidence, quality: quality::of(&close), pose })
    }
}

/// Grows with the windows that agree and with the eyes that were seen.
fn confidence(group: &Group, eyes: &Eyes) -> f32 {
    let evidence = group.count as f32 * 0.35 + group.margin * 0.02 + eyes.seen as f32 * 2.0 - 2.4;
    (100.0 / (1.0 + (-evidence).exp())).min(99.99)
}

#[cfg(all(test, feature = "portraits"))]
mod tests {
    use super::*;
    use crate::portraits::reference;

    #[test]
    fn eyes_are_in_one_place_whatever_square_they_are_seen_in() {
        let (engine, image) = (Classic::default(), reference(1001).to_image());
        let face = engine.detect(&image).expect("cascades do not fail")[0];
        let (gray, place) = (image.gray(), face.bounding_box);
        let square = place.width * gray.width as f32 / 0.8;
        let around = (place.left * gray.width as f32 - 0.1 * square, place.top * gray.height as f32, square);
        for factor in OTHER_SQUARES {
            let (same, other) =
                (engine.eyes_in_another(gray, around, 1.0), engine.eyes_in_another(gray, around, factor));
            for (one, other) in same.centres.iter().zip(other.centres) {
                let apart = (one.0 - other.0).hypot(one.1 - other.1);
                assert!(apart < 0.04 * SIDE as f32, "{factor}: {one:?} and {other:?}");
            }
        }
    }
}
