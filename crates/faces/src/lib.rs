//! Finding faces in pictures and comparing them: pure functions on pixels.
//!
//! Not here: anything that is stored or sent, and who a face belongs to. [`Classic`] is the engine that is built in: classic
//! computer vision, which needs no model file and is weaker than a network. [`networks`] is the other one: models that somebody
//! brings, run when the feature `onnx` is on. Keeps true: one build on one machine gives the
//! same faces and the same embeddings for the same file, in any order and on any thread. Between machines the last digits of
//! floating-point functions may differ, and with them a similarity; nothing here compares embeddings for equality.

mod align;
mod cascade;
mod classic;
mod descriptor;
mod eyes;
mod gray;
mod image;
#[cfg(feature = "onnx")]
mod onnx;
mod orientation;
#[cfg(feature = "portraits")]
pub mod portraits;
mod quality;
mod windows;

pub use classic::Classic;
pub use gray::Gray;
pub use image::{Image, ImageError, LONGEST_SIDE, MOST_PIXELS, SHORTEST_SIDE};
#[cfg(all(feature = "onnx", feature = "portraits"))]
pub use onnx::samples;
use std::fmt;

/// A way to find and to compare faces.
pub trait Engine: Send + Sync {
    /// Names the kind of embeddings; those of another name cannot be compared with them.
    fn version(&self) -> &str;

    /// Reads a PNG or JPEG file, with as much of it as the engine looks at.
    fn read(&self, file: &[u8]) -> Result<Image, ImageError> {
        Image::decode(file)
    }

    /// The faces in a picture, the largest first.
    fn detect(&self, image: &Image) -> Result<Vec<Face>, EngineError>;

    /// What tells a face from others.
    fn embed(&self, image: &Image, face: &Face) -> Result<Embedding, EngineError>;

    /// How alike two faces are, 0 to 100. 80 and more means the same person, as far as the engine can tell.
    fn similarity(&self, one: &Embedding, other: &Embedding) -> f32;
}

/// Why an engine could not look at a picture: it is the engine's fault and not the picture's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the network cannot be run: {0}")]
pub struct EngineError(pub String);

/// Whether networks can be run: the feature `onnx`.
pub const HAS_NETWORKS: bool = cfg!(feature = "onnx");

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Finding faces.
    Detector,
    /// Telling faces from one another.
    Embedder,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Embedder => "embedder",
        })
    }
}

/// Why networks cannot be an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The feature `onnx` is off.
    #[error("this program was built without the Cargo feature `onnx`, which runs networks")]
    NotBuilt,
    /// A model cannot be read, or is of no known kind.
    #[error("{reason}")]
    Unusable {
        /// Which of the two.
        role: Role,
        /// What is wrong with it.
        reason: String,
    },
}

/// The most bytes of a model's file.
pub const LARGEST_MODEL: u64 = 512 * 1024 * 1024;

/// The engine that finds faces by one network and compares them by another, each the content of an ONNX file.
#[cfg(feature = "onnx")]
pub fn networks(detector: &[u8], embedder: &[u8]) -> Result<Box<dyn Engine>, ModelError> {
    Ok(Box::new(onnx::Networks::read(detector, embedder)?))
}

/// The engine that finds faces by one network and compares them by another; it needs the feature `onnx`.
#[cfg(not(feature = "onnx"))]
pub fn networks(_: &[u8], _: &[u8]) -> Result<Box<dyn Engine>, ModelError> {
    Err(ModelError::NotBuilt)
}

/// A place in a picture, as shares of its width and height from the top left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Share of the width.
    pub x: f32,
    /// Share of the height.
    pub y: f32,
}

/// A rectangle, as shares of the picture's width and height. It may reach beyond the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Places in a face. Left and right are the viewer's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Landmarks {
    /// The pupil on the left.
    pub left_eye: Point,
    /// The pupil on the right.
    pub right_eye: Point,
    /// The tip of the nose.
    pub nose: Point,
    /// The corner of the mouth on the left.
    pub left_mouth: Point,
    /// The corner of the mouth on the right.
    pub right_mouth: Point,
}

/// Where a head looks, in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    /// Clockwise in the picture.
    pub roll: f32,
    /// To the side.
    pub yaw: f32,
    /// Up.
    pub pitch: f32,
}

/// How well a face can be seen, each 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// From black to white.
    pub brightness: f32,
    /// From blurred to crisp.
    pub sharpness: f32,
}

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Around the face without hair and ears.
    pub bounding_box: BoundingBox,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
    /// How sure it is that this is a face, 0 to 100.
    pub confidence: f32,
    /// How well it can be seen.
    pub quality: Quality,
    /// Where it looks.
    pub pose: Pose,
}

/// How quickly similarity falls below the cosine that makes 80.
const FALL: f32 = 0.08;

/// What tells a face from others: a direction in a space of many dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    values: Vec<i8>,
    /// One over the length.
    scale: f32,
}

impl Embedding {
    /// From numbers of any scale.
    pub fn new(values: &[f32]) -> Self {
        let largest = values.iter().fold(1e-9_f32, |most, value| most.max(value.abs()));
        Self::from_values(values.iter().map(|value| (value / largest * 127.0).round() as i8).collect())
    }

    fn from_values(values: Vec<i8>) -> Self {
        let square: i64 = values.iter().map(|value| i64::from(*value) * i64::from(*value)).sum();
        Self { values, scale: 1.0 / (square.max(1) as f32).sqrt() }
    }

    /// For keeping: a byte a dimension.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.iter().map(|value| value.to_le_bytes()[0]).collect()
    }

    /// What [`Embedding::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::from_values(bytes.iter().map(|byte| i8::from_le_bytes([*byte])).collect())
    }

    /// The cosine of the angle between two; 0 when they are of different kinds.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.values.len() != other.values.len() {
            return 0.0;
        }
        // In pieces that cannot overflow and that the compiler makes vector instructions of.
        let pieces = self.values.chunks(256).zip(other.values.chunks(256));
        let product: i32 = pieces
            .map(|(one, other)| {
                one.iter()
                    .zip(other)
                    .map(|(one, other)| i32::from(i16::from(*one) * i16::from(*other)))
                    .sum::<i32>()
            })
            .sum();
        product as f32 * self.scale * other.scale
    }

    /// The cosine in percent: 80 where it is `same`, 100 where it is 1, and soon nothing below.
    pub(crate) fn similarity(&self, other: &Self, same: f32) -> f32 {
        let cosine = self.cosine(other).clamp(-1.0, 1.0);
        let similarity = if cosine >= same {
            80.0 + 20.0 * (1.0 - ((1.0 - cosine) / (1.0 - same)).powi(2))
        } else {
            80.0 * (-(same - cosine) / FALL).exp()
        };
        similarity.clamp(0.0, 100.0)
    }
}

#[cfg(all(test, feature = "portraits"))]
mod tests;
