//! `cargo xtask cascades`: regenerates `crates/faces/data/` from the classifiers that OpenCV's Python package carries.
//!
//! Keeps numbers only, as `crates/faces/src/cascade.rs` reads them. Not a build step: its output is checked in, so that a
//! build needs neither Python nor a network. The licence of the classifiers is in `NOTICE`.

use crate::models::download;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::{env, fs, process};

/// The last releases of the fourth version are the last that carry the classifiers.
const OPENCV: &str = "opencv-python-headless==4.14.0.94";

/// The file of the package, and ours.
const CASCADES: &[(&str, &str)] =
    &[("haarcascade_frontalface_alt2.xml", "face.cascade"), ("haarcascade_eye.xml", "eye.cascade")];

/// Downloads the package into a temporary folder and writes one file a classifier.
pub fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a root")?;
    let target = root.join("crates/faces/data");
    let temporary = env::temp_dir().join(format!("aloft-cascades-{}", process::id()));
    fs::create_dir_all(&temporary)?;
    fs::create_dir_all(&target)?;
    let written = download(OPENCV, &temporary).and_then(|()| {
        for (source, name) in CASCADES {
            let text = fs::read_to_string(temporary.join("cv2/data").join(source))?;
            fs::write(target.join(name), convert(&text).with_context(|| format!("converting {source}"))?)?;
        }
        Ok(())
    });
    fs::remove_dir_all(&temporary)?;
    written
}

/// The text between two marks, and what follows.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Result<(&'a str, &'a str)> {
    let (_, rest) = text.split_once(from).with_context(|| format!("no {from}"))?;
    rest.split_once(to).with_context(|| format!("no {to}"))
}

fn numbers(text: &str) -> Result<Vec<f32>> {
    text.split_whitespace().map(|word| word.parse().with_context(|| format!("{word} is no number"))).collect()
}

fn convert(xml: &str) -> Result<Vec<u8>> {
    let byte = |value: f32| -> Result<u8> {
        ensure!((-128.0..256.0).contains(&value) && value.fract() == 0.0, "{value} is no byte");
        Ok((value as i32).to_le_bytes()[0])
    };
    let number = |name: &str| -> Result<f32> {
        Ok(numbers(between(xml, &format!("<{name}>"), "</")?.0)?.first().copied().unwrap_or_default())
    };
    ensure!(!xml.contains("<tilted>1"), "tilted features are not built");
    let (stages, features) = xml.split_once("<features>").context("no features")?;
    let mut rectangles = Vec::new();
    for feature in features.split("<rects>").skip(1) {
        let list = feature.split("</rects>").next().unwrap_or_default();
        let list: Result<Vec<Vec<f32>>> = list
            .split("<_>")
            .skip(1)
            .map(|rectangle| numbers(rectangle.split("</_>").next().unwrap_or_default()))
            .collect();
        rectangles.push(list?);
    }
    let mut out = b"ALC1".to_vec();
    out.extend([byte(number("width")?)?, byte(number("height")?)?]);
    out.extend((number("stageNum")? as u16).to_le_bytes());
    for stage in stages.split("<stageThreshold>").skip(1) {
        let threshold = numbers(stage.split('<').next().unwrap_or_default())?;
        let trees: Vec<&str> = stage.split("<internalNodes>").skip(1).collect();
        out.extend(threshold.first().context("no threshold")?.to_le_bytes());
        out.extend(u16::try_from(trees.len())?.to_le_bytes());
        for tree in trees {
            let (nodes, rest) = tree.split_once("</internalNodes>").context("no end of nodes")?;
            let (nodes, leaves) =
                (numbers(nodes)?, numbers(between(rest, "<leafValues>", "</leafValues>")?.0)?);
            ensure!(leaves.len() == nodes.len() / 4 + 1, "a tree with too few leaves");
            out.push(u8::try_from(nodes.len() / 4)?);
            for node in nodes.chunks_exact(4) {
                let feature = rectangles.get(node[2] as usize).context("no such feature")?;
                out.extend([byte(node[0])?, byte(node[1])?]);
                out.extend(node[3].to_le_bytes());
                out.push(u8::try_from(feature.len())?);
                for part in feature.iter().flatten() {
                    out.push(byte(*part)?);
                }
            }
            out.extend(leaves.iter().flat_map(|leaf| leaf.to_le_bytes()));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cascade_becomes_numbers() {
        let xml = "<height>20</height> <width>24</width> <stageNum>1</stageNum> <stageThreshold>0.5</stageThreshold>
            <internalNodes> 0 -1 0 0.25</internalNodes> <leafValues> 1. -1.</leafValues>
            <features><_><rects><_> 1 2 3 4 -1.</_></rects></_></features>";
        let mut expected = b"ALC1\x18\x14\x01\0".to_vec();
        expected.extend(0.5_f32.to_le_bytes());
        expected.extend([1, 0, 1, 0, 0xff]);
        expected.extend(0.25_f32.to_le_bytes());
        expected.extend([1, 1, 2, 3, 4, 0xff]);
        expected.extend([1.0_f32, -1.0].iter().flat_map(|leaf| leaf.to_le_bytes()));
        assert_eq!(convert(xml).expect("a cascade"), expected);
    }
}
