//! A model in the runtime: what it takes, what it gives, and running it.

use std::{
    borrow::Cow,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use ort::{
    session::{SessionInputValue, builder::GraphOptimizationLevel},
    value::{Outlet, TensorElementType, ValueType},
};

use crate::{error::InferenceError, runtime::Runtime};

/// The largest model file. Weights that are larger lie in files beside it, which the runtime reads itself.
pub const MOST_MODEL_BYTES: u64 = 4 << 30;
/// More threads are not given to one model.
pub const MOST_THREADS: usize = 64;

/// The type of the numbers in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Numbers {
    /// 32-bit floating point.
    F32,
    /// 64-bit integers.
    I64,
    /// 32-bit integers.
    I32,
    /// Anything else; it can be neither given nor taken.
    Other,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// The type of its numbers.
    pub numbers: Numbers,
    /// Its extents; none where the caller is free.
    pub shape: Vec<Option<usize>>,
}

impl Port {
    fn of(outlet: &Outlet) -> Self {
        let name = outlet.name().to_owned();
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
            return Self { name, numbers: Numbers::Other, shape: Vec::new() };
        };
        let numbers = match ty {
            TensorElementType::Float32 => Numbers::F32,
            TensorElementType::Int64 => Numbers::I64,
            TensorElementType::Int32 => Numbers::I32,
            _ => Numbers::Other,
        };
        Self { name, numbers, shape: shape.iter().map(|extent| usize::try_from(*extent).ok()).collect() }
    }
}

/// Numbers with a shape, row by row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Tensor {
    /// 32-bit floating point.
    F32(Vec<usize>, Vec<f32>),
    /// 64-bit integers.
    I64(Vec<usize>, Vec<i64>),
    /// 32-bit integers.
    I32(Vec<usize>, Vec<i32>),
}

/// A model that is ready to run. Shared between threads, which take turns: the runtime's own threads make one run fast.
pub struct Session {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    session: Mutex<ort::session::Session>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("inputs", &self.inputs).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a model (`.onnx`) to run on the processor with so many threads, at least one and at most [`MOST_THREADS`].
    ///
    /// # Errors
    /// When the file cannot be read, is larger than [`MOST_MODEL_BYTES`], or is no model that this runtime takes.
    pub fn open(runtime: &Runtime, path: &Path, threads: usize) -> Result<Self, InferenceError> {
        let size = fs::metadata(path).map_err(|error| InferenceError::NotReadable { path: path.to_owned(), kind: error.kind() })?.len();
        if size > MOST_MODEL_BYTES {
            return Err(InferenceError::TooLarge { path: path.to_owned(), most: MOST_MODEL_BYTES });
        }
        let session = build(runtime, path, threads.clamp(1, MOST_THREADS));
        let session = session.map_err(|reason| InferenceError::NotAModel { path: path.to_owned(), reason })?;
        let ports = |outlets: &[Outlet]| outlets.iter().map(Port::of).collect();
        Ok(Self { inputs: ports(session.inputs()), outputs: ports(session.outputs()), session: Mutex::new(session) })
    }

    /// What the model takes.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What the model gives.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Runs the model and gives one of its outputs, with its shape.
    ///
    /// # Errors
    /// When the runtime refuses the inputs or fails, or the output is not of 32-bit floating point. What the runtime says is not passed on: it may quote
    /// what it was given.
    pub fn run(&self, inputs: Vec<(&str, Tensor)>, output: &str) -> Result<(Vec<usize>, Vec<f32>), InferenceError> {
        let failed = |_| InferenceError::Failed("the runtime refused the inputs or failed");
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let value = match tensor {
                Tensor::F32(shape, data) => ort::value::Tensor::from_array((shape, data)).map(SessionInputValue::from),
                Tensor::I64(shape, data) => ort::value::Tensor::from_array((shape, data)).map(SessionInputValue::from),
                Tensor::I32(shape, data) => ort::value::Tensor::from_array((shape, data)).map(SessionInputValue::from),
            };
            values.push((Cow::Borrowed(name), value.map_err(failed)?));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(values).map_err(failed)?;
        let no_numbers = InferenceError::Failed("the output is not of 32-bit floating point numbers");
        let Some(value) = outputs.get(output) else { return Err(no_numbers) };
        let Ok((shape, data)) = value.try_extract_tensor::<f32>() else { return Err(no_numbers) };
        Ok((shape.iter().map(|extent| usize::try_from(*extent).unwrap_or(0)).collect(), data.to_vec()))
    }
}

fn build(runtime: &Runtime, path: &Path, threads: usize) -> Result<ort::session::Session, String> {
    let said = |error: ort::Error<ort::session::builder::SessionBuilder>| error.to_string();
    let builder = ort::session::Session::builder(&runtime.environment).map_err(|error| error.to_string())?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(said)?;
    let builder = builder.with_intra_threads(threads).map_err(said)?.with_inter_threads(1).map_err(said)?;
    // Waiting threads sleep, because the program has work of its own for the cores.
    let builder = builder.with_intra_op_spinning(false).map_err(said)?;
    // A plan of memory is kept for every shape that is seen, and texts have many lengths.
    let mut builder = builder.with_memory_pattern(false).map_err(said)?;
    builder.commit_from_file(path).map_err(|error| error.to_string())
}
