//! How a face is shown, what is asked of its quality, and `DetectFaces`.

use super::pictures::Source;
use super::{Rekognition, errors};
use aloft_engine::{Context, ServiceError};
use aloft_faces::{BoundingBox, Face, Image, Point};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Detect {
    image: Source,
    #[serde(default)]
    attributes: Vec<String>,
}

pub(super) async fn detect(
    service: &Rekognition,
    context: &Context,
    input: Detect,
) -> Result<Value, ServiceError> {
    check_attributes(&input.attributes)?;
    let faces = service.look(context, &input.image, |_, seen| Ok(seen.faces)).await?;
    Ok(json!({ "FaceDetails": faces.iter().map(shown).collect::<Vec<_>>() }))
}

/// Nothing but the default attributes can be told from pixels here.
pub(super) fn check_attributes(attributes: &[String]) -> Result<(), ServiceError> {
    match attributes.iter().find(|attribute| *attribute != "DEFAULT") {
        Some(other) => Err(errors::not_built(&format!("the facial attribute {other}, only DEFAULT"))),
        None => Ok(()),
    }
}

/// A face's place as the API shows it.
pub(super) fn place(place: BoundingBox) -> Value {
    json!({ "Width": place.width, "Height": place.height, "Left": place.left, "Top": place.top })
}

/// The default attributes of a face.
pub(super) fn shown(face: &Face) -> Value {
    let marks = &face.landmarks;
    let mark = |kind: &str, point: Point| json!({ "Type": kind, "X": point.x, "Y": point.y });
    json!({
        "BoundingBox": place(face.bounding_box),
        "Landmarks": [
            mark("eyeLeft", marks.left_eye),
            mark("eyeRight", marks.right_eye),
            mark("mouthLeft", marks.left_mouth),
            mark("mouthRight", marks.right_mouth),
            mark("nose", marks.nose),
        ],
        "Pose": { "Roll": face.pose.roll, "Yaw": face.pose.yaw, "Pitch": face.pose.pitch },
        "Quality": { "Brightness": face.quality.brightness, "Sharpness": face.quality.sharpness },
        "Confidence": face.confidence,
    })
}

/// What a face must have to be used.
#[derive(Clone, Copy)]
pub(super) struct Bar {
    confidence: f32,
    brightness: f32,
    sharpness: f32,
    /// Degrees to any side.
    pose: f32,
    /// Pixels across.
    width: f32,
}

impl Bar {
    /// The bar of a quality filter's name; none for `NONE`.
    pub fn of(filter: Option<&str>) -> Option<Self> {
        let bar = |confidence, brightness, sharpness, pose, width| {
            Some(Self { confidence, brightness, sharpness, pose, width })
        };
        match filter {
            None | Some("NONE") => None,
            Some("HIGH") => bar(97.0, 20.0, 30.0, 20.0, 48.0),
            Some("MEDIUM") => bar(90.0, 12.0, 15.0, 30.0, 32.0),
            Some(_) => bar(70.0, 6.0, 6.0, 40.0, 20.0),
        }
    }

    /// Why a face is not good enough, in the API's words; empty when it is.
    pub fn reasons(&self, image: &Image, face: &Face) -> Vec<&'static str> {
        let pose = face.pose;
        let turned = pose.yaw.abs().max(pose.pitch.abs()).max(pose.roll.abs());
        let width = face.bounding_box.width * image.gray().width as f32;
        let reasons = [
            (turned > self.pose, "EXTREME_POSE"),
            (face.quality.brightness < self.brightness, "LOW_BRIGHTNESS"),
            (face.quality.sharpness < self.sharpness, "LOW_SHARPNESS"),
            (face.confidence < self.confidence, "LOW_CONFIDENCE"),
            (width < self.width, "SMALL_BOUNDING_BOX"),
        ];
        reasons.into_iter().filter(|(is_so, _)| *is_so).map(|(_, reason)| reason).collect()
    }
}
