//! Finding and comparing people who do not exist, in files as cameras write them.

use crate::portraits::{CONDITIONS, Scenery, View, portrait, reference, scenery};
use crate::{Classic, Embedding, Engine, Face, Image, ImageError, Point};
use std::sync::OnceLock;

fn engine() -> &'static Classic {
    static ENGINE: OnceLock<Classic> = OnceLock::new();
    ENGINE.get_or_init(Classic::default)
}

fn faces(image: &Image) -> Vec<Face> {
    engine().detect(image).expect("cascades do not fail")
}

fn only_face(image: &Image) -> Face {
    let faces = faces(image);
    assert_eq!(faces.len(), 1, "{faces:?}");
    faces[0]
}

fn embedding(file: &[u8]) -> Embedding {
    let image = Image::decode(file).expect("a picture");
    engine().embed(&image, &only_face(&image)).expect("an embedding")
}

#[test]
fn the_same_person_matches_and_others_do_not() {
    let people = [1001, 1002, 1003, 1004, 1005];
    let references = people.map(|person| embedding(&reference(person).to_jpeg(90)));
    for name in ["light from the other side", "turned by 6 degrees", "a bit of everything", "half the size"] {
        let (_, view, quality) = CONDITIONS.iter().find(|(other, ..)| *other == name).expect("a condition");
        for (who, person) in people.iter().enumerate() {
            let probe = embedding(&portrait(*person, &view(*person)).to_jpeg(*quality));
            for (other, reference) in references.iter().enumerate() {
                let similarity = engine().similarity(&probe, reference);
                assert_eq!(similarity >= 80.0, who == other, "{name}: {who} and {other}: {similarity}");
            }
        }
    }
}

#[test]
fn what_is_no_face_is_not_found() {
    for kind in Scenery::ALL {
        for seed in 0..4 {
            let found = faces(&scenery(kind, seed, 400, 300).to_image());
            assert!(found.is_empty(), "{kind:?} {seed}: {found:?}");
        }
    }
}

#[test]
fn faces_are_where_they_were_drawn_and_the_largest_is_first() {
    let view = View { width: 240, background: 4, ..View::default() };
    let small = portrait(1006, &View { size: 0.4, ..view });
    let picture = small.beside(&portrait(1007, &view));
    let found = faces(&picture.to_image());
    let places: Vec<f32> =
        found.iter().map(|face| face.bounding_box.left + face.bounding_box.width / 2.0).collect();
    assert_eq!(places.len(), 2, "{found:?}");
    for (place, expected) in places.iter().zip([0.75, 0.25]) {
        assert!((place - expected).abs() < 0.03, "{places:?}");
    }
    for face in &found {
        let (marks, place) = (face.landmarks, face.bounding_box);
        assert!(
            face.confidence > 90.0 && marks.left_eye.x < marks.nose.x && marks.nose.x < marks.right_eye.x
        );
        assert!(marks.left_eye.y < marks.nose.y && marks.nose.y < marks.left_mouth.y);
        assert!(marks.left_mouth.y < place.top + place.height && marks.left_eye.x > place.left);
    }
    assert_eq!(found, faces(&picture.to_image()), "twice the same");
}

#[test]
fn files_are_read_whatever_their_kind() {
    let picture = portrait(1008, &View { width: 160, ..View::default() });
    let (png, jpeg) = (picture.to_png(), picture.to_jpeg(95));
    let drawn = picture.to_image();
    assert_eq!(Image::decode(&png), Ok(drawn.clone()));
    let difference = |other: &Image| {
        let pairs = drawn.gray().data.iter().zip(&other.gray().data);
        pairs.map(|(one, other)| f32::from(one.abs_diff(*other))).sum::<f32>()
            / drawn.gray().data.len() as f32
    };
    assert!(difference(&Image::decode(&jpeg).expect("a picture")) < 3.0);
    let coloured = Image::decode_in_colour(&png).expect("a picture");
    assert_eq!(coloured.gray(), drawn.gray());
    for (channel, plane) in coloured.colours().into_iter().enumerate() {
        let expected = picture.data.iter().skip(channel).step_by(3);
        assert!(plane.data.iter().eq(expected), "the colour {channel} is as it was drawn");
    }
    assert_eq!(drawn.colours(), [drawn.gray(); 3]);
    // APP1 with an orientation, behind the beginning of the file: the camera was turned, so the picture is, too.
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    let image = Image::decode(&turned).expect("a picture");
    assert_eq!(image.orientation(), 3);
    assert!(faces(&image).is_empty(), "it stands on its head");
    let upright =
        crate::Gray { data: image.gray().data.iter().rev().copied().collect(), ..image.gray().clone() };
    assert!(difference(&Image::from_gray(upright)) < 3.0);
}

#[test]
fn what_cannot_be_read_is_refused_before_memory_is_spent() {
    let picture = scenery(Scenery::Room, 1, 90, 90);
    let (png, jpeg) = (picture.to_png(), picture.to_jpeg(80));
    let mut large_png = png.clone();
    large_png[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    let checksum = crc(&large_png[12..29]);
    large_png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let frame = jpeg.windows(2).position(|it| it == [0xff, 0xc0]).expect("a frame");
    let mut large_jpeg = jpeg.clone();
    large_jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    for (name, file) in [("png", large_png), ("jpeg", large_jpeg)] {
        let answer = Image::decode(&file);
        assert!(matches!(answer, Err(ImageError::TooLarge(..))), "{name}: {answer:?}");
    }
    let small = scenery(Scenery::Room, 1, 79, 200).to_png();
    assert_eq!(Image::decode(&small), Err(ImageError::TooSmall(79, 200)));
    for file in [&b""[..], b"GIF89a", &png[..40], &jpeg[..30], b"\xff\xd8\xff", &png[..8]] {
        assert!(matches!(Image::decode(file), Err(ImageError::Format(_))), "{file:?}");
    }
}

/// PNG's checksum, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn embeddings_come_back_from_bytes() {
    let one = Embedding::new(&[0.5, -1.0, 0.25, 0.0]);
    assert_eq!(Embedding::from_bytes(&one.to_bytes()), one);
    assert!((one.cosine(&one) - 1.0).abs() < 1e-5);
    assert!(one.cosine(&Embedding::new(&[-0.5, 1.0, -0.25, 0.0])) < -0.99);
    assert_eq!(one.cosine(&Embedding::new(&[1.0])), 0.0);
    assert_eq!(one.cosine(&Embedding::new(&[0.0; 4])), 0.0);
    let long = Embedding::new(&[1.0; 5000]);
    assert!((long.cosine(&long) - 1.0).abs() < 1e-4);
    // Eyes at one point, or far outside, must not break anything.
    let image = scenery(Scenery::Noise, 2, 100, 100).to_image();
    let mut face = Face {
        bounding_box: Default::default(),
        landmarks: Default::default(),
        confidence: 50.0,
        quality: Default::default(),
        pose: Default::default(),
    };
    engine().embed(&image, &face).expect("an embedding");
    face.landmarks.right_eye = Point { x: 5.0, y: -3.0 };
    engine().embed(&image, &face).expect("an embedding");
}
