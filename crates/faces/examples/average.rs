//! Makes `data/average.face` again: `cargo run --release -p aloft-faces --features portraits --example average -- <file>`.
//!
//! For each number of a description: its mean over rendered people, and how much it differs between people compared with
//! between pictures of one. The people here are not those that `measure` looks at.

use aloft_faces::portraits::{CONDITIONS, portrait};
use aloft_faces::{Classic, Engine, Image};
use std::collections::BTreeMap;

/// Numbers of people for this purpose only.
const PEOPLE: std::ops::Range<u64> = 0..80;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: average <file>")?;
    let half = PEOPLE.end / 2;
    let other = std::thread::spawn(move || describe(half..PEOPLE.end));
    let mut people = describe(PEOPLE.start..half);
    people.extend(other.join().map_err(|_| "a thread failed")?);
    std::fs::write(file, average(&people))?;
    Ok(())
}

/// Descriptions of each person, under all conditions but the largest pictures.
fn describe(people: std::ops::Range<u64>) -> Vec<Vec<Vec<f32>>> {
    let engine = Classic::default();
    let one = |person: u64| {
        let views = CONDITIONS.iter().map(|(_, view, quality)| (view(person), *quality));
        let small = views.filter(|(view, _)| view.width <= 256);
        small
            .filter_map(|(view, quality)| {
                let image = Image::decode(&portrait(person, &view).to_jpeg(quality)).ok()?;
                engine.detect(&image).ok()?.first().map(|face| engine.describe(&image, face))
            })
            .collect()
    };
    people.map(one).collect()
}

fn mean<'a>(rows: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let rows: Vec<&Vec<f32>> = rows.collect();
    let columns = rows.first().map_or(0, |row| row.len());
    (0..columns).map(|at| rows.iter().map(|row| row[at]).sum::<f32>() / rows.len() as f32).collect()
}

fn average(people: &[Vec<Vec<f32>>]) -> Vec<u8> {
    let middle = mean(people.iter().flatten());
    let own: BTreeMap<usize, Vec<f32>> = people
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.is_empty())
        .map(|(at, it)| (at, mean(it.iter())))
        .collect();
    let count = people.iter().flatten().count() as f32;
    let square = |value: f32| value * value;
    let spread = |at: usize| -> f32 {
        let one = |(who, own): (&usize, &Vec<f32>)| -> f32 {
            people[*who].iter().map(|it| square(it[at] - own[at])).sum()
        };
        own.iter().map(one).sum::<f32>() / count
    };
    let within: Vec<f32> = (0..middle.len()).map(spread).collect();
    let mut sorted = within.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let weight = |at: usize| {
        let between = own.values().map(|own| square(own[at] - middle[at])).sum::<f32>() / own.len() as f32;
        (between / (within[at] + usual)).sqrt()
    };
    (0..middle.len()).flat_map(|at| [middle[at].to_le_bytes(), weight(at).to_le_bytes()]).flatten().collect()
}
