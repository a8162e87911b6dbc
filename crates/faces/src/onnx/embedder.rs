//! Telling faces apart: SFace (OpenCV's model zoo) and ArcFace (InsightFace).
//!
//! Both look at an aligned face of 112 x 112 pixels, red first, and give numbers whose direction is the face. SFace gives 128
//! and takes brightness as it is; ArcFace gives 512 and takes it from -1 to 1, unless its graph begins with doing that itself.

use super::align::{self, SIDE};
use super::network::Network;
use crate::{Embedding, EngineError, Image, Landmarks};
use sha2::{Digest, Sha256};

/// The cosine that OpenCV's model zoo names for SFace (`models/face_recognition_sface`).
const SFACE_SAME: f32 = 0.363;
/// The cosine above which InsightFace's demonstration says that two are the same (`web-demos/src_recognition`).
const ARCFACE_SAME: f32 = 0.28;

/// An embedder.
pub(super) struct Embedder {
    network: Network,
    version: String,
    /// Whether brightness is brought to -1 to 1.
    is_centred: bool,
    same: f32,
}

impl Embedder {
    /// From the content of an ONNX file, which has to embed an empty picture.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        let network = Network::read(file, SIDE)?;
        let is_face = (network.width, network.height) == (SIDE, SIDE);
        let numbers = match &network.outputs[..] {
            [(_, shape)] if is_face => shape.iter().product(),
            _ => 0,
        };
        let prepares = |operator: &str| network.first_operators.iter().any(|it| it == operator);
        let (name, is_centred, same) = match numbers {
            128 => ("SFace", false, SFACE_SAME),
            512 => ("ArcFace", !(prepares("Sub") && prepares("Mul")), ARCFACE_SAME),
            _ => {
                let known = "neither SFace (112 x 112 pixels become 128 numbers) nor ArcFace (512 numbers)";
                return Err(format!("it is {known}: {}", network.shown()));
            }
        };
        let hash: String = Sha256::digest(file).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let embedder = Self { network, version: format!("{name}-{hash}"), is_centred, same };
        let empty = Image::from_gray(crate::Gray { width: SIDE, height: SIDE, data: vec![0; SIDE * SIDE] });
        embedder.embed(&empty, &Landmarks::default()).map_err(|error| error.to_string())?;
        Ok(embedder)
    }

    /// The kind, and which file of that kind.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The cosine from which on two faces are of the same person.
    pub fn same(&self) -> f32 {
        self.same
    }

    /// What the network makes of the face with these landmarks.
    pub fn embed(&self, image: &Image, landmarks: &Landmarks) -> Result<Embedding, EngineError> {
        let mut planes = Vec::with_capacity(3 * SIDE * SIDE);
        for colour in image.colours() {
            planes.extend(align::face(colour, landmarks));
        }
        if self.is_centred {
            planes.iter_mut().for_each(|value| *value = (*value - 127.5) / 127.5);
        }
        let numbers = self.network.run(&planes)?.pop().unwrap_or_default();
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err(EngineError("it gives what is no number".to_owned()));
        }
        Ok(Embedding::new(&numbers))
    }
}
