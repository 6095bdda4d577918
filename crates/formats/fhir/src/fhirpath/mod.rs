//! FHIRPath: expressions compiled once, evaluated over [`crate::json`].
