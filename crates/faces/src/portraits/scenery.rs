//! Pictures without anybody in them: backgrounds, and what must not be taken for a face.

use super::{Dice, Picture};

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenery {
    /// A wall with some furniture.
    Room,
    /// One colour into another.
    Gradient,
    /// Every pixel by chance.
    Noise,
    /// Lines of dark marks on white.
    Text,
    /// Sky, hills, sun and trees.
    Landscape,
    /// Regular patterns of light and dark.
    Pattern,
}

impl Scenery {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Room, Self::Gradient, Self::Noise, Self::Text, Self::Landscape, Self::Pattern];
}

/// Draws a scenery of a number.
pub fn scenery(kind: Scenery, seed: u64, width: usize, height: usize) -> Picture {
    let mut dice = Dice(seed.wrapping_mul(977).wrapping_add(kind as u64));
    let mut canvas = Canvas { width, height, data: vec![0.0; width * height * 3] };
    let one = [0; 3].map(|_| dice.between(0.3, 0.9));
    let other = [0; 3].map(|_| dice.between(0.1, 0.9));
    match kind {
        Scenery::Room => {
            let mild = [0, 1, 2].map(|channel| one[channel] * 0.85 + other[channel] * 0.15);
            canvas.gradient(one, mild);
            for _ in 0..3 {
                let colour = [0; 3].map(|_| dice.between(0.2, 0.8));
                let (x, y) = (dice.between(-0.1, 1.0), dice.between(0.0, 1.0));
                canvas.rectangle(x, y, dice.between(0.05, 0.3), dice.between(0.1, 0.5), colour);
            }
        }
        Scenery::Gradient => canvas.gradient(one, other),
        Scenery::Noise => canvas.data.iter_mut().for_each(|value| *value = dice.share()),
        Scenery::Text => {
            canvas.gradient([0.97; 3], [0.93; 3]);
            let line = dice.between(0.025, 0.05);
            let mut y = 0.05;
            while y < 0.93 {
                let mut x = 0.06;
                while x < 0.93 {
                    let wide = line * dice.between(0.15, 0.5);
                    if dice.share() < 0.85 {
                        let (top, high) = (y + line * dice.between(0.0, 0.3), line * dice.between(0.2, 0.6));
                        canvas.rectangle(x, top, wide * 0.35, high, [0.1; 3]);
                        canvas.rectangle(x, top + high * dice.share(), wide * 0.8, line * 0.09, [0.15; 3]);
                    }
                    x += wide;
                }
                y += line;
            }
        }
        Scenery::Landscape => {
            canvas.gradient([0.4, 0.6, 0.95], [0.85, 0.9, 1.0]);
            let sun = (dice.share(), dice.between(0.05, 0.3), dice.between(0.03, 0.08));
            canvas.ellipse(sun.0, sun.1, sun.2, sun.2, [1.0, 0.95, 0.7]);
            for hill in 0..4 {
                let (x, y) = (dice.share(), 0.55 + 0.15 * hill as f32);
                let shade = dice.between(0.2, 0.6);
                let colour = [shade * 0.6, shade, shade * 0.4];
                canvas.ellipse(x, y + 0.25, dice.between(0.4, 0.9), dice.between(0.2, 0.4), colour);
            }
            for _ in 0..12 {
                let (x, y, size) = (dice.share(), dice.between(0.5, 0.9), dice.between(0.02, 0.07));
                canvas.rectangle(x - size * 0.1, y, size * 0.2, size * 1.4, [0.3, 0.2, 0.1]);
                canvas.ellipse(x, y, size, size * 1.2, [0.1, dice.between(0.2, 0.5), 0.1]);
            }
        }
        Scenery::Pattern => {
            let (across, down) = (dice.between(3.0, 40.0), dice.between(3.0, 40.0));
            for y in 0..height {
                for x in 0..width {
                    let (u, v) = (x as f32 / width as f32 * across, y as f32 / height as f32 * down);
                    let value = 0.5 + 0.25 * (u * std::f32::consts::TAU).sin() + 0.25 * (v * 6.0).cos();
                    canvas.data[(y * width + x) * 3..][..3].fill(value);
                }
            }
        }
    }
    let data = canvas.data.iter().map(|value| (value * 255.0).clamp(0.0, 255.0) as u8).collect();
    Picture { width, height, data }
}

/// Places and sizes on it are shares of the sides.
struct Canvas {
    width: usize,
    height: usize,
    data: Vec<f32>,
}

impl Canvas {
    fn fill(&mut self, colour: impl Fn(f32, f32) -> Option<[f32; 3]>) {
        for y in 0..self.height {
            for x in 0..self.width {
                let (u, v) = (x as f32 / self.width as f32, y as f32 / self.height as f32);
                if let Some(colour) = colour(u, v) {
                    self.data[(y * self.width + x) * 3..][..3].copy_from_slice(&colour);
                }
            }
        }
    }

    fn gradient(&mut self, top: [f32; 3], bottom: [f32; 3]) {
        self.fill(|_, v| Some([0, 1, 2].map(|channel| top[channel] * (1.0 - v) + bottom[channel] * v)));
    }

    fn rectangle(&mut self, left: f32, top: f32, width: f32, height: f32, colour: [f32; 3]) {
        let is_inside = |u: f32, v: f32| u >= left && u < left + width && v >= top && v < top + height;
        self.fill(|u, v| is_inside(u, v).then_some(colour));
    }

    fn ellipse(&mut self, x: f32, y: f32, width: f32, height: f32, colour: [f32; 3]) {
        self.fill(|u, v| (((u - x) / width).hypot((v - y) / height) < 1.0).then_some(colour));
    }
}
