//! What an engine sees (the built-in one, or networks as `engine/mod.rs` says): `cargo run --release -p aloft-faces --example compare -- <picture>...` lists the faces of
//! each picture and how alike the largest ones are.

mod engine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine::chosen()?;
    let mut embeddings = Vec::new();
    for path in std::env::args().skip(1) {
        let image = match engine.read(&std::fs::read(&path)?) {
            Ok(image) => image,
            Err(error) => {
                println!("{path}: {error}");
                continue;
            }
        };
        let faces = engine.detect(&image)?;
        println!("{path}: {} faces", faces.len());
        for face in &faces {
            let (place, eyes) = (face.bounding_box, face.landmarks);
            println!(
                "  {:.1} %, at {:.3} {:.3}, {:.3} x {:.3}, eyes {:.3} {:.3} and {:.3} {:.3}, brightness {:.0}, sharpness {:.0}",
                face.confidence,
                place.left,
                place.top,
                place.width,
                place.height,
                eyes.left_eye.x,
                eyes.left_eye.y,
                eyes.right_eye.x,
                eyes.right_eye.y,
                face.quality.brightness,
                face.quality.sharpness
            );
        }
        if let Some(face) = faces.first() {
            embeddings.push(engine.embed(&image, face)?);
        }
    }
    for one in &embeddings {
        let row: Vec<String> = embeddings
            .iter()
            .map(|other| format!("{:5.1} ({:.3})", engine.similarity(one, other), one.cosine(other)))
            .collect();
        println!("{}", row.join(" "));
    }
    Ok(())
}
