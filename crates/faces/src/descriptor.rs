//! Numbers that describe an aligned face: where its edges run, independent of the light.
//!
//! Illumination is taken out as Tan and Triggs (2010) do: gamma, difference of Gaussians, equal contrast. What is left is
//! told by histograms of gradient directions in overlapping cells (Dalal and Triggs, 2005), each against its surroundings.

use crate::align::{HEIGHT, WIDTH};

/// Side of a cell, in pixels.
const CELL: usize = 8;
const COLUMNS: usize = WIDTH / CELL;
const ROWS: usize = HEIGHT / CELL;
/// Directions in half a turn.
const DIRECTIONS: usize = 8;

/// Describes a face of [`WIDTH`] times [`HEIGHT`] pixels.
pub(crate) fn describe(face: &[f32]) -> Vec<f32> {
    let even = even_light(face);
    let mut cells = vec![[0.0_f32; DIRECTIONS]; COLUMNS * ROWS];
    for y in 1..HEIGHT - 1 {
        for x in 1..WIDTH - 1 {
            let at = y * WIDTH + x;
            let (right, below) = (even[at + 1] - even[at - 1], even[at + WIDTH] - even[at - WIDTH]);
            add(&mut cells, x, y, right, below);
        }
    }
    let energy: Vec<f32> = cells.iter().map(|cell| cell.iter().map(|it| it * it).sum()).collect();
    let mut out = Vec::with_capacity(cells.len() * DIRECTIONS);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
            let around: f32 = near(row, ROWS)
                .flat_map(|row| near(column, COLUMNS).map(move |column| row * COLUMNS + column))
                .map(|at| energy[at])
                .sum();
            let cell = &cells[row * COLUMNS + column];
            let strength: Vec<f32> =
                cell.iter().map(|it| (it / (around + 1.0).sqrt()).min(0.4).sqrt()).collect();
            // What all directions share says how busy the place is, not what is there.
            let mean = strength.iter().sum::<f32>() / DIRECTIONS as f32;
            let weight = weight(column, row);
            out.extend(strength.iter().map(|it| (it - mean) * weight));
        }
    }
    out
}

/// The middle of the face counts, hair and background do not.
fn weight(column: usize, row: usize) -> f32 {
    let share = |at: usize, count: usize, middle: f32, reach: f32| {
        (((at as f32 + 0.5) / count as f32 - middle) / reach).powi(2)
    };
    let distance = share(column, COLUMNS, 0.5, 0.5) + share(row, ROWS, 0.5, 0.56);
    (1.15 - distance).clamp(0.0, 1.0)
}

/// Gives a gradient to the four cells and two directions that it is between.
fn add(cells: &mut [[f32; DIRECTIONS]], x: usize, y: usize, right: f32, below: f32) {
    let strength = right.hypot(below);
    let turn = below.atan2(right).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI * DIRECTIONS as f32;
    let (first, share) = (turn.floor() as usize % DIRECTIONS, turn.fract());
    let place = |at: usize| (at as f32 + 0.5) / CELL as f32 - 0.5;
    let (column, row) = (place(x), place(y));
    for (row, down) in [(row.floor(), 1.0 - (row - row.floor())), (row.floor() + 1.0, row - row.floor())] {
        for (column, across) in [
            (column.floor(), 1.0 - (column - column.floor())),
            (column.floor() + 1.0, column - column.floor()),
        ] {
            if row < 0.0 || column < 0.0 || row >= ROWS as f32 || column >= COLUMNS as f32 {
                continue;
            }
            let cell = &mut cells[row as usize * COLUMNS + column as usize];
            let given = strength * down * across;
            cell[first] += given * (1.0 - share);
            cell[(first + 1) % DIRECTIONS] += given * share;
        }
    }
}

fn even_light(face: &[f32]) -> Vec<f32> {
    let bright: Vec<f32> = face.iter().map(|value| (value.max(0.0) / 255.0 + 0.01).powf(0.3)).collect();
    let (fine, coarse) = (blurred(&bright, 1.0), blurred(&bright, 3.0));
    let mut even: Vec<f32> = fine.iter().zip(&coarse).map(|(fine, coarse)| fine - coarse).collect();
    let mean = even.iter().map(|it| it.abs().powf(0.1)).sum::<f32>() / even.len() as f32;
    let scale = mean.powf(10.0).max(1e-6);
    even.iter_mut().for_each(|it| *it = 4.0 * (*it / scale / 4.0).tanh());
    even
}

fn blurred(values: &[f32], sigma: f32) -> Vec<f32> {
    let reach = (sigma * 3.0).ceil() as isize;
    let kernel: Vec<f32> =
        (-reach..=reach).map(|at| (-(at * at) as f32 / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    let pass = |values: &[f32], step: usize, length: usize| -> Vec<f32> {
        (0..values.len())
            .map(|at| {
                let place = (at / step % length) as isize;
                let base = at as isize - place * step as isize;
                let near = |offset: isize| {
                    let there = (place + offset).clamp(0, length as isize - 1);
                    values[(base + there * step as isize) as usize]
                };
                kernel.iter().zip(-reach..).map(|(share, offset)| share * near(offset)).sum::<f32>() / sum
            })
            .collect()
    };
    pass(&pass(values, 1, WIDTH), WIDTH, HEIGHT)
}
