//! Where the eyes of a face are, to about a tenth of their distance.
//!
//! A cascade says where eyes may be, habit where they usually are, and the gradients around an iris where its centre is
//! (Timm and Barth, 2011).

use crate::cascade::{Cascade, Search};
use crate::gray::Gray;
use crate::windows::{self, Group};

/// The side of the square in which a face is looked at.
pub(crate) const SIDE: usize = 160;
/// Where eyes usually are in the face cascade's square.
const USUAL: [(f32, f32); 2] = [(0.32, 0.39), (0.68, 0.39)];
/// Habit's tolerance, as a share of the square.
const SPREAD: f32 = 0.11;

/// Two pupils in pixels of the square, and how many of them were really seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eyes {
    /// The viewer's left and right.
    pub centres: [(f32, f32); 2],
    /// 0, 1 or 2.
    pub seen: usize,
}

/// Finds the eyes in a face of [`SIDE`] pixels.
pub(crate) fn find(cascade: &Cascade, face: &Gray) -> Eyes {
    let side = SIDE as f32;
    let candidates = [0, 1].map(|eye| candidate(cascade, face, eye));
    let usual = USUAL.map(|(x, y)| (x * side, y * side));
    let (centres, seen) = match candidates {
        [Some(left), Some(right)] if is_pair(left.0, right.0) => ([left.0, right.0], 2),
        [Some(left), right] if right.is_none_or(|right| right.1 <= left.1) => {
            let shift = (left.0.1 - usual[0].1) * 0.7;
            ([left.0, (usual[1].0, usual[1].1 + shift)], 1)
        }
        [_, Some(right)] => {
            let shift = (right.0.1 - usual[1].1) * 0.7;
            ([(usual[0].0, usual[0].1 + shift), right.0], 1)
        }
        _ => (usual, 0),
    };
    let refined = centres.map(|centre| pupil(face, centre));
    Eyes { centres: if is_pair(refined[0], refined[1]) { refined } else { centres }, seen }
}

fn is_pair(left: (f32, f32), right: (f32, f32)) -> bool {
    let (across, down) = (right.0 - left.0, right.1 - left.1);
    (0.24..0.52).contains(&(across / SIDE as f32)) && down.abs() < 0.45 * across
}

/// The likeliest place for one eye, and how likely.
fn candidate(cascade: &Cascade, face: &Gray, eye: usize) -> Option<((f32, f32), f32)> {
    let side = SIDE as f32;
    let left = if eye == 0 { 0.05 } else { 0.45 };
    let (x, y) = ((left * side) as isize, (0.12 * side) as isize);
    let region = face.cut(x, y, (0.5 * side) as usize, (0.52 * side) as usize);
    let search = Search { least: 0.15 * side, most: 0.42 * side, factor: 1.08, step: 1 };
    let groups = windows::group(&cascade.search(&region, search));
    let centre = |group: &Group| {
        // The cascade's windows reach from the brow to below the lid.
        (group.x + group.size * 0.5 + x as f32, group.y + group.size * 0.53 + y as f32)
    };
    let likely = |group: &Group| {
        let ((at_x, at_y), (usual_x, usual_y)) = (centre(group), USUAL[eye]);
        let (across, down) = (at_x / side - usual_x, at_y / side - usual_y);
        group.count as f32 * (-(across * across + down * down) / (2.0 * SPREAD * SPREAD)).exp()
    };
    let best = groups.iter().max_by(|one, other| likely(one).total_cmp(&likely(other)))?;
    (best.count >= 3 && likely(best) > 1.0).then(|| (centre(best), likely(best)))
}

/// The point near `centre` from which the strongest gradients lead straight outward, into the light.
fn pupil(face: &Gray, centre: (f32, f32)) -> (f32, f32) {
    const REACH: isize = 9;
    const AROUND: isize = 14;
    let (x, y) = (centre.0.round() as isize, centre.1.round() as isize);
    let mut gradients = Vec::new();
    for down in -AROUND..=AROUND {
        for across in -AROUND..=AROUND {
            let value = |dx: isize, dy: isize| f32::from(face.at(x + across + dx, y + down + dy));
            let (right, below) = (value(1, 0) - value(-1, 0), value(0, 1) - value(0, -1));
            let strength = right.hypot(below);
            if strength > 12.0 {
                gradients.push((across as f32, down as f32, right / strength, below / strength));
            }
        }
    }
    let mut best = (0.0_f32, (0.0_f32, 0.0_f32));
    for down in -REACH..=REACH {
        for across in -REACH..=REACH {
            let votes: f32 = gradients
                .iter()
                .map(|(at_x, at_y, right, below)| {
                    let (dx, dy) = (at_x - across as f32, at_y - down as f32);
                    let distance = dx.hypot(dy);
                    if !(1.5..=10.0).contains(&distance) {
                        return 0.0;
                    }
                    let outward = (dx * right + dy * below) / distance;
                    if outward > 0.0 { outward * outward } else { 0.0 }
                })
                .sum();
            let darkness = 255.0 - f32::from(face.at(x + across, y + down));
            let distance = ((across * across + down * down) as f32).sqrt();
            let score = votes * darkness * (-distance * distance / 90.0).exp();
            if score > best.0 {
                best = (score, (across as f32, down as f32));
            }
        }
    }
    (x as f32 + best.1.0, y as f32 + best.1.1)
}
