//! Why a Bundle or an export could not be written.

use std::{io, path::PathBuf};

use sutura_core::FormatError;
use thiserror::Error;

use crate::json::JsonError;

/// What went wrong. Messages hold no content of a resource.
///
/// Most kinds are about one resource: nothing of it was written, and the writer can go on ([`BundleError::is_refusal`]).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The resource is no strict JSON, or over a limit.
    #[error("the resource is no JSON: {0}")]
    Json(#[from] JsonError),
    /// The resource is no object, or its `resourceType` is none of FHIR R4's.
    #[error("not a resource: it has to be a JSON object with a resourceType of FHIR R4")]
    NotAResource,
    /// The id is none that FHIR allows, so that no URL can be made of it.
    #[error("{resource_type}.id has to be 1 to 64 letters, digits, '-' and '.'")]
    BadId {
        /// Type of the resource.
        resource_type: String,
    },
    /// A search result without id.
    #[error("the {resource_type} has no id; the resources of a searchset must have one")]
    IdMissing {
        /// Type of the resource.
        resource_type: String,
    },
    /// The Bundle holds that resource already.
    #[error("the Bundle holds this {resource_type} already; two entries of one Bundle may not have the same fullUrl or request (bdl-7)")]
    Duplicate {
        /// Type of the resource.
        resource_type: String,
    },
    /// [`super::Options::max_entries`] is reached.
    #[error("the Bundle is full; write the next one")]
    Full,
    /// The second pass does not see what the first one saw.
    #[error("the resources are not those that the index was made of; make it again, with the same options and order")]
    IndexMismatch,
    /// An option is wrong.
    #[error("option {option}: {reason}")]
    BadOption {
        /// The option.
        option: &'static str,
        /// What is wrong, and what to write instead.
        reason: &'static str,
    },
    /// The target exists.
    #[error("{} exists; choose another folder or allow overwriting", .0.display())]
    Exists(PathBuf),
    /// Another run writes to the folder.
    #[error("another run is writing to {}; wait until it is done, or choose another folder", .0.display())]
    Busy(PathBuf),
    /// Reading or writing failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    /// The reader could not go on.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl BundleError {
    /// Whether it is about one resource only, so that the next one can be pushed.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Json(_) | Self::NotAResource | Self::BadId { .. } | Self::IdMissing { .. } | Self::Duplicate { .. })
    }

    /// The stable code of a refusal, as reports count it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(error) => error.kind.code(),
            Self::NotAResource => "not-a-resource",
            Self::BadId { .. } => "resource-id-invalid",
            Self::IdMissing { .. } => "resource-id-missing",
            Self::Duplicate { .. } => "bundle-duplicate",
            Self::Full => "bundle-full",
            Self::IndexMismatch => "index-mismatch",
            Self::BadOption { .. } => "bad-option",
            Self::Exists(_) => "exists",
            Self::Busy(_) => "busy",
            Self::Io(_) => "io",
            Self::Format(_) => "format",
        }
    }
}
