//! Why a listener or a sender could not begin or go on.

use std::{io, path::PathBuf};

use sutura_dicom::dimse::DimseError;
use thiserror::Error;

/// Why a listener or a sender could not begin or go on. What happens on one association is not an error of the listener.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A setting that cannot be.
    #[error("setting {key}: {reason}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// Something about certificates and keys.
    #[error("TLS: {0}")]
    Tls(String),
    /// The address cannot be listened on.
    #[error("cannot listen on the address ({}); is another program listening there?", .0.kind())]
    Bind(#[source] io::Error),
    /// The folder cannot be used.
    #[error("the folder {} cannot be used ({}); look at its rights and the space of its disk", .0.display(), .1.kind())]
    Folder(PathBuf, #[source] io::Error),
    /// The folder has files in it and is not one of a listener.
    #[error("the folder {} is not empty, and no receiver made it; give the receiver a folder of its own", .0.display())]
    FolderOfOthers(PathBuf),
    /// Where files are removed, there is one that is not the listener's.
    #[error("{} has something in it that is not the receiver's, or is a link; nothing was removed: move it away", .0.display())]
    FileOfOthers(PathBuf),
    /// Another listener writes to the folder.
    #[error("another listener writes to the folder {}; stop it, or give this one its own", .0.display())]
    FolderInUse(PathBuf),
    /// The association failed.
    #[error(transparent)]
    Association(#[from] DimseError),
}

impl StreamError {
    pub(crate) fn setting(key: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting { key, reason: reason.into() }
    }
}
