//! Codes against the value sets their elements are bound to.

use super::{Check, IssueCode, IssueSeverity, walk::Slot};
use crate::{
    defs::{CodeSet, Strength},
    json::Value,
};

/// How a coded value stands to a value set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// One of its codes is in the set.
    In,
    /// None is.
    Out,
    /// It has no code: text only, or an extension.
    NoCode,
}

/// A set of codes: of the specification, or of a loaded package.
pub(super) trait Codes {
    fn has(&self, system: Option<&str>, code: &str) -> bool;
}

impl Codes for CodeSet {
    fn has(&self, system: Option<&str>, code: &str) -> bool {
        system.map_or_else(|| self.contains_code(code), |system| self.contains(system, code))
    }
}

fn coding_fits(coding: Value<'_>, set: &dyn Codes) -> Fit {
    let Some(code) = coding.get("code").and_then(|code| code.as_str()) else { return Fit::NoCode };
    let system = coding.get("system").and_then(|system| system.as_str());
    // A coding without a system says nothing about which code it is.
    if system.is_some() && set.has(system, code) { Fit::In } else { Fit::Out }
}

impl<'d> Check<'_, 'd> {
    /// How a value of a coded type stands to a value set.
    pub(super) fn fit(&self, value: Value<'d>, ty: crate::defs::TypeId, set: &dyn Codes) -> Fit {
        let known = self.known;
        if let Some(code) = value.as_str() {
            return if set.has(None, code) { Fit::In } else { Fit::Out };
        }
        if ty == known.coding {
            return coding_fits(value, set);
        }
        if ty == known.codeable_concept {
            let mut fit = Fit::NoCode;
            for coding in value.get("coding").into_iter().flat_map(|codings| codings.items()) {
                match coding_fits(coding, set) {
                    Fit::In => return Fit::In,
                    Fit::Out => fit = Fit::Out,
                    Fit::NoCode => {}
                }
            }
            return fit;
        }
        if value.get("code").is_some() {
            return coding_fits(value, set);
        }
        Fit::NoCode
    }

    /// The binding of an element.
    pub(super) fn binding(&mut self, value: Value<'d>, slot: Slot<'d>) {
        let Some(binding) = slot.element.binding else { return };
        if let Some(set) = binding.max_value_set.and_then(|url| super::r4().value_set(url))
            && self.fit(value, slot.ty, set) == Fit::Out
        {
            self.error(IssueCode::CodeInvalid, value, "the code is not in the value set that no code may leave");
        }
        if binding.strength == Strength::Example || (binding.strength < Strength::Required && !self.validator.options.open_bindings) {
            return;
        }
        let Some(set) = super::r4().value_set(binding.value_set) else {
            return self.unknown_set(value, binding.strength, binding.value_set);
        };
        let fit = self.fit(value, slot.ty, set);
        self.judge(value, slot.ty, binding.strength, fit, binding.value_set);
    }

    /// Says, once for each set, that nothing is known of the codes that a value must have one of.
    pub(super) fn unknown_set(&mut self, value: Value<'d>, strength: Strength, url: &str) {
        if strength == Strength::Required && !self.unknown_sets.iter().any(|known| known == url) {
            self.unknown_sets.push(url.to_owned());
            let what = format!("the code was not checked: the codes of the required value set {url} are not known");
            self.issue(IssueSeverity::Information, IssueCode::NotFound, value, what);
        }
    }

    /// Makes an issue of a code that is not in its set.
    pub(super) fn judge(&mut self, value: Value<'d>, ty: crate::defs::TypeId, strength: Strength, fit: Fit, url: &str) {
        let severity = match (strength, fit) {
            (_, Fit::In) => return,
            (Strength::Required, Fit::Out) => IssueSeverity::Error,
            (Strength::Required, Fit::NoCode) if ty == self.known.codeable_concept && value.get("coding").is_some() => IssueSeverity::Error,
            (Strength::Extensible, Fit::Out) => IssueSeverity::Warning,
            (Strength::Preferred, Fit::Out) => IssueSeverity::Information,
            _ => return,
        };
        let strength = match strength {
            Strength::Required => "required",
            Strength::Extensible => "extensible",
            _ => "preferred",
        };
        self.issue(severity, IssueCode::CodeInvalid, value, format!("no code is in the {strength} value set {url}"));
    }
}
