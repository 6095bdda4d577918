//! **Policies over PHI classes: what leaves, in which form, under which law.**
//!
//! Every column carries its class of identifying information in its Arrow field metadata
//! ([`sutura_core::PhiClass`]). A [`Policy`] maps classes to [`Method`]s under a legal [`Profile`] that
//! refuses what its law does not permit; a [`Deidentifier`] binds a policy to a [`KeyRing`], a
//! [`Scope`] and a [`Vault`], plans a schema and treats its batches.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
//! use arrow::datatypes::{DataType, Field, Schema};
//! use sutura_core::{ColumnMeta, PhiClass};
//! use sutura_privacy::{Deidentifier, KeyRing, MemoryVault, Policy, Scope};
//!
//! let field = |name, class| ColumnMeta::of(class).apply(Field::new(name, DataType::Utf8View, true));
//! let schema = Schema::new(vec![field("mrn", PhiClass::Mrn), field("birth_date", PhiClass::Date), field("code", PhiClass::Clinical)]);
//!
//! let policy = Policy::builtin("hipaa-safe-harbor")?;
//! let vault = Arc::new(MemoryVault::new()?);
//! let deidentifier = Deidentifier::new(policy, &KeyRing::generate()?, Scope::new("demo", "research"), Some(vault))?;
//! let plan = deidentifier.plan(&schema)?;
//!
//! let text = |value: &str| Arc::new(StringViewArray::from(vec![value])) as ArrayRef;
//! let batch = RecordBatch::try_new(Arc::new(schema), vec![text("12345"), text("1980-05-17"), text("718-7")])?;
//! let released = plan.apply(&batch)?;
//! assert_eq!(released.column(1).as_ref(), &StringViewArray::from(vec!["1980"]));
//! assert_eq!(released.column(2).as_ref(), &StringViewArray::from(vec!["718-7"]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it is not: it reads no data files and knows no format; it measures no risk of re-identification.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr))]

mod ages;
mod canonical;
mod compare;
mod context;
mod dates;
mod encode;
mod error;
mod explain;
pub mod functions;
mod keys;
pub mod labels;
mod method;
mod places;
mod plan;
mod policy;
mod policy_toml;
mod profile;
mod scrub;
mod seal;
mod shape;
pub mod text;
mod transform;
mod uid;
mod value;
mod vault;

pub use canonical::canonical;
pub use compare::{Difference, Effect, compare};
pub use context::PrivacyContext;
pub use error::{ColumnProblem, PrivacyError};
pub use explain::{Explained, explain};
pub use keys::{KeyRing, Scope};
pub use method::{AgeScheme, DEFAULT_LANGUAGE, DEFAULT_SHIFT_DAYS, Method};
pub use plan::{ColumnPlan, ColumnStatistics, Deidentifier, SchemaPlan};
pub use policy::{BUILTIN, FindPolicy, LIMITED_DATA_SET_PURPOSES, LabelAction, LabelRule, LegalBasis, Policy, PolicyProblem, Rule};
pub use profile::{Profile, Refusal};
pub use scrub::TextScrubber;
pub use seal::{SealedInfo, sealed_info};
pub use shape::{CodeShape, has_verhoeff_digit};
pub use transform::MASKED;
pub use uid::uid_of_code;
pub use value::{Treated, ValueKind, ValuePlace, ValuePlan, column_name, is_age_code};
pub use vault::{DeferredVault, FileVault, MemoryVault, Vault};
