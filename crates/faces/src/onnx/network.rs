//! An ONNX file that can be run: one picture in, some tables of numbers out.
//!
//! Keeps true: the file, its input and every table that is known beforehand have a largest size, and a panic of the library
//! that runs it ends here as an error.

use crate::{EngineError, LARGEST_MODEL};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

/// The most numbers in a table, 400 MB: the largest of the known networks need a hundredth of it.
const LARGEST_TABLE: usize = 100_000_000;
/// So many operators at the beginning can prepare the picture.
const FIRST_OPERATORS: usize = 8;

/// A network and what its file says of it.
pub(super) struct Network {
    plan: Arc<TypedSimplePlan>,
    /// The picture's width, in pixels.
    pub width: usize,
    /// The picture's height, in pixels.
    pub height: usize,
    /// What comes out: its name and the lengths of its dimensions.
    pub outputs: Vec<(String, Vec<usize>)>,
    /// What the graph does first, in ONNX's words.
    pub first_operators: Vec<String>,
}

impl Network {
    /// Reads a file. A picture whose size it leaves open will have `side` pixels a side.
    pub fn read(file: &[u8], side: usize) -> Result<Self, String> {
        if file.len() as u64 > LARGEST_MODEL {
            return Err(format!("it has {} bytes, and {LARGEST_MODEL} are the most", file.len()));
        }
        guarded(|| Self::prepare(file, side))
    }

    fn prepare(file: &[u8], side: usize) -> Result<Self, String> {
        let onnx = tract_onnx::onnx().with_ignore_value_info(true);
        let proto = onnx.proto_model_for_read(&mut &file[..]).map_err(|_| "it is no ONNX file")?;
        let graph = proto.graph.as_ref().ok_or("it is no ONNX file")?;
        let first = graph.node.iter().take(FIRST_OPERATORS).map(|node| node.op_type.clone()).collect();
        let names: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
        let mut model = onnx.model_for_proto_model(&proto).map_err(broken)?;
        if model.input_outlets().map_err(broken)?.len() != 1 {
            return Err("it wants something else than one picture".to_owned());
        }
        let (width, height) = picture(model.input_fact(0).map_err(broken)?, side)?;
        let shape = [1, 3, height, width];
        model.set_input_fact(0, f32::fact(shape).into()).map_err(broken)?;
        let plan = model.into_optimized().and_then(TypedModel::into_runnable).map_err(broken)?;
        let outlets = plan.model().nodes().iter().flat_map(|node| &node.outputs);
        for length in outlets.filter_map(|outlet| outlet.fact.shape.as_concrete()) {
            if length
                .iter()
                .try_fold(1, |all: usize, it| all.checked_mul(*it))
                .is_none_or(|it| it > LARGEST_TABLE)
            {
                return Err(format!("a table of {length:?} numbers is too large"));
            }
        }
        let shape = |at: usize| {
            let fact = plan.model().output_fact(at).map_err(broken)?;
            fact.shape
                .as_concrete()
                .map(<[usize]>::to_vec)
                .ok_or("how much comes out is left open".to_owned())
        };
        let outputs = names.into_iter().enumerate().map(|(at, name)| Ok((name, shape(at)?)));
        let outputs = outputs.collect::<Result<_, String>>()?;
        Ok(Self { plan, width, height, outputs, first_operators: first })
    }

    /// What comes out of three planes of numbers, one after another.
    pub fn run(&self, planes: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
        let shape = [1, 3, self.height, self.width];
        let run = || {
            let input = Tensor::from_shape(&shape, planes)?;
            let outputs = self.plan.run(tvec!(input.into()))?;
            let numbers = |output: &TValue| -> TractResult<Vec<f32>> {
                Ok(output.cast_to::<f32>()?.to_plain_array_view::<f32>()?.iter().copied().collect())
            };
            outputs.iter().map(numbers).collect::<TractResult<Vec<_>>>()
        };
        let outputs = guarded(|| run().map_err(broken)).map_err(EngineError)?;
        let is_whole = |(output, (_, shape)): (&Vec<f32>, &(String, Vec<usize>))| {
            output.len() == shape.iter().product::<usize>()
        };
        if outputs.len() != self.outputs.len() || !outputs.iter().zip(&self.outputs).all(is_whole) {
            return Err(EngineError("it does not give what its file says".to_owned()));
        }
        Ok(outputs)
    }

    /// What comes out, for messages.
    pub fn shown(&self) -> String {
        let shapes: Vec<String> =
            self.outputs.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
        format!("a picture of {} x {} pixels becomes {}", self.width, self.height, shapes.join(", "))
    }
}

/// Width and height of the picture that an input wants: `side` where it leaves them open.
fn picture(input: &InferenceFact, side: usize) -> Result<(usize, usize), String> {
    let dimensions = |at: usize| input.shape.dim(at).and_then(|dimension| dimension.concretize());
    let length = |at: usize, open: usize| {
        // What is open is unknown, or has a name instead of a number.
        dimensions(at).and_then(|it| it.to_usize().ok()).unwrap_or(open)
    };
    let rank = input.shape.rank().concretize();
    if rank != Some(4) || length(0, 1) != 1 || length(1, 3) != 3 {
        let shown = input.format_dt_shape();
        return Err(format!("it wants {shown}, and not one picture of three colours (1,3,height,width)"));
    }
    Ok((length(3, side), length(2, side)))
}

fn broken(error: impl std::fmt::Debug) -> String {
    // The chain of causes without the place in the library's source.
    let text = format!("{error:?}");
    let line = text.lines().map(str::trim).filter(|it| !it.is_empty() && *it != "Caused by:");
    line.take(4).collect::<Vec<_>>().join("; ").chars().take(500).collect()
}

/// Does something with the library, which panics at some files that are not as they should be.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(format!("the library that runs it gave up: {text}"))
    })
}
