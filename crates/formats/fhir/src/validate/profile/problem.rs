//! What a package says that cannot be used: it would be passed over in silence otherwise.

use std::fmt;

use serde_json::Value as Json;

use super::{ProfileStore, slice::untold, tree::list};
use crate::validate::{IssueCode, r4};

/// Something in loaded packages that cannot be used, and what is not checked because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageProblem {
    /// The canonical URL of the definition, or the name of the package.
    pub place: String,
    /// The id or path of the element; empty where it is about no element.
    pub element: String,
    /// What kind of problem it is.
    pub code: IssueCode,
    /// What is wrong, and what is not checked.
    pub what: String,
}

impl fmt::Display for PackageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = if self.element.is_empty() { String::new() } else { format!(" {}", self.element) };
        write!(f, "{}{element}: {}", self.place, self.what)
    }
}

impl ProfileStore {
    /// What cannot be used of the loaded packages: links in archives and folders, profiles of types that FHIR R4 does not have or without
    /// elements, bases that are not loaded, paths that the type does not have, cardinalities, types and bindings that mean nothing, slices
    /// without slicing or that nothing tells apart, and rules that are no FHIRPath. All profiles are compiled for it. Sorted by definition, elements as they stand in it.
    pub fn problems(&self) -> Vec<PackageProblem> {
        let mut out = self.passed_over.clone();
        let mut structures: Vec<_> = self.structures.iter().collect();
        structures.sort_by_key(|(url, _)| *url);
        for (url, raw) in structures {
            let problem =
                |element: &str, code, what: String| PackageProblem { place: url.clone(), element: element.to_owned(), code, what };
            match self.profile(url) {
                Some(profile) => {
                    out.extend(profile.problems.iter().map(|found| problem(&found.element, found.code, found.what.clone())));
                    // Those of the base are told there.
                    let base = raw.json["baseDefinition"].as_str().and_then(|base| self.profile(base));
                    let known = base.map(|base| untold(self, &base.root)).unwrap_or_default();
                    for (element, path) in untold(self, &profile.root).into_iter().filter(|one| !known.contains(one)) {
                        let what = format!("nothing that is loaded says what '{path}' is in this slice: every value is taken for it");
                        out.push(problem(&element, IssueCode::Structure, what));
                    }
                }
                None => out.push(problem("", IssueCode::Structure, unusable(&raw.json))),
            }
        }
        out.extend(self.below.iter().flat_map(|below| below.problems()));
        out
    }
}

/// Why no profile can be made of a definition.
fn unusable(definition: &Json) -> String {
    let why = match definition["type"].as_str() {
        Some(name) if r4().type_named(name).is_none() => "FHIR R4 does not have the type that it constrains",
        None => "it does not say which type it constrains",
        Some(_) if list(&definition["differential"], "element").chain(list(&definition["snapshot"], "element")).next().is_none() => {
            "it has no elements, and what it derives from is not loaded"
        }
        Some(_) => "it derives from itself, or from too many others",
    };
    format!("{why}: the profile is not checked")
}

/// Something that an element of a profile says and that cannot be used.
#[derive(Debug, Clone)]
pub(crate) struct ElementProblem {
    pub(crate) element: String,
    pub(crate) code: IssueCode,
    pub(crate) what: String,
}

impl ElementProblem {
    /// What the profile derives from is not known.
    pub(super) fn base(base: &str, is_loaded: bool) -> Self {
        let base = if base.is_empty() { "that it derives from" } else { base };
        let why = if is_loaded { "derives from itself, from too many others, or from what cannot be used" } else { "is not loaded" };
        Self {
            element: String::new(),
            code: IssueCode::NotFound,
            what: format!("the profile {base} {why}: what it demands is not checked"),
        }
    }

    pub(super) fn no_such_path(element: &str) -> Self {
        let what = "the type has no element of that path: what is said of it is not checked".to_owned();
        Self { element: element.to_owned(), code: IssueCode::Structure, what }
    }

    pub(super) fn slice(element: &str) -> Self {
        let what = "nothing says how the slice is told from other values (no slicing, here or in what is derived from): it is not checked";
        Self { element: element.to_owned(), code: IssueCode::Structure, what: what.to_owned() }
    }

    /// Something that means nothing.
    pub(super) fn unusable(element: &str, why: &str) -> Self {
        Self { element: element.to_owned(), code: IssueCode::Structure, what: format!("{why}: what it demands is not checked") }
    }

    pub(super) fn rule(element: &str, key: &str, why: &str) -> Self {
        let what = format!("the rule {key} cannot be evaluated ({why}): it is not checked");
        Self { element: element.to_owned(), code: IssueCode::Invariant, what }
    }
}
