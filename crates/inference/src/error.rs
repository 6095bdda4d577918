//! What can go wrong. Messages name files, labels and shapes, never text that a model was given.

use std::{io, path::PathBuf};

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// Nobody said where the library is.
    #[error(
        "a model needs the ONNX Runtime, which does not come with the program: give the path of libonnxruntime (in the Python package onnxruntime, \
         or a release of ONNX Runtime), or set ORT_DYLIB_PATH"
    )]
    NoRuntime,
    /// The library cannot be loaded, or is older than 1.24.
    #[error("{}: is no ONNX Runtime that can be loaded ({reason}); give libonnxruntime of version 1.24 or newer", path.display())]
    NotLoaded {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// A process has one runtime.
    #[error("{}: another ONNX Runtime is loaded already, and a process has one; name the same library everywhere", .0.display())]
    OtherRuntime(PathBuf),
    /// A file of the model is not there or cannot be read.
    #[error("{}: cannot be read ({kind}); a model is a folder with model.onnx, tokenizer.json and config.json", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// A file is larger than any of its kind should be.
    #[error("{}: is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest that is read.
        most: u64,
    },
    /// A file does not say what it has to say.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model has a label that nothing is known of.
    #[error(
        "the model has the label {label:?}, and what it stands for is not known; say it in labels.toml beside the model: a class of text, or \"none\" \
         for what identifies nobody"
    )]
    UnknownLabel {
        /// The label, without its prefix.
        label: String,
    },
    /// The runtime does not take the model.
    #[error("{}: the ONNX Runtime does not take the model: {reason}", path.display())]
    NotAModel {
        /// The model.
        path: PathBuf,
        /// What the runtime says.
        reason: String,
    },
    /// Inputs or outputs are not those of a model of this kind.
    #[error("the model is no model for this task: {0}")]
    OtherTask(String),
    /// The text could not be cut into tokens.
    #[error("the tokenizer failed on a text")]
    Tokenizer,
    /// The model ran and failed, or gave something that is no result.
    #[error("the model failed: {0}")]
    Failed(&'static str),
}
