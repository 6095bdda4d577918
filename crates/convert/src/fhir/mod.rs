//! Writing FHIR JSON: a tree of elements that is cheap to build and to write.
//!
//! A [`Tree`] is an arena that holds the resources of one record and is used again for the next. Elements are found or made by their
//! names in JSON; the R4 definitions say which of them are lists, what type they have and in which order they are written. What was
//! made but never filled is not written, so there is no empty object. A [`Reference`](Tree::link) to another resource of the tree is
//! written when the ids are known.
//!
//! ```
//! use sutura_convert::{fhir::Tree, ids};
//!
//! let mut tree = Tree::new();
//! let (patient, root) = tree.resource("Patient", ids::from_identifier("Patient", "urn:oid:1.2", "7")).expect("a resource type");
//! tree.set(root, "name[0].given[0]", "Jane");
//! tree.set(root, "name[0].family", "Doe");
//! tree.set_flag(root, "active", true);
//! let mut json = Vec::new();
//! tree.write_resource(patient, &mut json);
//! assert!(String::from_utf8(json)?.ends_with(r#""active":true,"name":[{"family":"Doe","given":["Jane"]}]}"#));
//! # Ok::<(), std::string::FromUtf8Error>(())
//! ```

mod bundle;
mod json;
mod path;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use bundle::{AGENT_TYPE, ASSEMBLER, SOURCE_LENGTH, SOURCE_OFFSET, SOURCE_SHA256, provenance_id};
pub use bundle::{BundleOptions, Source, provenance};
pub use json::push_string;
pub use path::{Path, PathError, Step};
pub use tree::{NodeId, ResourceId, Tree};
