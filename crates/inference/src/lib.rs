//! **ONNX models at a path of the user's, run by the ONNX Runtime of the user's.**
//!
//! Two parts. [`Runtime`] and [`Session`] load the library when it is first needed and run any graph on tensors. [`text`] is the first use of
//! them: a token-classification model beside the rules of [`sutura_privacy::text`].
//!
//! ```no_run
//! use std::path::Path;
//! use sutura_privacy::text::{Rules, Scrubber};
//!
//! let model = sutura_inference::text::open(Path::new("models/deid"), Some(Path::new("lib/libonnxruntime.so")))?;
//! let scrubber = Scrubber::new(Rules::builtin(&["en"])?).with_model(model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it is not: it comes with no model and no library, downloads nothing, and trains nothing.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod error;
mod runtime;
mod session;
pub mod text;

pub use error::InferenceError;
pub use runtime::{RUNTIME_VARIABLE, Runtime};
pub use session::{MOST_MODEL_BYTES, MOST_THREADS, Numbers, Port, Session, Tensor};
