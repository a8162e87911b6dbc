//! The service with networks that the user brings, instead of the engine that is built in.

use super::Rekognition;
use aloft_faces::{HAS_NETWORKS, LARGEST_MODEL, ModelError, Role};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why networks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// The feature `onnx` is off.
    #[error("{}", ModelError::NotBuilt)]
    NotBuilt,
    /// A file cannot be read.
    #[error("cannot read the face {role} {}", path.display())]
    File {
        /// What it should be.
        role: Role,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be the face {role}: {reason}", path.display())]
    Unusable {
        /// What it should be.
        role: Role,
        /// Where it is.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
}

impl Rekognition {
    /// With a detector and an embedder, ONNX files of a known kind.
    pub fn with_networks(detector: &Path, embedder: &Path) -> Result<Self, NetworksError> {
        if !HAS_NETWORKS {
            return Err(NetworksError::NotBuilt);
        }
        let files = (read(Role::Detector, detector)?, read(Role::Embedder, embedder)?);
        let engine = aloft_faces::networks(&files.0, &files.1).map_err(|error| match error {
            ModelError::NotBuilt => NetworksError::NotBuilt,
            ModelError::Unusable { role, reason } => {
                let path = if role == Role::Detector { detector } else { embedder };
                NetworksError::Unusable { role, path: path.to_owned(), reason }
            }
        })?;
        Ok(Self { engine: engine.into(), ..Self::default() })
    }
}

/// A file's content, up to a byte more than is allowed.
fn read(role: Role, path: &Path) -> Result<Vec<u8>, NetworksError> {
    let attempt = || {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let mut content = Vec::new();
        file.take(LARGEST_MODEL + 1).read_to_end(&mut content)?;
        Ok(content)
    };
    attempt().map_err(|source| NetworksError::File { role, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of two files that should be networks.
    fn refusal(detector: &Path, embedder: &Path) -> String {
        let refused = Rekognition::with_networks(detector, embedder).err().expect("a refusal");
        refused.to_string()
    }

    #[cfg(not(feature = "onnx"))]
    #[test]
    fn a_program_without_networks_says_so() {
        let expected = "this program was built without the Cargo feature `onnx`, which runs networks";
        assert_eq!(refusal(Path::new("a.onnx"), Path::new("b.onnx")), expected);
    }

    #[cfg(feature = "onnx")]
    mod with_files {
        use super::*;
        use crate::testing::{BEGINNING, Cloud};
        use aloft_base::{Clock, Ids};
        use aloft_faces::portraits::Picture;
        use aloft_faces::samples::{Brightness, embedder, picture, yunet};
        use aloft_store::Store;
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD as BASE64;
        use serde_json::{Value, json};
        use std::sync::Arc;

        /// A directory that ends with the test.
        struct Files(PathBuf);

        impl Files {
            fn new() -> Self {
                let place = std::env::temp_dir().join(format!("aloft-networks-{}", Ids::random().hex(8)));
                std::fs::create_dir_all(&place).expect("a directory");
                Self(place)
            }

            fn file(&self, name: &str, content: &[u8]) -> PathBuf {
                let path = self.0.join(name);
                std::fs::write(&path, content).expect("a file");
                path
            }
        }

        impl Drop for Files {
            fn drop(&mut self) {
                drop(std::fs::remove_dir_all(&self.0));
            }
        }

        #[test]
        fn files_are_named_when_they_cannot_be_used() {
            let files = Files::new();
            let text = files.file("text.onnx", b"no network");
            let detector = files.file("yunet.onnx", &yunet(Some(320)));
            let missing = files.0.join("missing.onnx");
            for (detector, embedder, expected) in [
                (&missing, &text, format!("cannot read the face detector {}", missing.display())),
                (&detector, &files.0, format!("cannot read the face embedder {}", files.0.display())),
                (&text, &text, format!("{} cannot be the face detector: it is no ONNX file", text.display())),
                (
                    &detector,
                    &detector,
                    format!("{} cannot be the face embedder: it is neither", detector.display()),
                ),
            ] {
                let said = refusal(detector, embedder);
                assert!(said.starts_with(&expected), "{said} instead of {expected}");
            }
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn people_are_recognised() {
            let files = Files::new();
            let detector = files.file("yunet.onnx", &yunet(Some(320)));
            let embedder = files.file("sface.onnx", &embedder(14, Brightness::AsItIs));
            let store = Store::ephemeral().expect("a store");
            let start = |service: Rekognition| {
                Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), vec![Arc::new(service)])
            };
            let check = async |cloud: &Cloud, operation: &str, input: Value, expected: Value| {
                cloud.check("rekognition", operation, input, expected).await
            };
            let before = start(Rekognition::default()).await;
            check(
                &before,
                "CreateCollection",
                json!({ "CollectionId": "old" }),
                json!({ "FaceModelVersion": "1.0" }),
            )
            .await;
            before.stop().await;

            let service = Rekognition::with_networks(&detector, &embedder).expect("networks");
            let version = service.face_model().to_owned();
            assert!(version.starts_with("SFace-"), "{version}");
            let cloud = start(service).await;
            let image = |picture: &Picture| json!({ "Bytes": BASE64.encode(picture.to_png()) });
            let [one, two, both, nobody] = [
                picture(320, 240, 1, &[(1, 28, 20)]),
                picture(320, 240, 1, &[(2, 204, 116)]),
                picture(320, 240, 2, &[(2, 12, 100), (1, 124, 28)]),
                picture(320, 240, 1, &[]),
            ]
            .map(|picture| image(&picture));
            let create = json!({ "CollectionId": "people" });
            check(&cloud, "CreateCollection", create, json!({ "FaceModelVersion": version })).await;
            let index = |collection: &str, image: &Value, name: &str| json!({ "CollectionId": collection, "Image": image, "ExternalImageId": name });
            let indexed = json!({ "FaceRecords": [{ "Face": { "IndexFacesModelVersion": version } }], "UnindexedFaces": [] });
            let search = |image: &Value| json!({ "CollectionId": "people", "Image": image });
            let found = |name: &str| json!({ "FaceMatches": [{ "Face": { "ExternalImageId": name } }] });
            for (operation, input, expected) in [
                ("IndexFaces", index("people", &one, "Ada"), indexed),
                ("SearchFacesByImage", search(&one), found("Ada")),
                ("SearchFacesByImage", search(&two), json!({ "FaceMatches": [] })),
                ("DetectFaces", json!({ "Image": both }), json!({ "FaceDetails": ["*", "*"] })),
                (
                    "CompareFaces",
                    json!({ "SourceImage": one, "TargetImage": both }),
                    json!({ "FaceMatches": ["*"], "UnmatchedFaces": ["*"] }),
                ),
                ("SearchFacesByImage", search(&nobody), "InvalidParameterException: *".into()),
                (
                    "IndexFaces",
                    index("old", &one, "Ada"),
                    "InvalidParameterException: The collection was made with face model 1.0, *".into(),
                ),
            ] {
                check(&cloud, operation, input, expected).await;
            }
            cloud.stop().await;
        }
    }
}
