//! The engine of networks: a detector and an embedder that somebody brings as ONNX files.
//!
//! Known are YuNet and SCRFD for finding faces, SFace and ArcFace for telling them apart: each differs in what it wants of a
//! picture and in how its numbers are to be read. Not here: the networks themselves, and where their files are. Keeps true:
//! what a file says of itself is checked before it is believed, and what goes wrong is an error and not a panic.

mod align;
mod detector;
mod embedder;
mod network;
#[cfg(feature = "portraits")]
pub mod samples;
#[cfg(all(test, feature = "portraits"))]
mod tests;

use crate::{Embedding, Engine, EngineError, Face, Image, ImageError, ModelError, Role};
use detector::Detector;
use embedder::Embedder;

/// A detector and an embedder.
pub(crate) struct Networks {
    detector: Detector,
    embedder: Embedder,
}

impl Networks {
    /// From the contents of two ONNX files. Each has to prove itself on an empty picture.
    pub fn read(detector: &[u8], embedder: &[u8]) -> Result<Self, ModelError> {
        let unusable = |role| move |reason| ModelError::Unusable { role, reason };
        let detector = Detector::read(detector).map_err(unusable(Role::Detector))?;
        let embedder = Embedder::read(embedder).map_err(unusable(Role::Embedder))?;
        Ok(Self { detector, embedder })
    }
}

impl Engine for Networks {
    fn version(&self) -> &str {
        self.embedder.version()
    }

    fn read(&self, file: &[u8]) -> Result<Image, ImageError> {
        Image::decode_in_colour(file)
    }

    fn detect(&self, image: &Image) -> Result<Vec<Face>, EngineError> {
        self.detector.detect(image)
    }

    fn embed(&self, image: &Image, face: &Face) -> Result<Embedding, EngineError> {
        self.embedder.embed(image, &face.landmarks)
    }

    fn similarity(&self, one: &Embedding, other: &Embedding) -> f32 {
        one.similarity(other, self.embedder.same())
    }
}
