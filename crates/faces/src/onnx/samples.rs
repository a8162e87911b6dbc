//! For tests: small networks that have the inputs and outputs of the known ones and compute what can be foreseen, and pictures for them.
//!
//! A "face" is a square of blocks that are red, green, both or black by its number, with a blue mark in its middle. The
//! detectors are sure of a face where a cell is all blue, and say that boxes and landmarks are at fixed distances from there.
//! The embedders give how red and how green each block is. So a wrong order of colours, a wrong range of brightness or a wrong
//! place is seen in the answers.

use super::align::PLACES;
use crate::portraits::{Dice, Picture};

/// A side of a face, in pixels, in a picture that the network sees as large as it is.
pub const FACE: usize = 80;
const BLOCK: usize = FACE / 8;
const MARK: usize = 8;
/// From a face's edge to its mark.
const MARGIN: usize = (FACE - MARK) / 2;

/// Draws faces at places of the grid of 8 pixels, `larger` times as large as told. What is not face is gray.
pub fn picture(width: usize, height: usize, larger: usize, faces: &[(u64, usize, usize)]) -> Picture {
    let mut data = vec![90; width * height * larger * larger * 3];
    for (number, left, top) in faces {
        for y in top * larger..(top + FACE) * larger {
            for x in left * larger..(left + FACE) * larger {
                let (u, v) = (x / larger - left, y / larger - top);
                // A pixel more on every side, for what is lost when the picture is made smaller.
                let marked = MARGIN - 1..MARGIN + MARK + 1;
                let is_mark = marked.contains(&u) && marked.contains(&v);
                let mut dice = Dice(number * 1000 + (v / BLOCK * 8 + u / BLOCK) as u64);
                let mut half = || if !is_mark && dice.share() < 0.5 { 255 } else { 0 };
                let colour = [half(), half(), if is_mark { 255 } else { 0 }];
                data[(y * width * larger + x) * 3..][..3].copy_from_slice(&colour);
            }
        }
    }
    Picture { width: width * larger, height: height * larger, data }
}

/// A detector with YuNet's outputs. An open side is told by a name.
pub fn yunet(side: Option<usize>) -> Vec<u8> {
    let mut graph = Graph::new(&[Some(1), Some(3), side, side]);
    for stride in [8, 16, 32] {
        // Blue comes first.
        let sure = blue(stride, [1.0, -1.0, -1.0].map(|it| it / 255.0));
        let unit = stride as f32;
        let (middle, length) = (MARK as f32 / 2.0 / unit, (FACE as f32 / unit).ln());
        for (name, kernel) in [
            ("cls", Kernel { stride, weights: vec![sure.clone()], biases: vec![0.0] }),
            ("obj", Kernel { stride, weights: vec![sure], biases: vec![0.0] }),
            ("bbox", Kernel::constant(stride, vec![middle, middle, length, length])),
            ("kps", Kernel::constant(stride, points(unit))),
        ] {
            let each = kernel.biases.len() as i64;
            graph.grid(&format!("{name}_{stride}"), &kernel, &[1, -1, each]);
        }
    }
    graph.file()
}

/// A detector with SCRFD's outputs; `has_batch` writes them as newer exports do.
pub fn scrfd(side: Option<usize>, has_batch: bool) -> Vec<u8> {
    let mut graph = Graph::new(&[has_batch.then_some(1), Some(3), side, side]);
    let shape = |each: i64| if has_batch { vec![1, -1, each] } else { vec![-1, each] };
    for stride in [8, 16, 32] {
        // Blue comes last, and black is -1. The first voice of a cell is never sure.
        let sure = blue(stride, [-1.0, -1.0, 1.0].map(|it| it * 128.0 / 255.0));
        let silent = vec![0.0; sure.len()];
        let kernel = Kernel { stride, weights: vec![silent, sure], biases: vec![-1.0, -0.5] };
        graph.grid(&format!("score{stride}"), &kernel, &shape(1));
    }
    for stride in [8, 16, 32] {
        let unit = stride as f32;
        let (before, behind) = (MARGIN as f32 / unit, (FACE - MARGIN) as f32 / unit);
        let both = [vec![9.0; 4], vec![before, before, behind, behind]].concat();
        graph.grid(&format!("box{stride}"), &Kernel::constant(stride, both), &shape(4));
    }
    for stride in [8, 16, 32] {
        let both = [vec![-3.0; 10], points(stride as f32)].concat();
        graph.grid(&format!("points{stride}"), &Kernel::constant(stride, both), &shape(10));
    }
    graph.file()
}

/// How the embedder's input is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brightness {
    /// From 0 to 255, as SFace has it.
    AsItIs,
    /// From -1 to 1, as ArcFace has it.
    Centred,
    /// From 0 to 255, and the graph begins with making it -1 to 1, as older ArcFace has it.
    CentredInside,
}

/// An embedder of two numbers for each of the squares of `block` pixels in an aligned face.
pub fn embedder(block: usize, brightness: Brightness) -> Vec<u8> {
    let mut graph = Graph::new(&[None, Some(3), Some(112), Some(112)]);
    let range = if brightness == Brightness::AsItIs { 127.5 } else { 1.0 };
    let bias = if brightness == Brightness::AsItIs { -1.0 } else { 0.0 };
    if brightness == Brightness::CentredInside {
        graph.constant("dark", &[1], &[127.5]);
        graph.constant("range", &[1], &[1.0 / 127.5]);
        graph.node("Sub", &["input", "dark"], "moved", &[]);
        graph.node("Mul", &["moved", "range"], "centred", &[]);
        graph.seen = "centred".to_owned();
    }
    let weights =
        |colour: usize| (0..3 * block * block).map(move |at| f32::from(at / (block * block) == colour));
    let mean = |colour| weights(colour).map(|it| it / range / (block * block) as f32).collect();
    let kernel = Kernel { stride: block, weights: vec![mean(0), mean(1)], biases: vec![bias; 2] };
    graph.convolution("blocks", &kernel);
    graph.node("Flatten", &["blocks"], "embedding", &[]);
    graph.outputs.push("embedding".to_owned());
    graph.file()
}

/// Weights that add up to 1 in a cell of pure blue.
fn blue(stride: usize, colours: [f32; 3]) -> Vec<f32> {
    let pixels = stride * stride;
    colours.iter().flat_map(|colour| std::iter::repeat_n(colour / pixels as f32, pixels)).collect()
}

/// Where landmarks are from the cell of the mark, in cells.
fn points(unit: f32) -> Vec<f32> {
    // Between pixels that are shares of a face's side and pixels whose centres are at whole numbers lies half of one.
    let place = |at: f32| ((at + 0.5) * FACE as f32 / 112.0 - 0.5 - MARGIN as f32) / unit;
    PLACES.iter().flat_map(|(x, y)| [place(*x), place(*y)]).collect()
}

/// A convolution without overlap: for each of its outputs the weights of a square of three colours.
struct Kernel {
    stride: usize,
    weights: Vec<Vec<f32>>,
    biases: Vec<f32>,
}

impl Kernel {
    /// The same for every cell.
    fn constant(stride: usize, biases: Vec<f32>) -> Self {
        Self { stride, weights: vec![vec![0.0; 3 * stride * stride]; biases.len()], biases }
    }
}

/// What an operator is told besides its inputs.
pub enum Attribute<'a> {
    /// A whole number.
    Number(i64),
    /// Some.
    Numbers(&'a [i64]),
    /// A text.
    Word(&'a str),
}

/// An ONNX file in the making: one input, `input`, and what is computed of it.
pub struct Graph {
    shape: Vec<Option<usize>>,
    /// What convolutions look at.
    seen: String,
    nodes: Vec<u8>,
    constants: Vec<u8>,
    /// The names of what comes out.
    pub outputs: Vec<String>,
}

impl Graph {
    /// With an input of this shape.
    pub fn new(shape: &[Option<usize>]) -> Self {
        let (seen, shape) = ("input".to_owned(), shape.to_vec());
        Self { shape, seen, nodes: Vec::new(), constants: Vec::new(), outputs: Vec::new() }
    }

    /// Numbers with a name.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape: Vec<i64> = shape.iter().map(|it| *it as i64).collect();
        bytes(&mut self.constants, 5, &tensor(name, &shape, 1, &raw));
    }

    /// Whole numbers with a name.
    pub fn integers(&mut self, name: &str, values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes(&mut self.constants, 5, &tensor(name, &[values.len() as i64], 7, &raw));
    }

    /// An operator with attributes.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) {
        let mut node = Vec::new();
        inputs.iter().for_each(|input| bytes(&mut node, 1, input.as_bytes()));
        bytes(&mut node, 2, output.as_bytes());
        bytes(&mut node, 4, operator.as_bytes());
        for (name, value) in attributes {
            let mut attribute = Vec::new();
            bytes(&mut attribute, 1, name.as_bytes());
            let kind = match value {
                Attribute::Number(value) => {
                    number(&mut attribute, 3, *value as u64);
                    2
                }
                Attribute::Numbers(values) => {
                    values.iter().for_each(|value| number(&mut attribute, 8, *value as u64));
                    7
                }
                Attribute::Word(word) => {
                    bytes(&mut attribute, 4, word.as_bytes());
                    3
                }
            };
            number(&mut attribute, 20, kind);
            bytes(&mut node, 5, &attribute);
        }
        bytes(&mut self.nodes, 1, &node);
    }

    fn convolution(&mut self, name: &str, kernel: &Kernel) {
        let stride = kernel.stride;
        let (weights, biases) = (format!("{name}.weights"), format!("{name}.biases"));
        self.constant(&weights, &[kernel.weights.len(), 3, stride, stride], &kernel.weights.concat());
        self.constant(&biases, &[kernel.biases.len()], &kernel.biases);
        let side = [stride as i64; 2];
        let seen = self.seen.clone();
        self.node(
            "Conv",
            &[&seen, &weights, &biases],
            name,
            &[("kernel_shape", Attribute::Numbers(&side)), ("strides", Attribute::Numbers(&side))],
        );
    }

    /// An output that has a line for each cell, as detectors write it.
    fn grid(&mut self, name: &str, kernel: &Kernel, shape: &[i64]) {
        let [cells, turned, lines] = ["cells", "turned", "lines"].map(|it| format!("{name}.{it}"));
        self.convolution(&cells, kernel);
        self.node("Transpose", &[&cells], &turned, &[("perm", Attribute::Numbers(&[0, 2, 3, 1]))]);
        self.integers(&lines, shape);
        self.node("Reshape", &[&turned, &lines], name, &[]);
        self.outputs.push(name.to_owned());
    }

    /// The file: `ModelProto` of ONNX's `onnx.proto`, with operators of version 13.
    pub fn file(&self) -> Vec<u8> {
        let mut graph = self.nodes.clone();
        bytes(&mut graph, 2, b"sample");
        graph.extend(&self.constants);
        bytes(&mut graph, 11, &value("input", Some(&self.shape)));
        self.outputs.iter().for_each(|output| bytes(&mut graph, 12, &value(output, None)));
        let mut operators = Vec::new();
        bytes(&mut operators, 1, b"");
        number(&mut operators, 2, 13);
        let mut model = Vec::new();
        number(&mut model, 1, 7);
        bytes(&mut model, 7, &graph);
        bytes(&mut model, 8, &operators);
        model
    }
}

/// `ValueInfoProto` of floating-point numbers; an open length has a name.
fn value(name: &str, shape: Option<&[Option<usize>]>) -> Vec<u8> {
    let mut kind = Vec::new();
    number(&mut kind, 1, 1);
    if let Some(shape) = shape {
        let mut lengths = Vec::new();
        for (at, length) in shape.iter().enumerate() {
            let mut one = Vec::new();
            match length {
                Some(length) => number(&mut one, 1, *length as u64),
                None => bytes(&mut one, 2, format!("open{at}").as_bytes()),
            }
            bytes(&mut lengths, 1, &one);
        }
        bytes(&mut kind, 2, &lengths);
    }
    let (mut tensor, mut value) = (Vec::new(), Vec::new());
    bytes(&mut tensor, 1, &kind);
    bytes(&mut value, 1, name.as_bytes());
    bytes(&mut value, 2, &tensor);
    value
}

/// `TensorProto`.
fn tensor(name: &str, shape: &[i64], kind: u64, raw: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    shape.iter().for_each(|length| number(&mut tensor, 1, *length as u64));
    number(&mut tensor, 2, kind);
    bytes(&mut tensor, 8, name.as_bytes());
    bytes(&mut tensor, 9, raw);
    tensor
}

/// A field of protobuf that is a number.
fn number(to: &mut Vec<u8>, field: u64, value: u64) {
    varint(to, field << 3);
    varint(to, value);
}

/// A field of protobuf that has a length.
fn bytes(to: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(to, field << 3 | 2);
    varint(to, value.len() as u64);
    to.extend(value);
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
