//! Finding faces: YuNet (OpenCV's model zoo) and SCRFD (InsightFace).
//!
//! Both lay grids over the picture, with a cell every 8, 16 and 32 pixels, and say for each cell how sure they are of a face
//! there, where its box is and where its five landmarks are. They differ in colours, in how a box is written, and in that
//! SCRFD speaks twice for each cell.

use super::network::Network;
use crate::{BoundingBox, EngineError, Face, Gray, Image, Landmarks, Point, Pose, eyes, quality};

/// Distances between cells, in pixels.
const STRIDES: [usize; 3] = [8, 16, 32];
/// A side of the picture that a network looks at when its file leaves it open, in pixels.
const SIDE: usize = 640;
/// The longest side that a file may ask for, in pixels.
const LONGEST_SIDE: usize = 2048;
/// So many places, the surest, are compared with each other.
const MOST_PLACES: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// `face_detection_yunet_2023mar` and later: blue first, brightness as it is.
    YuNet,
    /// `scrfd_*_kps` and `det_*` of InsightFace's packs: red first, brightness from -1 to 1.
    Scrfd,
}

impl Kind {
    /// How sure the network has to be, as its publishers set it.
    fn least(self) -> f32 {
        match self {
            Self::YuNet => 0.9,
            Self::Scrfd => 0.5,
        }
    }

    /// How much of two boxes may be common to both when they are two faces, likewise.
    fn overlap(self) -> f32 {
        match self {
            Self::YuNet => 0.3,
            Self::Scrfd => 0.4,
        }
    }

    /// How often it speaks for a cell.
    fn repeats(self) -> usize {
        match self {
            Self::YuNet => 1,
            Self::Scrfd => 2,
        }
    }
}

/// Which outputs are about one grid.
struct Grid {
    stride: usize,
    /// How sure; what several say is combined.
    scores: Vec<usize>,
    boxes: usize,
    points: usize,
}

/// A detector.
pub(super) struct Detector {
    network: Network,
    kind: Kind,
    grids: Vec<Grid>,
}

/// A place where a face can be, in pixels of what the network saw.
#[derive(Clone, Copy)]
struct Place {
    score: f32,
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
    points: [(f32, f32); 5],
}

impl Detector {
    /// From the content of an ONNX file, which has to look at an empty picture.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        let network = Network::read(file, SIDE)?;
        for side in [network.width, network.height] {
            if !(64..=LONGEST_SIDE).contains(&side) || side % 32 != 0 {
                return Err(format!("it looks at {} x {} pixels", network.width, network.height));
            }
        }
        let kinds = [(Kind::YuNet, yunet(&network)), (Kind::Scrfd, scrfd(&network))];
        let fitting = kinds.into_iter().find_map(|(kind, grids)| {
            grids
                .filter(|grids| grids.iter().all(|grid| fits(grid, kind, &network)))
                .map(|grids| (kind, grids))
        });
        let Some((kind, grids)) = fitting else {
            let known = "neither YuNet (12 outputs: cls_8, obj_8, bbox_8, kps_8 and so on) nor SCRFD with landmarks (9 outputs)";
            return Err(format!("it is {known}: {}", network.shown()));
        };
        let detector = Self { network, kind, grids };
        let empty = vec![0.0; 3 * detector.network.width * detector.network.height];
        detector.network.run(&empty).map_err(|error| error.to_string())?;
        Ok(detector)
    }

    /// The faces in a picture, the largest first.
    pub fn detect(&self, image: &Image) -> Result<Vec<Face>, EngineError> {
        let gray = image.gray();
        let across = self.network.width as f32 / gray.width as f32;
        let scale = across.min(self.network.height as f32 / gray.height as f32);
        let side = |length: usize, most: usize| ((length as f32 * scale).round() as usize).clamp(1, most);
        let seen = (side(gray.width, self.network.width), side(gray.height, self.network.height));
        let places = self.places(&self.network.run(&self.planes(image, seen))?);
        let mut faces: Vec<Face> = apart(places, self.kind.overlap())
            .iter()
            .map(|place| face(gray, place, (seen.0 as f32, seen.1 as f32), self.kind.least()))
            .collect();
        let size = |face: &Face| face.bounding_box.width * face.bounding_box.height;
        faces.sort_by(|one, other| size(other).total_cmp(&size(one)));
        Ok(faces)
    }

    /// The picture as the network wants it: as large as fits, in the upper left corner of black.
    fn planes(&self, image: &Image, (width, height): (usize, usize)) -> Vec<f32> {
        let mut colours = image.colours();
        let (dark, range) = match self.kind {
            Kind::YuNet => (0.0, 1.0),
            Kind::Scrfd => (127.5, 128.0),
        };
        if self.kind == Kind::YuNet {
            colours.reverse();
        }
        let plane = self.network.width * self.network.height;
        let mut planes = vec![(0.0 - dark) / range; 3 * plane];
        for (colour, plane) in colours.into_iter().zip(planes.chunks_exact_mut(plane)) {
            let small = colour.resized(width, height);
            for (from, to) in small.data.chunks_exact(width).zip(plane.chunks_exact_mut(self.network.width)) {
                for (from, to) in from.iter().zip(to) {
                    *to = (f32::from(*from) - dark) / range;
                }
            }
        }
        planes
    }

    /// What the network is sure enough of.
    fn places(&self, outputs: &[Vec<f32>]) -> Vec<Place> {
        let mut places = Vec::new();
        for grid in &self.grids {
            let (stride, repeats) = (grid.stride as f32, self.kind.repeats());
            let columns = self.network.width / grid.stride;
            let (boxes, points) =
                (outputs[grid.boxes].chunks_exact(4), outputs[grid.points].chunks_exact(10));
            for (at, (place, points)) in boxes.zip(points).enumerate() {
                let sure = grid.scores.iter().map(|output| outputs[*output][at].clamp(0.0, 1.0));
                // The geometric mean; of one it is that one. What is no number is never enough.
                let score = sure.product::<f32>().powf(1.0 / grid.scores.len() as f32);
                if score.is_nan() || score < self.kind.least() {
                    continue;
                }
                let (column, row) = ((at / repeats % columns) as f32, (at / repeats / columns) as f32);
                let (left, top, right, bottom) = match self.kind {
                    Kind::YuNet => {
                        let (x, y) = (column + place[0], row + place[1]);
                        let (across, down) = (place[2].exp() / 2.0, place[3].exp() / 2.0);
                        (x - across, y - down, x + across, y + down)
                    }
                    Kind::Scrfd => (column - place[0], row - place[1], column + place[2], row + place[3]),
                };
                let mark = |number: usize| {
                    ((column + points[2 * number]) * stride, (row + points[2 * number + 1]) * stride)
                };
                let place = Place {
                    score,
                    left: left * stride,
                    top: top * stride,
                    right: right * stride,
                    bottom: bottom * stride,
                    points: [0, 1, 2, 3, 4].map(mark),
                };
                places.extend(place.is_sound().then_some(place));
            }
        }
        places
    }
}

impl Place {
    /// Whether it can be a place: not empty, and not far beyond any picture.
    fn is_sound(&self) -> bool {
        let far = 2.0 * LONGEST_SIDE as f32;
        let edges = [self.left, self.top, self.right, self.bottom];
        let numbers = edges.into_iter().chain(self.points.iter().flat_map(|(x, y)| [*x, *y]));
        numbers.into_iter().all(|it| it.abs() < far)
            && self.right - self.left > 1.0
            && self.bottom - self.top > 1.0
    }

    /// The share of what both cover that is common to both.
    fn overlap(&self, other: &Self) -> f32 {
        let shared = |least: f32, other_least: f32, most: f32, other_most: f32| {
            (most.min(other_most) - least.max(other_least)).max(0.0)
        };
        let both = shared(self.left, other.left, self.right, other.right)
            * shared(self.top, other.top, self.bottom, other.bottom);
        let area = |it: &Self| (it.right - it.left) * (it.bottom - it.top);
        both / (area(self) + area(other) - both)
    }
}

/// Of places that mean the same face, the one that the network is surest of.
fn apart(mut places: Vec<Place>, overlap: f32) -> Vec<Place> {
    places.sort_by(|one, other| other.score.total_cmp(&one.score));
    places.truncate(MOST_PLACES);
    let mut kept: Vec<Place> = Vec::new();
    for place in places {
        if kept.iter().all(|it| it.overlap(&place) <= overlap) {
            kept.push(place);
        }
    }
    kept
}

/// YuNet's outputs have names.
fn yunet(network: &Network) -> Option<Vec<Grid>> {
    let named = |part: &str, stride: usize| {
        let name = format!("{part}_{stride}");
        network.outputs.iter().position(|(other, _)| *other == name)
    };
    let grid = |stride| {
        let scores = vec![named("cls", stride)?, named("obj", stride)?];
        Some(Grid { stride, scores, boxes: named("bbox", stride)?, points: named("kps", stride)? })
    };
    STRIDES.into_iter().map(grid).collect()
}

/// SCRFD's outputs have an order: all scores, all boxes, all landmarks.
fn scrfd(network: &Network) -> Option<Vec<Grid>> {
    let grid = |(at, stride)| Grid { stride, scores: vec![at], boxes: at + 3, points: at + 6 };
    (network.outputs.len() == 9).then(|| STRIDES.into_iter().enumerate().map(grid).collect())
}

/// Whether outputs are as long as the grid wants them.
fn fits(grid: &Grid, kind: Kind, network: &Network) -> bool {
    let cells = (network.width / grid.stride) * (network.height / grid.stride) * kind.repeats();
    let has = |output: usize, each: usize| {
        let (_, shape) = &network.outputs[output];
        shape.last() == Some(&each) && shape.iter().product::<usize>() == cells * each
    };
    grid.scores.iter().all(|it| has(*it, 1)) && has(grid.boxes, 4) && has(grid.points, 10)
}

/// What a place in the part of the network's picture that was seen means in the whole one.
fn face(gray: &Gray, place: &Place, (width, height): (f32, f32), least: f32) -> Face {
    let bounding_box = BoundingBox {
        left: place.left / width,
        top: place.top / height,
        width: (place.right - place.left) / width,
        height: (place.bottom - place.top) / height,
    };
    // Landmarks are counted from the middle of the first pixel.
    let [left_eye, right_eye, nose, left_mouth, right_mouth] =
        place.points.map(|(x, y)| Point { x: (x + 0.5) / width, y: (y + 0.5) / height });
    // What is just enough has 90, so that quality filters mean much the same with every detector.
    let confidence = 100.0 - 10.0 * (1.0 - place.score) / (1.0 - least);
    Face {
        bounding_box,
        landmarks: Landmarks { left_eye, right_eye, nose, left_mouth, right_mouth },
        confidence: confidence.clamp(0.0, 99.99),
        quality: quality::of(&close(gray, &bounding_box)),
        pose: pose(&place.points),
    }
}

/// The square around a box, in the size that quality is judged in.
fn close(gray: &Gray, place: &BoundingBox) -> Gray {
    let (width, height) = (gray.width as f32, gray.height as f32);
    let side = (place.width * width).max(place.height * height).round().clamp(1.0, width.max(height));
    let edge = |middle: f32| (middle - side / 2.0).round() as isize;
    let left = edge((place.left + place.width / 2.0) * width);
    let top = edge((place.top + place.height / 2.0) * height);
    gray.cut(left, top, side as usize, side as usize).resized(eyes::SIDE, eyes::SIDE)
}

/// A rough guess by where the nose is between eyes and mouth, seen from in front of the eyes.
fn pose(points: &[(f32, f32); 5]) -> Pose {
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = *points;
    let (across, down) = (right_eye.0 - left_eye.0, right_eye.1 - left_eye.1);
    let apart = across.hypot(down).max(1.0);
    let middle = |one: (f32, f32), other: (f32, f32)| ((one.0 + other.0) / 2.0, (one.1 + other.1) / 2.0);
    let eyes = middle(left_eye, right_eye);
    // Along the eyes and down the face, in distances between the eyes.
    let place = |(x, y): (f32, f32)| {
        let (x, y) = ((x - eyes.0) / apart, (y - eyes.1) / apart);
        ((x * across + y * down) / apart, (y * across - x * down) / apart)
    };
    let (nose, mouth) = (place(nose), place(middle(left_mouth, right_mouth)));
    // A nose stands out by about half the distance between the eyes, and is half the way down to the mouth.
    let angle = |off: f32| (off / 0.5).atan().to_degrees();
    Pose {
        roll: down.atan2(across).to_degrees(),
        yaw: angle(nose.0 - mouth.0 / 2.0).clamp(-90.0, 90.0),
        pitch: angle(mouth.1 / 2.0 - nose.1).clamp(-90.0, 90.0),
    }
}
