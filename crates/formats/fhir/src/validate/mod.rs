//! Validation of resources against the R4 definitions, and against profiles where they are given.
//!
//! One walk over the document checks names, cardinality, choices, formats of primitives, extensions,
//! contained resources, references, codes of required bindings and the invariants that are written
//! out by hand; other invariants go to an [`InvariantEngine`]. Whatever is found is an [`Issue`] with a
//! FHIRPath location; nothing is changed, and no text of an issue repeats a patient's data.
//!
//! What it is not: no terminology server (value sets are those of the specification and of the loaded
//! packages), no fetching of anything.

mod codes;
mod engine;
mod issue;
mod measure;
mod native;
mod path;
mod primitive;
mod profile;
mod questionnaire;
mod reference;
mod report;
#[cfg(test)]
mod tests;
mod walk;
mod xhtml;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use crate::{
    defs::{self, TypeId},
    json::{JsonError, Value},
};

pub use engine::PathEngine;
pub(crate) use issue::push_json_text;
pub use issue::{Issue, IssueCode, IssueSeverity, operation_outcome, operation_outcome_at};
pub use profile::{Package, PackageError, PackageLimits, PackageProblem, ProfileStore};
pub use report::{Checker, Finding, Summary, TypeCount, validate_ndjson};

/// What an invariant is asked about.
#[derive(Clone, Copy)]
pub struct Focus<'d> {
    /// The element.
    pub value: Value<'d>,
    /// Its `_name` sibling, for a primitive.
    pub extension: Option<Value<'d>>,
    /// Its type.
    pub ty: TypeId,
    /// `%resource`: the resource it stands in.
    pub resource: Value<'d>,
    /// `%rootResource`: the same, or the one that contains it.
    pub root: Value<'d>,
    /// The value sets of loaded packages.
    pub profiles: &'d ProfileStore,
    /// Steps that may still be spent on the document; the engine takes off what it uses.
    pub steps: &'d Cell<u64>,
}

/// Evaluates the invariants that are not written out by hand.
pub trait InvariantEngine: Send + Sync {
    /// Whether the rule is kept; none where the expression cannot be evaluated.
    fn holds(&self, expression: &str, focus: Focus<'_>) -> Option<bool>;
}

/// What to check beyond the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Report codes outside of extensible bindings as warnings, outside of preferred ones as information.
    pub open_bindings: bool,
    /// How bad an extension is that no loaded package defines; none means it is not reported.
    pub unknown_extensions: Option<IssueSeverity>,
    /// Extensions whose URLs begin so are never unknown.
    pub trusted_extensions: Vec<String>,
    /// How bad text is that looks like it has HTML in it.
    pub markup: IssueSeverity,
    /// How bad it is if a reference names a type that its element does not allow, where the resource itself is not at hand.
    pub unresolved_types: IssueSeverity,
    /// How bad it is if a resource that is referred to is neither contained nor in the Bundle or Parameters around; none means it
    /// is not reported. References inside of the outermost resource's own server cannot be told from others.
    pub missing_targets: Option<IssueSeverity>,
    /// Apply the profiles that `meta.profile` claims, where they are loaded.
    pub meta_profiles: bool,
    /// No resource gets more issues than this, apart from one that says so and, if none of them is an error, the first error.
    pub max_issues: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            open_bindings: true,
            unknown_extensions: None,
            trusted_extensions: Vec::new(),
            markup: IssueSeverity::Warning,
            unresolved_types: IssueSeverity::Error,
            missing_targets: None,
            meta_profiles: true,
            max_issues: 500,
        }
    }
}

/// A validator: definitions, profiles and options, shared by threads.
pub struct Validator {
    options: Options,
    engine: Option<Box<dyn InvariantEngine>>,
    profiles: ProfileStore,
}

impl Default for Validator {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Validator {
    /// A validator of the base definitions.
    pub fn new(options: Options) -> Self {
        Self { options, engine: Some(Box::new(PathEngine::default())), profiles: ProfileStore::new() }
    }

    /// Knows these profiles, value sets and code systems too.
    #[must_use]
    pub fn with_profiles(mut self, profiles: ProfileStore) -> Self {
        self.profiles = profiles;
        self
    }

    /// Evaluates invariants with this engine instead of [`PathEngine`].
    #[must_use]
    pub fn with_engine(mut self, engine: Box<dyn InvariantEngine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Validates one resource.
    pub fn validate(&self, resource: Value<'_>) -> Vec<Issue> {
        let mut check = Check::new(self, resource);
        check.resource(resource, None);
        check.out
    }

    /// Validates one resource against profiles too. A profile that is not loaded is an error.
    pub fn validate_against(&self, resource: Value<'_>, profiles: &[&str]) -> Vec<Issue> {
        let mut check = Check::new(self, resource);
        check.resource(resource, None);
        let def = resource.get("resourceType").and_then(|name| name.as_str()).and_then(|name| r4().resource_named(name));
        let Some(def) = def else { return check.out };
        check.path.push(def.name);
        if reference::BundleScope::is_of(def.name) {
            check.bundles.push(reference::BundleScope::new(resource));
        }
        for url in profiles {
            match self.profiles.profile(url) {
                Some(profile) => check.profile(resource, def.id, &profile),
                None if profile::core_type(url) == Some(def.name) => {}
                None => check.error(IssueCode::NotFound, resource, format!("the profile {url} is not loaded")),
            }
        }
        check.out
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").field("options", &self.options).field("engine", &self.engine.is_some()).finish_non_exhaustive()
    }
}

/// The issue of a document that is no JSON.
pub fn json_issue(error: &JsonError) -> Issue {
    Issue {
        severity: IssueSeverity::Fatal,
        code: IssueCode::Structure,
        expression: String::new(),
        offset: error.offset,
        diagnostics: format!("not strict JSON: {error}"),
    }
}

/// The state of one validation.
struct Check<'v, 'd> {
    validator: &'v Validator,
    out: Vec<Issue>,
    path: path::Path<'d>,
    /// The resource the walk is in (a contained one is its own).
    resource: Value<'d>,
    /// The resource whose `contained` the references of the walk point into.
    container: Value<'d>,
    /// The resources of the Bundles around, by fullUrl; built when first needed.
    bundles: Vec<reference::BundleScope<'d>>,
    known: &'static walk::Known,
    /// The elements that the walk is in, with what holds each.
    trail: Vec<walk::Trail<'d>>,
    /// The values and profiles that the check is in: a profile does not end in itself.
    nested: Vec<(u32, usize)>,
    /// A container, and its contained resources by id.
    contained: RefCell<Option<(u32, HashMap<&'d str, Value<'d>>)>>,
    /// Steps of expressions that may still be spent.
    steps: Cell<u64>,
    /// Whether it was noted that none are left.
    too_costly: bool,
    /// Required value sets whose codes are not known, as far as that was noted.
    unknown_sets: Vec<String>,
    /// Rules of profiles that could not be evaluated, as far as that was noted: the profile and the key.
    undecided: Vec<(String, String)>,
    /// Whether values conform to profiles, once that was asked: resources that refer to each other ask again and again.
    conformed: HashMap<(u32, usize), bool>,
}

/// Steps of expressions for a document, and for each of its values: what is checked takes time in proportion to its size.
const STEPS: (u64, u64) = (1_000_000, 200);

impl<'v, 'd> Check<'v, 'd> {
    fn new(validator: &'v Validator, root: Value<'d>) -> Self {
        Self {
            validator,
            out: Vec::new(),
            path: path::Path::default(),
            resource: root,
            container: root,
            bundles: Vec::new(),
            known: walk::known(),
            trail: Vec::new(),
            nested: Vec::new(),
            contained: RefCell::new(None),
            steps: Cell::new(STEPS.0 + STEPS.1 * root.document().node_count() as u64),
            too_costly: false,
            unknown_sets: Vec::new(),
            undecided: Vec::new(),
            conformed: HashMap::new(),
        }
    }

    /// Notes an issue at the place of the walk.
    fn issue(&mut self, severity: IssueSeverity, code: IssueCode, at: Value<'_>, diagnostics: impl Into<String>) {
        let most = self.validator.options.max_issues;
        if self.out.len() == most {
            self.push_issue(IssueSeverity::Warning, IssueCode::TooLong, at, "more issues were found than are listed".to_owned());
        }
        // What is not listed must not make an invalid resource look valid: one error always is.
        let is_error = |issue: &Issue| issue.severity >= IssueSeverity::Error;
        let first_error = || severity >= IssueSeverity::Error && !self.out.iter().any(is_error);
        if self.out.len() < most || (self.out.len() == most + 1 && first_error()) {
            self.push_issue(severity, code, at, diagnostics.into());
        }
    }

    fn push_issue(&mut self, severity: IssueSeverity, code: IssueCode, at: Value<'_>, diagnostics: String) {
        self.out.push(Issue { severity, code, expression: self.path.to_string(), offset: at.offset(), diagnostics });
    }

    /// Says once that rules were left undecided.
    fn note_cost(&mut self, at: Value<'_>) {
        if self.steps.get() == 0 && !self.too_costly {
            self.too_costly = true;
            let what = "the rules take more steps than the size of the document allows; from here on some were not decided";
            self.issue(IssueSeverity::Warning, IssueCode::TooCostly, at, what);
        }
    }

    fn error(&mut self, code: IssueCode, at: Value<'_>, diagnostics: impl Into<String>) {
        self.issue(IssueSeverity::Error, code, at, diagnostics);
    }
}

/// The definitions, for brevity.
fn r4() -> &'static defs::Definitions {
    defs::r4()
}
