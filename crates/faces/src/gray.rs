//! Pictures in shades of gray, and what all steps do with them: resizing, cutting, sums over rectangles.

/// A picture of brightness, row by row from the top left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gray {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// `width * height` values, 0 is black.
    pub data: Vec<u8>,
}

impl Gray {
    /// The value at a place; outside, the nearest one inside.
    pub fn at(&self, x: isize, y: isize) -> u8 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.data[y * self.width + x]
    }

    /// The value between pixels, whose centres are at whole numbers.
    pub fn sample(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (x - left, y - top);
        let (left, top) = (left as isize, top as isize);
        let mix = |from: u8, to: u8, share: f32| f32::from(from) + (f32::from(to) - f32::from(from)) * share;
        let upper = mix(self.at(left, top), self.at(left + 1, top), across);
        let lower = mix(self.at(left, top + 1), self.at(left + 1, top + 1), across);
        upper + (lower - upper) * down
    }

    /// Of another size. Smaller ones average what falls into a pixel.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let columns = weights(self.width, width);
        let rows = weights(self.height, height);
        let mut across = vec![0.0_f32; width * self.height];
        for (y, line) in self.data.chunks_exact(self.width).enumerate() {
            for (x, (first, shares)) in columns.iter().enumerate() {
                let values = &line[*first..*first + shares.len()];
                across[y * width + x] =
                    values.iter().zip(shares).map(|(value, share)| f32::from(*value) * share).sum();
            }
        }
        let mut data = Vec::with_capacity(width * height);
        let mut line = vec![0.0_f32; width];
        for (first, shares) in &rows {
            line.fill(0.5);
            for (row, share) in shares.iter().enumerate() {
                let from = (first + row) * width;
                for (sum, value) in line.iter_mut().zip(&across[from..from + width]) {
                    *sum += value * share;
                }
            }
            data.extend(line.iter().map(|value| *value as u8));
        }
        Self { width, height, data }
    }

    /// A part; what lies outside repeats the edge.
    pub fn cut(&self, x: isize, y: isize, width: usize, height: usize) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for row in 0..height as isize {
            data.extend((0..width as isize).map(|column| self.at(x + column, y + row)));
        }
        Self { width, height, data }
    }
}

/// For each pixel of the new length, the first old one in it and the shares of it and those that follow.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f32 / to as f32;
    let reach = scale.max(1.0);
    (0..to)
        .map(|at| {
            let centre = (at as f32 + 0.5) * scale - 0.5;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor().max(0.0) as usize).clamp(first.min(from - 1), from - 1);
            let first = first.min(last);
            let share = |old: usize| (1.0 - (old as f32 - centre).abs() / reach).max(1e-6);
            let sum: f32 = (first..=last).map(share).sum();
            (first, (first..=last).map(|old| share(old) / sum).collect())
        })
        .collect()
}

/// Sums of values and of their squares over any rectangle, each in four look-ups.
pub(crate) struct Sums {
    /// One more than the picture's width.
    pub stride: usize,
    /// Sums of all that is above and to the left.
    pub values: Vec<i32>,
    squares: Vec<i64>,
}

impl Sums {
    /// Of a picture below 8 million pixels, which all here are.
    pub fn of(gray: &Gray) -> Self {
        let stride = gray.width + 1;
        let mut values = vec![0_i32; stride * (gray.height + 1)];
        let mut squares = vec![0_i64; stride * (gray.height + 1)];
        for (y, line) in gray.data.chunks_exact(gray.width).enumerate() {
            let (mut sum, mut square) = (0_i32, 0_i64);
            for (x, value) in line.iter().enumerate() {
                sum += i32::from(*value);
                square += i64::from(*value) * i64::from(*value);
                let at = (y + 1) * stride + x + 1;
                values[at] = values[at - stride] + sum;
                squares[at] = squares[at - stride] + square;
            }
        }
        Self { stride, values, squares }
    }

    /// Sum and sum of squares in a rectangle.
    pub fn rectangle(&self, x: usize, y: usize, width: usize, height: usize) -> (i32, i64) {
        let (above, below) = (y * self.stride + x, (y + height) * self.stride + x);
        let values =
            self.values[below + width] - self.values[below] - self.values[above + width] + self.values[above];
        let squares = self.squares[below + width] - self.squares[below] - self.squares[above + width]
            + self.squares[above];
        (values, squares)
    }
}
