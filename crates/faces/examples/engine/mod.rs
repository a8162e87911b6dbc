//! The engine that an example looks through: networks when `ALOFT_FACE_DETECTOR` and `ALOFT_FACE_EMBEDDER` name their files
//! and the feature `onnx` is on, else the one that is built in.

use aloft_faces::{Classic, Engine, networks};
use std::error::Error;

pub fn chosen() -> Result<Box<dyn Engine>, Box<dyn Error>> {
    let file = |name| std::env::var_os(name).map(std::fs::read).transpose();
    match (file("ALOFT_FACE_DETECTOR")?, file("ALOFT_FACE_EMBEDDER")?) {
        (Some(detector), Some(embedder)) => Ok(networks(&detector, &embedder)?),
        (None, None) => Ok(Box::new(Classic::default())),
        _ => Err("a detector and an embedder belong together".into()),
    }
}
