//! What can go wrong. Messages name files, columns, methods and paragraphs of law, never a value or a key.

use std::path::PathBuf;

use crate::{method::Method, policy::PolicyProblem};

/// Why a privacy operation was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// A key file could not be read or written.
    #[error("key file {path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A key file exists and is never overwritten.
    #[error("key file {0} exists and is never overwritten: losing a key loses every pseudonym made with it; choose another name")]
    KeyFileExists(PathBuf),
    /// Others may read the key file.
    #[error("key file {path} may be read by others (mode {mode:03o}); run `chmod 600` on it")]
    KeyFileExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key text is not one of ours.
    #[error("key ring, line {line}: {reason}; make one with `sutura keys new`")]
    KeyFormat {
        /// Line in the file or variable, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The environment variable is missing.
    #[error(
        "environment variable {0} holds no key ring; make a key with `sutura keys new FILE` and set the variable to the file's content"
    )]
    KeyVariable(String),
    /// No key of that id.
    #[error("no key {0} in the key ring; add the key file that made the data")]
    UnknownKey(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// A policy has mistakes.
    #[error("policy has {} problem(s):\n{}", .0.len(), crate::policy::join_problems(.0))]
    Policy(Vec<PolicyProblem>),
    /// No builtin policy of that name.
    #[error(
        "no builtin policy {name:?}{}; there are {}",
        crate::policy::did_you_mean(.suggestion.as_deref()),
        crate::policy::BUILTIN.map(|(name, _)| name).join(", ")
    )]
    UnknownPolicy {
        /// What was asked for.
        name: String,
        /// The nearest name.
        suggestion: Option<String>,
    },
    /// A schema cannot be de-identified under the policy.
    #[error("{} column(s) cannot be released under policy {policy}:\n{}", .problems.len(), join_columns(.problems))]
    Plan {
        /// Policy name and version.
        policy: String,
        /// One entry for every column that is refused.
        problems: Vec<ColumnProblem>,
    },
    /// The batch does not have the schema that was planned.
    #[error("column {column} is not what was planned: expected {expected}, got {found}; plan again for the new schema")]
    SchemaChanged {
        /// Column name.
        column: String,
        /// Planned type.
        expected: String,
        /// Found type.
        found: String,
    },
    /// A value's operation is not possible.
    #[error("{operation} failed: {reason}")]
    Operation {
        /// What was tried.
        operation: &'static str,
        /// Why it failed and what to do.
        reason: &'static str,
    },
    /// The vault file is open elsewhere.
    #[error("vault {0} is in use by another process; wait until that run ends or give this job its own vault")]
    VaultInUse(PathBuf),
    /// The vault was made with another key or scope.
    #[error("vault {path} was made with key {vault_key}; this key ring has {ring}: use the key ring that made the vault")]
    VaultKey {
        /// The file.
        path: PathBuf,
        /// Id of the key the vault needs.
        vault_key: String,
        /// Ids in the key ring.
        ring: String,
    },
    /// The vault belongs to another project or domain.
    #[error("vault {0} belongs to another project or domain; name the vault of this one, or make a new one")]
    VaultScope(PathBuf),
    /// The vault file is there and has no byte: it was cut, or is another file.
    #[error(
        "vault {0} is empty (0 bytes): its codes are gone, and a new vault would give every patient another code; restore the file from a backup, or remove it if no earlier output has to link with new ones"
    )]
    VaultEmpty(PathBuf),
    /// The vault's store failed.
    #[error("vault {path}: {reason}")]
    Vault {
        /// The file.
        path: PathBuf,
        /// The store's own words.
        reason: String,
    },
    /// Arrow refused an operation.
    #[error("an array operation failed (what it says is withheld, since it can hold field content)")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// Why one column cannot be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnProblem {
    /// Column name.
    pub column: String,
    /// Its class word, or `unclassified`.
    pub class: String,
    /// The method that was to treat it, if one was found.
    pub method: Option<Method>,
    /// Why not, with the paragraph of law where there is one, and what to use instead.
    pub reason: String,
}

fn join_columns(problems: &[ColumnProblem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("  {} ({}): {}", problem.column, problem.class, problem.reason)).collect();
    lines.join("\n")
}
