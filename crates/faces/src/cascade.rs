//! Boosted cascades of rectangle features (Viola and Jones, 2001; Lienhart and Maydt, 2002), evaluated as OpenCV does.
//!
//! The data comes from OpenCV's classifiers by `cargo xtask cascades`. Knows no grouping and no meaning of what it finds.

use crate::gray::{Gray, Sums};

struct Rectangle {
    x: u8,
    y: u8,
    width: u8,
    height: u8,
    weight: i8,
}

/// A comparison in a tree: the next node, or the leaf when not above zero.
struct Node {
    left: i8,
    right: i8,
    threshold: f32,
    rectangles: Vec<Rectangle>,
}

struct Tree {
    nodes: Vec<Node>,
    leaves: Vec<f32>,
}

struct Stage {
    threshold: f32,
    trees: Vec<Tree>,
}

/// A classifier for windows of a fixed size.
pub(crate) struct Cascade {
    width: usize,
    height: usize,
    stages: Vec<Stage>,
}

/// A window that passed all stages, in pixels of the picture that was searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width, which is also the height for square windows.
    pub size: f32,
    /// By how much it passed the last stage.
    pub margin: f32,
}

/// Where and how finely to search.
#[derive(Clone, Copy)]
pub(crate) struct Search {
    /// The smallest window, in pixels.
    pub least: f32,
    /// The largest window, in pixels.
    pub most: f32,
    /// From one size to the next.
    pub factor: f32,
    /// Pixels from one window to the next at the classifier's own scale.
    pub step: usize,
}

/// Reads bytes from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn float(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes)
    }
}

impl Cascade {
    /// Reads what `cargo xtask cascades` wrote; nothing when it is anything else.
    pub fn read(data: &[u8]) -> Option<Self> {
        let mut reader = Reader(data);
        if &reader.bytes::<4>()? != b"ALC1" {
            return None;
        }
        let (width, height) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
        let count = u16::from_le_bytes(reader.bytes()?);
        let stages: Option<Vec<Stage>> = (0..count).map(|_| stage(&mut reader)).collect();
        reader.0.is_empty().then_some(Self { width, height, stages: stages? })
    }

    /// All windows that pass, at all sizes asked for.
    pub fn search(&self, gray: &Gray, search: Search) -> Vec<Hit> {
        let mut hits = Vec::new();
        let own = self.width as f32;
        let mut size = search.least.max(own);
        while size <= search.most.min(gray.width.min(gray.height) as f32) {
            let scale = size / own;
            let width = (gray.width as f32 / scale).round() as usize;
            let height = (gray.height as f32 / scale).round() as usize;
            if width >= self.width && height >= self.height {
                let level = if scale == 1.0 { gray.clone() } else { gray.resized(width, height) };
                self.level(&level, search.step, |x, y, margin| {
                    hits.push(Hit { x: x as f32 * scale, y: y as f32 * scale, size, margin });
                });
            }
            size *= search.factor;
        }
        hits
    }

    fn level(&self, gray: &Gray, step: usize, mut found: impl FnMut(usize, usize, f32)) {
        let sums = Sums::of(gray);
        for y in (0..=gray.height - self.height).step_by(step) {
            let mut x = 0;
            while x <= gray.width - self.width {
                let passed = self.window(&sums, x, y);
                match passed {
                    Ok(margin) => found(x, y, margin),
                    // Next to a window that fails at once there is no face either, as OpenCV has it.
                    Err(0) => x += step,
                    Err(_) => {}
                }
                x += step;
            }
        }
    }

    /// The margin at the last stage, or the stage that failed.
    fn window(&self, sums: &Sums, x: usize, y: usize) -> Result<f32, usize> {
        let (width, height) = (self.width - 2, self.height - 2);
        let area = (width * height) as f64;
        let (sum, squares) = sums.rectangle(x + 1, y + 1, width, height);
        let variance = area * squares as f64 - f64::from(sum) * f64::from(sum);
        // Flat areas (a standard deviation below 10) hold nothing but noise.
        if variance <= (10.0 * area) * (10.0 * area) {
            return Err(0);
        }
        let scale = (1.0 / variance.sqrt()) as f32;
        let origin = y * sums.stride + x;
        let mut margin = 0.0;
        for (number, stage) in self.stages.iter().enumerate() {
            let total: f32 = stage.trees.iter().map(|tree| tree.value(sums, origin, scale)).sum();
            margin = total - stage.threshold;
            if margin < -1e-5 {
                return Err(number);
            }
        }
        Ok(margin)
    }
}

impl Tree {
    fn value(&self, sums: &Sums, origin: usize, scale: f32) -> f32 {
        let mut at = 0_usize;
        loop {
            let node = &self.nodes[at];
            let mut feature = 0_i32;
            for part in &node.rectangles {
                let above = origin + usize::from(part.y) * sums.stride + usize::from(part.x);
                let below = above + usize::from(part.height) * sums.stride;
                let width = usize::from(part.width);
                let sum = sums.values[below + width] - sums.values[below] - sums.values[above + width]
                    + sums.values[above];
                feature += sum * i32::from(part.weight);
            }
            let next = if (feature as f32) * scale < node.threshold { node.left } else { node.right };
            if next <= 0 {
                return self.leaves[usize::from(next.unsigned_abs())];
            }
            at = usize::from(next.unsigned_abs());
        }
    }
}

fn stage(reader: &mut Reader<'_>) -> Option<Stage> {
    let threshold = reader.float()?;
    let count = u16::from_le_bytes(reader.bytes()?);
    let trees: Option<Vec<Tree>> = (0..count).map(|_| tree(reader)).collect();
    Some(Stage { threshold, trees: trees? })
}

/// Links lead forward and to what is there, so that every walk ends.
fn tree(reader: &mut Reader<'_>) -> Option<Tree> {
    let count = reader.byte()?;
    let mut nodes = Vec::new();
    for number in 0..i16::from(count) {
        let [left, right] = reader.bytes::<2>()?.map(|byte| i8::from_le_bytes([byte]));
        let is_sound = |link: i8| {
            let link = i16::from(link);
            link >= -i16::from(count) && link < i16::from(count) && (link <= 0 || link > number)
        };
        let threshold = reader.float()?;
        let parts = reader.byte()?;
        let rectangles: Option<Vec<Rectangle>> = (0..parts)
            .map(|_| {
                let [x, y, width, height, weight] = reader.bytes::<5>()?;
                Some(Rectangle { x, y, width, height, weight: i8::from_le_bytes([weight]) })
            })
            .collect();
        if !is_sound(left) || !is_sound(right) {
            return None;
        }
        nodes.push(Node { left, right, threshold, rectangles: rectangles? });
    }
    let leaves: Option<Vec<f32>> = (0..=count).map(|_| reader.float()).collect();
    Some(Tree { nodes, leaves: leaves? })
}
