//! What can go wrong. Messages say what to do next and never hold codes or displays that came with the data.

/// Why a terminology operation or a load did not give a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TerminologyError {
    /// No code system of that URI (and version) is loaded.
    #[error("no code system {url} is loaded: load it from your own release, or correct the URI")]
    UnknownCodeSystem {
        /// The URI asked for, with `|version` when one was asked for.
        url: String,
    },
    /// No value set of that URI (and version) is loaded.
    #[error("no value set {url} is loaded: load its definition, or correct the URI")]
    UnknownValueSet {
        /// The URI asked for, with `|version` when one was asked for.
        url: String,
    },
    /// No concept map of that key is loaded.
    #[error("no concept map {key} is loaded: load its definition, or correct the key")]
    UnknownConceptMap {
        /// The key or URL asked for.
        key: String,
    },
    /// The code is not in the code system.
    #[error("the code is not in {system}")]
    UnknownCode {
        /// The code system's URI.
        system: String,
    },
    /// Value sets include each other in a circle.
    #[error("value set {url} includes itself through its imports: break the circle in the definitions")]
    ImportCycle {
        /// The value set at which the circle closed.
        url: String,
    },
    /// An expansion would be larger than the limit.
    #[error("the expansion of {url} has more than {limit} codes: filter it, page through it, or raise the limit")]
    TooCostly {
        /// The value set.
        url: String,
        /// The limit that was reached.
        limit: usize,
    },
    /// A filter of a value set cannot be applied.
    #[error("filter {property} {op} of value set {url} cannot be applied: {reason}")]
    Filter {
        /// The value set.
        url: String,
        /// The property the filter is on.
        property: String,
        /// The operator.
        op: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The code system has no hierarchy that says which code is a kind of which.
    #[error("{system} has no is-a hierarchy, so subsumption cannot be told")]
    NoHierarchy {
        /// The code system's URI.
        system: String,
    },
    /// A file could not be read.
    #[error("cannot read {what}: {reason}")]
    Read {
        /// What was being read: a file inside an archive, or the kind of input.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// A file is not of its kind.
    #[error("{what} is not valid at {place}: {reason}")]
    Format {
        /// What was being read.
        what: &'static str,
        /// Where: `line 7`, `byte 120`, or a path of the resource.
        place: String,
        /// What is wrong and what is wanted.
        reason: String,
    },
    /// A file is none of the kinds that can be loaded.
    #[error(
        "not a file of terminology: {reason}. Known are FHIR JSON or NDJSON with a CodeSystem, ValueSet or ConceptMap, FHIR packages (.tgz), CSV, \
         and the ZIP files of Athena, SNOMED CT (RF2) and LOINC as they come"
    )]
    UnknownKind {
        /// What it looks like.
        reason: &'static str,
    },
    /// A load would be larger than the limit.
    #[error("{what}: more than {limit}; raise the limit if the file is trusted")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A unit is not UCUM.
    #[error("not a UCUM unit at byte {offset}: {reason}")]
    Unit {
        /// Where in the unit.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Two units measure different things.
    #[error("the units measure different things: {from} cannot become {to}")]
    Dimension {
        /// The first unit's dimension, as base units.
        from: String,
        /// The second unit's dimension, as base units.
        to: String,
    },
    /// No rule for the unit of results with that LOINC code.
    #[error("no unit rule for this LOINC code: see the table of laboratory units")]
    NoLabRule,
    /// A number is not one that can be converted.
    #[error("not a number that can be converted: {reason}")]
    Number {
        /// What is wrong.
        reason: &'static str,
    },
}

/// A result with this crate's error.
pub type Result<T> = std::result::Result<T, TerminologyError>;
