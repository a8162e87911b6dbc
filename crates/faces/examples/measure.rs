//! How good an engine is (the built-in one, or networks as `engine/mod.rs` says): `cargo run --release -p aloft-faces --features portraits --example measure`, optionally
//! followed by how many people and the number of the first. Prints the tables of `docs/rekognition.md`.
//!
//! Three sets of people that share nobody: the average face was made of the numbers from 0, the threshold was chosen by those
//! from 2000 (the cosine at which as large a share of one kind of pairs is judged wrongly as of the other), and what is told of
//! the engine was measured with those from 3000.

mod engine;

use aloft_faces::Embedding;
use aloft_faces::portraits::{CONDITIONS, Scenery, portrait, reference, scenery};

/// The first of the people that figures are told of.
const FIRST: u64 = 3000;
/// What is a match when the caller says nothing.
const THRESHOLD: f32 = 80.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(50), |word| word.parse())?;
    let first: u64 = std::env::args().nth(2).map_or(Ok(FIRST), |word| word.parse())?;
    let people: Vec<u64> = (first..first + count).collect();
    let engine = engine::chosen()?;
    let embed = |file: Vec<u8>| -> Option<Embedding> {
        let image = engine.read(&file).ok()?;
        engine.detect(&image).ok()?.first().and_then(|face| engine.embed(&image, face).ok())
    };
    let references: Vec<Option<Embedding>> =
        people.iter().map(|person| embed(reference(*person).to_jpeg(90))).collect();
    println!("{count} people; references found: {}", references.iter().flatten().count());
    println!("| condition | found | same person matches | other person matches |\n|---|---|---|---|");
    let (mut all_same, mut all_others) = (Vec::new(), Vec::new());
    for (name, view, quality) in CONDITIONS {
        let probes: Vec<Option<Embedding>> =
            people.iter().map(|person| embed(portrait(*person, &view(*person)).to_jpeg(*quality))).collect();
        let (mut same, mut others) = (Vec::new(), Vec::new());
        for (who, probe) in probes.iter().enumerate() {
            for (other, reference) in references.iter().enumerate() {
                let (Some(probe), Some(reference)) = (probe, reference) else { continue };
                let pair = (engine.similarity(probe, reference), probe.cosine(reference));
                if who == other { same.push(pair) } else { others.push(pair) }
            }
        }
        let found = probes.iter().flatten().count() as f32 / count as f32;
        println!("| {name} | {} | {} | {} |", percent(found), percent(share(&same)), percent(share(&others)));
        all_same.extend(same);
        all_others.extend(others);
    }
    println!("| all | | {} | {} |", percent(share(&all_same)), percent(share(&all_others)));
    println!(
        "as many pairs are judged wrongly on both sides at a cosine of {:.3}",
        balance(&all_same, &all_others)
    );
    for (name, pairs) in [("same", all_same), ("others", all_others)] {
        let mut cosines: Vec<f32> = pairs.iter().map(|(_, cosine)| *cosine).collect();
        cosines.sort_by(f32::total_cmp);
        let at = |share: f32| cosines[((cosines.len() - 1) as f32 * share) as usize];
        let quantiles = [0.0, 0.01, 0.5, 0.99, 0.999, 1.0].map(at);
        println!("{name}: {} pairs, cosines at 0, 1, 50, 99, 99.9, 100 %: {quantiles:.3?}", cosines.len());
    }
    let empty: Vec<usize> = Scenery::ALL
        .iter()
        .flat_map(|kind| (0..20).map(move |seed| scenery(*kind, seed, 640, 480).to_png()))
        .map(|file| Ok(engine.detect(&engine.read(&file)?)?.len()))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    println!("{} pictures without a face: {} faces found", empty.len(), empty.iter().sum::<usize>());
    Ok(())
}

/// The cosine below which as large a share of the same people's pairs is as of different people's above it.
fn balance(same: &[(f32, f32)], others: &[(f32, f32)]) -> f32 {
    let share_of = |pairs: &[(f32, f32)], is_wrong: &dyn Fn(f32) -> bool| {
        pairs.iter().filter(|(_, cosine)| is_wrong(*cosine)).count() as f32 / pairs.len().max(1) as f32
    };
    let candidates = (0..1000_u16).map(|thousandth| f32::from(thousandth) / 1000.0);
    let is_balanced = |at: &f32| share_of(same, &|it| it < *at) >= share_of(others, &|it| it >= *at);
    candidates.into_iter().find(is_balanced).unwrap_or(1.0)
}

fn share(pairs: &[(f32, f32)]) -> f32 {
    pairs.iter().filter(|(similarity, _)| *similarity >= THRESHOLD).count() as f32 / pairs.len().max(1) as f32
}

fn percent(share: f32) -> String {
    format!("{:.2} %", share * 100.0)
}
