//! Pictures of people who do not exist, drawn from a seed: for tests, measurements and demonstrations.
//!
//! A shaded head with eyes, brows, nose, mouth, hair and skin of its own, under a light, from a side. Not here: art. Keeps
//! true: a number is one person, and a person in a view is one picture, but for the last digits of floating-point functions.

mod conditions;
mod head;
mod scenery;

pub use conditions::{CONDITIONS, Condition, reference};
pub use scenery::{Scenery, scenery};

use crate::{Gray, Image};
use head::Head;

/// A colour picture, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Red, green, blue, row by row.
    pub data: Vec<u8>,
}

/// How a person is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// The picture's width, in pixels. It is a quarter higher than wide.
    pub width: usize,
    /// The head's share of the picture.
    pub size: f32,
    /// Degrees to the side.
    pub yaw: f32,
    /// Degrees up or down.
    pub pitch: f32,
    /// Degrees clockwise.
    pub roll: f32,
    /// Where the light comes from: -1 is left, 1 is right.
    pub light: f32,
    /// How much light there is; 1 is normal.
    pub exposure: f32,
    /// From 0 (serious) to 1 (smiling).
    pub smile: f32,
    /// The standard deviation of noise, in steps of brightness.
    pub noise: f32,
    /// What is behind.
    pub background: u64,
}

impl Default for View {
    fn default() -> Self {
        Self {
            width: 320,
            size: 0.62,
            yaw: 0.0,
            pitch: 0.0,
            roll: 0.0,
            light: -0.3,
            exposure: 1.0,
            smile: 0.2,
            noise: 1.5,
            background: 1,
        }
    }
}

/// Numbers that look random and are the same everywhere (SplitMix64).
pub(crate) struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Between two numbers.
    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.share()
    }

    /// Nearly normal, with standard deviation 1.
    pub fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.share()).sum::<f32>() * std::f32::consts::SQRT_2 - 3.0 * std::f32::consts::SQRT_2
    }
}

/// Draws the person of a number.
pub fn portrait(person: u64, view: &View) -> Picture {
    let (width, height) = (view.width, view.width * 5 / 4);
    let head = Head::of(person);
    let back = scenery(Scenery::Room, view.background, width, height);
    let mut dice = Dice(person.wrapping_mul(31).wrapping_add(view.background));
    let radius = view.size * height as f32 / 2.0;
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let behind = &back.data[(y * width + x) * 3..][..3];
            let behind = [0, 1, 2].map(|channel| f32::from(behind[channel]) / 255.0 * view.exposure);
            let mut sum = [0.0_f32; 3];
            for (across, down) in [(0.25, 0.25), (0.75, 0.75)] {
                let place_x = (x as f32 + across - width as f32 / 2.0) / radius;
                let place_y = (y as f32 + down - height as f32 * 0.48) / radius;
                let colour = head.colour(place_x, place_y, view).unwrap_or(behind);
                sum.iter_mut().zip(colour).for_each(|(sum, part)| *sum += part / 2.0);
            }
            data.extend(sum.map(|part| (part * 255.0 + dice.normal() * view.noise).clamp(0.0, 255.0) as u8));
        }
    }
    Picture { width, height, data }
}

impl Picture {
    /// As the file formats store it.
    pub fn to_png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.data))
            .expect("memory can be written to");
        file
    }

    /// As a JPEG file of a quality from 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut file, quality);
        let (width, height) = (self.width as u16, self.height as u16);
        encoder
            .encode(&self.data, width, height, jpeg_encoder::ColorType::Rgb)
            .expect("memory can be written to");
        file
    }

    /// As it is after [`Image::decode`].
    pub fn to_image(&self) -> Image {
        let data = self.data.chunks_exact(3).map(|it| crate::image::luma(it[0], it[1], it[2])).collect();
        Image::from_gray(Gray { width: self.width, height: self.height, data })
    }

    /// Beside another one of the same height.
    pub fn beside(&self, other: &Self) -> Self {
        let height = self.height.min(other.height);
        let mut data = Vec::with_capacity((self.width + other.width) * height * 3);
        for row in 0..height {
            for picture in [self, other] {
                data.extend(&picture.data[row * picture.width * 3..][..picture.width * 3]);
            }
        }
        Self { width: self.width + other.width, height, data }
    }
}
