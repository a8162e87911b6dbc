//! The whole engine with networks that compute what can be foreseen; real ones are nobody's to ship.

use super::Networks;
use super::network::Network;
use super::samples::{Attribute, Brightness, FACE, Graph, embedder, picture, scrfd, yunet};
use crate::{Embedding, Engine, Face, Image, ModelError, Role};

fn sface() -> Vec<u8> {
    embedder(14, Brightness::AsItIs)
}

fn engine(detector: &[u8], embedder: &[u8]) -> Networks {
    Networks::read(detector, embedder).expect("an engine")
}

/// Finds the faces of a picture, which are to be at these places, and embeds them in the places' order.
fn check(engine: &Networks, image: &Image, size: (f32, f32), places: &[(usize, usize)]) -> Vec<Embedding> {
    let faces = engine.detect(image).expect("faces");
    assert_eq!(faces.len(), places.len(), "{faces:?}");
    let at = |face: &Face| (face.bounding_box.left * size.0, face.bounding_box.top * size.1);
    let nearest = |(left, top): &(usize, usize)| {
        let off = |face: &Face| (at(face).0 - *left as f32).abs().max((at(face).1 - *top as f32).abs());
        let face = faces.iter().min_by(|one, other| off(one).total_cmp(&off(other))).expect("a face");
        let length = face.bounding_box.width * size.0;
        assert!(off(face) < 0.6 && (length - FACE as f32).abs() < 0.6, "{face:?} for {left} {top}");
        // Eyes that are level, and a nose in the middle.
        let pose = face.pose;
        assert!(pose.roll.abs() < 1.0 && pose.yaw.abs() < 3.0 && pose.pitch.abs() < 3.0, "{pose:?}");
        assert!(face.confidence > 97.0, "{}", face.confidence);
        engine.embed(image, face).expect("an embedding")
    };
    places.iter().map(nearest).collect()
}

#[test]
fn every_known_kind_finds_faces_and_tells_them_apart() {
    let detectors =
        [yunet(Some(320)), yunet(None), scrfd(None, false), scrfd(None, true), scrfd(Some(320), false)];
    let embedders = [sface(), embedder(7, Brightness::Centred), embedder(7, Brightness::CentredInside)];
    let decode = |engine: &Networks, picture: &crate::portraits::Picture| {
        engine.read(&picture.to_png()).expect("a picture")
    };
    for (number, detector) in detectors.iter().enumerate() {
        // Where a side is open, 640 pixels are looked at, so the pictures have as many.
        let side = if [0, 4].contains(&number) { 320 } else { 640 };
        for embedder in &embedders {
            let engine = engine(detector, embedder);
            let size = (side as f32, side as f32 * 0.75);
            let first = picture(side, side * 3 / 4, 1, &[(1, 28, 20), (2, 204, 116)]);
            // The same people elsewhere, in a picture of twice the size.
            let second = picture(side, side * 3 / 4, 2, &[(2, 12, 100), (1, 124, 28)]);
            let first = check(&engine, &decode(&engine, &first), size, &[(28, 20), (204, 116)]);
            let second = check(&engine, &decode(&engine, &second), size, &[(12, 100), (124, 28)]);
            for (pair, is_same) in [((0, 1), true), ((1, 0), true), ((0, 0), false), ((1, 1), false)] {
                let (one, other) = (&first[pair.0], &second[pair.1]);
                let (similarity, cosine) = (engine.similarity(one, other), one.cosine(other));
                assert_eq!(similarity >= 80.0, is_same, "{number} {}: {cosine}", engine.version());
                assert_eq!(cosine > 0.8, is_same, "{number} {}: {cosine}", engine.version());
            }
        }
    }
}

#[test]
fn brightness_is_prepared_once() {
    let faces = picture(320, 320, 1, &[(1, 28, 20)]);
    let [outside, inside] = [Brightness::Centred, Brightness::CentredInside].map(|brightness| {
        let engine = engine(&yunet(Some(320)), &embedder(7, brightness));
        let image = engine.read(&faces.to_png()).expect("a picture");
        check(&engine, &image, (320.0, 320.0), &[(28, 20)]).remove(0)
    });
    assert!(outside.cosine(&inside) > 0.999);
    // Blocks are all red or not, all green or not: nearly every number is near -1 or 1.
    let distinct = |numbers: &[u8]| numbers.iter().filter(|it| (**it as i8).unsigned_abs() > 100).count();
    assert!(distinct(&outside.to_bytes()) > 400, "{:?}", outside.to_bytes());
}

#[test]
fn eighty_is_the_published_threshold() {
    let angle = |cosine: f32| Embedding::new(&[cosine, (1.0 - cosine * cosine).sqrt()]);
    for (file, same, name) in
        [(sface(), 0.363, "SFace-"), (embedder(7, Brightness::Centred), 0.28, "ArcFace-")]
    {
        let engine = engine(&yunet(Some(320)), &file);
        assert!(engine.version().starts_with(name) && engine.version().len() == name.len() + 8);
        for (cosine, least, most) in [
            (same + 0.005, 80.0, 81.0),
            (same - 0.005, 70.0, 79.9),
            (1.0, 99.9, 100.0),
            (same - 0.02, 50.0, 79.0),
            (0.0, 0.0, 5.0),
            (-1.0, 0.0, 0.1),
        ] {
            let similarity = engine.similarity(&angle(1.0), &angle(cosine));
            assert!((least..=most).contains(&similarity), "{name} {cosine}: {similarity}");
        }
    }
    assert_ne!(
        engine(&yunet(Some(320)), &embedder(7, Brightness::Centred)).version(),
        engine(&yunet(Some(320)), &embedder(7, Brightness::CentredInside)).version(),
        "another file is another version"
    );
}

#[test]
fn one_face_is_told_once_and_what_is_none_not_at_all() {
    for detector in [yunet(Some(320)), scrfd(Some(320), true)] {
        let engine = engine(&detector, &sface());
        let mut twice = picture(320, 320, 1, &[(1, 84, 84)]);
        // The mark reaches over a second cell, so two cells are sure of the same face.
        for y in 120..128 {
            for x in 120..136 {
                twice.data[(y * 320 + x) * 3..][..3].copy_from_slice(&[0, 0, 255]);
            }
        }
        let found = |picture: &crate::portraits::Picture| {
            engine.detect(&engine.read(&picture.to_png()).expect("a picture")).expect("faces").len()
        };
        assert_eq!(found(&twice), 1);
        assert_eq!(found(&picture(320, 320, 1, &[])), 0);
        let empty = Image::from_gray(crate::Gray { width: 80, height: 2000, data: vec![200; 160_000] });
        assert_eq!(engine.detect(&empty).expect("faces").len(), 0);
    }
}

/// A graph of one operator on a picture for an embedder.
fn single(operator: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let mut graph = Graph::new(&[Some(1), Some(3), Some(112), Some(112)]);
    graph.integers("times", &[1, 1, 1000, 1000]);
    graph.node(operator, inputs, "out", &[]);
    graph.outputs.extend(outputs.iter().map(|it| it.to_string()));
    graph.file()
}

fn shaped(shape: &[Option<usize>]) -> Vec<u8> {
    let mut graph = Graph::new(shape);
    graph.node("Relu", &["input"], "out", &[]);
    graph.outputs.push("out".to_owned());
    graph.file()
}

#[test]
fn what_is_no_known_model_is_told_by_what_is_wrong() {
    let whole = yunet(Some(320));
    let detectors: &[(&[u8], &str)] = &[
        (b"", "it is no ONNX file"),
        (b"GIF89a, and more of a picture", "it is no ONNX file"),
        (&whole[..whole.len() / 2], "it is no ONNX file"),
        (&sface(), "it looks at 112 x 112 pixels"),
        (&shaped(&[Some(1), Some(3), Some(64), Some(64)]), "neither YuNet"),
        (&yunet(Some(4096)), "it looks at 4096 x 4096 pixels"),
        (&shaped(&[Some(1), Some(3), Some(100_000), Some(100_000)]), "is too large"),
        (&shaped(&[Some(1), Some(1), None, None]), "one picture of three colours"),
        (&shaped(&[Some(4), Some(3), None, None]), "one picture of three colours"),
        (&shaped(&[Some(1), Some(3)]), "one picture of three colours"),
        (&single("Unheard", &["input"], &["out"]), "Unheard"),
        (&single("Relu", &["input"], &["elsewhere"]), "gave up"),
    ];
    let embedders: &[(&[u8], &str)] = &[
        (&whole, "neither SFace"),
        (
            &embedder(16, Brightness::AsItIs),
            "neither SFace (112 x 112 pixels become 128 numbers) nor ArcFace",
        ),
        (&single("Tile", &["input", "times"], &["out"]), "is too large"),
    ];
    let refused = |detector: &[u8], embedder: &[u8], expected: Role, part: &str| match Networks::read(
        detector, embedder,
    )
    .err()
    {
        Some(ModelError::Unusable { role, reason }) => {
            assert!(role == expected && reason.contains(part), "{role:?}: {reason} (not {part})");
        }
        other => panic!("{other:?} instead of {part}"),
    };
    for (file, part) in detectors {
        refused(file, &sface(), Role::Detector, part);
    }
    for (file, part) in embedders {
        refused(&whole, file, Role::Embedder, part);
    }
    let mut nothing = Graph::new(&[Some(1), Some(3), Some(112), Some(112)]);
    nothing.constant("less", &[1], &[-1.0]);
    nothing.constant("all", &[128, 3, 112, 112], &vec![1.0; 128 * 3 * 112 * 112]);
    nothing.node("Conv", &["input", "all"], "sums", &[]);
    nothing.node("Add", &["sums", "less"], "negative", &[]);
    nothing.node("Sqrt", &["negative"], "roots", &[]);
    nothing.outputs.push("roots".to_owned());
    refused(&whole, &nothing.file(), Role::Embedder, "what is no number");
}

#[test]
fn damaged_files_are_errors_or_engines_and_never_the_end() {
    let whole = sface();
    // Behind the weights, in which a change is no damage.
    let mut seed = crate::portraits::Dice(7);
    for _ in 0..150 {
        let mut file = whole.clone();
        for _ in 0..3 {
            let at = (seed.share() * file.len() as f32) as usize % file.len();
            // Nearer to the ends, where names and shapes are.
            let at = if at.is_multiple_of(2) { at % 200 } else { file.len() - 1 - at % 200 };
            file[at] = (seed.share() * 256.0) as u8;
        }
        drop(Networks::read(&yunet(Some(64)), &file));
    }
}

#[test]
fn what_the_known_models_are_made_of_can_be_computed() {
    // All operators that those four are made of, one after another, on a picture of one brightness.
    let mut graph = Graph::new(&[Some(1), Some(3), Some(112), Some(112)]);
    let words = |word| Attribute::Word(word);
    let (three, two, one) = ([3, 3], [2, 2], [1, 1, 1, 1]);
    for (name, shape, values) in [
        ("scale", &[1][..], vec![1.0 / 127.5]),
        ("dark", &[1], vec![127.5]),
        ("deep", &[3, 1, 3, 3], vec![1.0 / 9.0; 27]),
        ("flat", &[2, 3, 1, 1], vec![1.0, 0.0, 0.0, 0.0, -1.0, 0.0]),
        ("ones", &[2], vec![1.0; 2]),
        ("zeros", &[2], vec![0.0; 2]),
        ("slope", &[2, 1, 1], vec![0.25; 2]),
        ("sizes", &[4], vec![1.0, 1.0, 2.0, 2.0]),
        ("all", &[2 * 28 * 28, 128], vec![1.0 / 784.0; 2 * 28 * 28 * 128]),
        ("bias", &[128], vec![0.5; 128]),
    ] {
        graph.constant(name, shape, &values);
    }
    graph.node("Sub", &["input", "dark"], "moved", &[]);
    graph.node("Mul", &["moved", "scale"], "centred", &[]);
    let strided = [
        ("kernel_shape", Attribute::Numbers(&three)),
        ("strides", Attribute::Numbers(&two)),
        ("pads", Attribute::Numbers(&one)),
        ("group", Attribute::Number(3)),
    ];
    graph.node("Conv", &["centred", "deep"], "small", &strided);
    graph.node("Conv", &["small", "flat"], "mixed", &[]);
    graph.node("BatchNormalization", &["mixed", "ones", "zeros", "zeros", "ones"], "even", &[]);
    graph.node("PRelu", &["even", "slope"], "bent", &[]);
    let halved = [("kernel_shape", Attribute::Numbers(&two)), ("strides", Attribute::Numbers(&two))];
    graph.node("MaxPool", &["bent"], "pooled", &halved);
    let nearest = [
        ("mode", words("nearest")),
        ("coordinate_transformation_mode", words("asymmetric")),
        ("nearest_mode", words("floor")),
    ];
    graph.node("Resize", &["pooled", "", "sizes"], "doubled", &nearest);
    graph.node("Add", &["doubled", "bent"], "sum", &[]);
    graph.node("Relu", &["sum"], "positive", &[]);
    graph.node("AveragePool", &["positive"], "quartered", &halved);
    graph.node("Sigmoid", &["quartered"], "sure", &[]);
    graph.node("Dropout", &["sure"], "kept", &[]);
    graph.node("Flatten", &["kept"], "long", &[]);
    graph.node("Gemm", &["long", "all", "bias"], "out", &[]);
    graph.outputs.push("out".to_owned());
    let network = Network::read(&graph.file(), 112).expect("a network");
    let white = network.run(&vec![255.0; 3 * 112 * 112]).expect("numbers").remove(0);
    assert_eq!(white.len(), 128);
    // Red is 1 and stays, green is -1 and a quarter; each is doubled by the sum, what is negative is gone; edges differ a little.
    let expected = 0.5 + 1.0 / (1.0 + (-2.0_f32).exp()) + 0.5;
    assert!((white[0] - expected).abs() < 0.01, "{} for {expected}", white[0]);
}
