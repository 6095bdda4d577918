//! Value sets as their definitions say them (FHIR `ValueSet.compose`): rules that include and exclude.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

use crate::{
    code_system::Concept,
    error::{Result, TerminologyError},
    store::Index,
};

/// What a filter asks of a property (FHIR `FilterOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOp {
    /// The property has the value.
    Equal,
    /// The concept or one below it.
    IsA,
    /// One below the concept.
    DescendentOf,
    /// Neither the concept nor one below it.
    IsNotA,
    /// The whole value of the property fits the expression.
    Regex,
    /// The property has one of the values, joined by commas.
    In,
    /// The property has none of the values.
    NotIn,
    /// The concept or one above it.
    Generalizes,
    /// Whether the property is there: `true` or `false`.
    Exists,
    /// One right below the concept (R5).
    ChildOf,
    /// One below the concept with nothing below itself (R5).
    DescendentLeaf,
}

impl FilterOp {
    /// From FHIR's code.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "=" => Self::Equal,
            "is-a" => Self::IsA,
            "descendent-of" => Self::DescendentOf,
            "is-not-a" => Self::IsNotA,
            "regex" => Self::Regex,
            "in" => Self::In,
            "not-in" => Self::NotIn,
            "generalizes" => Self::Generalizes,
            "exists" => Self::Exists,
            "child-of" => Self::ChildOf,
            "descendent-leaf" => Self::DescendentLeaf,
            _ => return None,
        })
    }

    /// FHIR's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::IsA => "is-a",
            Self::DescendentOf => "descendent-of",
            Self::IsNotA => "is-not-a",
            Self::Regex => "regex",
            Self::In => "in",
            Self::NotIn => "not-in",
            Self::Generalizes => "generalizes",
            Self::Exists => "exists",
            Self::ChildOf => "child-of",
            Self::DescendentLeaf => "descendent-leaf",
        }
    }
}

/// A condition on the concepts of a code system.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The property: `concept` or `code` for the code itself, `display`, `parent`, `child`, or any the code system defines.
    pub property: String,
    /// What is asked.
    pub op: FilterOp,
    /// Of which value.
    pub value: String,
    pattern: OnceLock<Option<Regex>>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.property == other.property && self.op == other.op && self.value == other.value
    }
}

impl Filter {
    /// A condition.
    pub fn new(property: impl Into<String>, op: FilterOp, value: impl Into<String>) -> Self {
        Self { property: property.into(), op, value: value.into(), pattern: OnceLock::new() }
    }

    pub(crate) fn refused(&self, url: &str, reason: &'static str) -> TerminologyError {
        TerminologyError::Filter { url: url.to_owned(), property: self.property.clone(), op: self.op.code().to_owned(), reason }
    }

    /// Whether a concept fulfils the condition; `url` is the value set, for errors.
    pub(crate) fn accepts(&self, concept: Concept<'_>, url: &str) -> Result<bool> {
        let system = concept.system();
        match self.op {
            FilterOp::IsA
            | FilterOp::DescendentOf
            | FilterOp::IsNotA
            | FilterOp::Generalizes
            | FilterOp::ChildOf
            | FilterOp::DescendentLeaf => {
                if !matches!(self.property.as_str(), "concept" | "code" | "parent") {
                    return Err(self.refused(url, "hierarchies are asked of the property concept"));
                }
                // A code that is not there has nothing below it.
                let Some(anchor) = system.concept(&self.value) else { return Ok(self.op == FilterOp::IsNotA) };
                let same = anchor.number() == concept.number();
                Ok(match self.op {
                    FilterOp::IsA => same || concept.is_below(anchor),
                    FilterOp::DescendentOf => concept.is_below(anchor),
                    FilterOp::IsNotA => !same && !concept.is_below(anchor),
                    FilterOp::ChildOf => concept.parents().any(|parent| parent.number() == anchor.number()),
                    FilterOp::DescendentLeaf => concept.children().next().is_none() && concept.is_below(anchor),
                    _ => same || anchor.is_below(concept),
                })
            }
            FilterOp::Regex => {
                let pattern = self.regex().ok_or_else(|| self.refused(url, "the expression is not valid, or too large"))?;
                Ok(self.any_value(concept, |value| pattern.is_match(value)))
            }
            FilterOp::Equal => Ok(self.any_value(concept, |value| value == self.value)),
            FilterOp::In => Ok(self.any_value(concept, |value| self.value.split(',').any(|wanted| wanted.trim() == value))),
            FilterOp::NotIn => Ok(!self.any_value(concept, |value| self.value.split(',').any(|wanted| wanted.trim() == value))),
            FilterOp::Exists => match self.value.as_str() {
                "true" => Ok(self.any_value(concept, |_| true)),
                "false" => Ok(!self.any_value(concept, |_| true)),
                _ => Err(self.refused(url, "exists takes true or false")),
            },
        }
    }

    fn regex(&self) -> Option<&Regex> {
        const LARGEST: usize = 1 << 20;
        let build = || RegexBuilder::new(&format!("^(?:{})$", self.value)).size_limit(LARGEST).dfa_size_limit(LARGEST).build().ok();
        self.pattern.get_or_init(build).as_ref()
    }

    fn any_value(&self, concept: Concept<'_>, mut test: impl FnMut(&str) -> bool) -> bool {
        match self.property.as_str() {
            "concept" | "code" => test(concept.code()),
            "display" => concept.display().is_some_and(test),
            "parent" => concept.parents().any(|parent| test(parent.code())),
            "child" => concept.children().any(|child| test(child.code())),
            name => {
                let mut found = false;
                for (known, value) in concept.properties() {
                    if known == name {
                        found = true;
                        if test(value) {
                            return true;
                        }
                    }
                }
                // Flags hold also where no property says them.
                !found
                    && match name {
                        "inactive" => test(if concept.is_inactive() { "true" } else { "false" }),
                        "notSelectable" if concept.is_abstract() => test("true"),
                        _ => false,
                    }
            }
        }
    }
}

/// A code that a rule lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCode {
    /// The code.
    pub code: String,
    /// The display that the value set gives it.
    pub display: Option<String>,
}

/// The codes that a rule lists, in order, found by code however many they are.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    list: Vec<ListedCode>,
    index: OnceLock<Index>,
}

impl PartialEq for Codes {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl std::ops::Deref for Codes {
    type Target = [ListedCode];

    fn deref(&self) -> &[ListedCode] {
        &self.list
    }
}

impl From<Vec<ListedCode>> for Codes {
    fn from(list: Vec<ListedCode>) -> Self {
        Self { list, index: OnceLock::new() }
    }
}

impl Codes {
    /// Adds a code behind the others.
    pub fn push(&mut self, code: ListedCode) {
        self.list.push(code);
        self.index = OnceLock::new();
    }

    /// The first that is spelled so.
    pub fn find(&self, code: &str) -> Option<&ListedCode> {
        // Few are looked through faster than an index is built.
        const FEW: usize = 16;
        if self.list.len() <= FEW {
            return self.list.iter().find(|listed| listed.code == code);
        }
        let text_of = |at: u32| self.list.get(at as usize).map(|listed| listed.code.as_bytes()).unwrap_or_default();
        let index = self.index.get_or_init(|| {
            let mut index = Index::default();
            for (at, listed) in self.list.iter().enumerate() {
                let key = listed.code.as_bytes();
                if index.find(key, text_of).is_none() {
                    index.insert(key, at as u32, text_of);
                }
            }
            index
        });
        index.find(code.as_bytes(), text_of).and_then(|at| self.list.get(at as usize))
    }
}

/// One include or exclude of a value set. All parts that are given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rule {
    /// The code system; none when only other value sets are named.
    pub system: Option<String>,
    /// The version of the code system.
    pub version: Option<String>,
    /// The codes; empty for all that the filters take.
    pub codes: Codes,
    /// The conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// Value sets, in all of which a code must be.
    pub value_sets: Vec<String>,
}

impl Rule {
    /// All of a code system.
    pub fn system(url: impl Into<String>) -> Self {
        Self { system: Some(url.into()), ..Self::default() }
    }

    /// The code system with its version, as it is looked up.
    pub(crate) fn canonical(&self) -> Option<String> {
        let system = self.system.as_ref()?;
        Some(self.version.as_ref().map_or_else(|| system.clone(), |version| format!("{system}|{version}")))
    }

    pub(crate) fn lists(&self, code: &str, fold_case: bool) -> Option<&ListedCode> {
        let exact = self.codes.find(code);
        if exact.is_some() || !fold_case {
            return exact;
        }
        self.codes.iter().find(|listed| listed.code.eq_ignore_ascii_case(code))
    }
}

/// The definition of a value set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueSet {
    /// The canonical URL.
    pub url: String,
    /// The version.
    pub version: Option<String>,
    /// The name for people.
    pub name: String,
    /// What belongs to it.
    pub include: Vec<Rule>,
    /// What does not, although included.
    pub exclude: Vec<Rule>,
    /// Whether inactive codes belong to it (`compose.inactive`); not said: yes.
    pub inactive: Option<bool>,
}

impl ValueSet {
    /// An empty value set.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// The number of codes that its rules list.
    pub fn listed(&self) -> usize {
        self.include.iter().chain(&self.exclude).map(|rule| rule.codes.len()).sum()
    }
}
