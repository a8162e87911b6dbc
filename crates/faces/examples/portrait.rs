//! Draws people who do not exist: `cargo run -p aloft-faces --features portraits --example portrait -- <folder> <person>...`
//! writes three photographs of each person, and one of nobody, as JPEG files. The pictures of `examples/celebrity-sleuth` are those
//! of 4001, 4002 and 4005.

use aloft_faces::portraits::{Scenery, View, portrait, scenery};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((folder, people)) = words.split_first() else {
        eprintln!("usage: portrait <folder> <number of the person>...");
        return Ok(());
    };
    let views = [
        View::default(),
        View { light: 0.5, yaw: 8.0, background: 2, smile: 0.7, ..View::default() },
        View { size: 0.5, roll: 4.0, pitch: -4.0, exposure: 0.85, background: 3, ..View::default() },
    ];
    for person in people.iter().filter_map(|word| word.parse().ok()) {
        for (number, view) in views.iter().enumerate() {
            let view = View { width: 360, ..*view };
            let file = Path::new(folder).join(format!("person-{person}-{}.jpg", number + 1));
            std::fs::write(file, portrait(person, &view).to_jpeg(85))?;
        }
    }
    std::fs::write(Path::new(folder).join("nobody.jpg"), scenery(Scenery::Landscape, 3, 360, 270).to_jpeg(85))
}
