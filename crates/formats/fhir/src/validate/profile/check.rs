//! A value against a profile's tree.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;

use super::tree::{Node, NodeType, Profile, ProfileRef, Rule};
use crate::{
    defs::{Strength, TypeId, TypeKind},
    json::{Kind, Value},
    validate::{Check, Focus, Issue, IssueCode, IssueSeverity, r4, xhtml::language_sections},
};

/// Profiles inside one another at one place: more is a profile that never ends.
const MOST_NESTED: usize = 24;

/// One value found in an instance.
#[derive(Clone, Copy)]
pub(super) struct Found<'d> {
    /// None for a primitive that has extensions only.
    pub(super) value: Option<Value<'d>>,
    pub(super) extension: Option<Value<'d>>,
    pub(super) ty: TypeId,
    name: &'d str,
    choice: Option<&'static str>,
    index: Option<usize>,
}

impl<'d> Found<'d> {
    /// A value by itself: what discriminators and whole resources start from.
    pub(super) fn bare(value: Value<'d>, ty: TypeId) -> Self {
        Self { value: Some(value), extension: None, ty, name: "", choice: None, index: None }
    }

    /// The value, or its `_name` sibling.
    pub(super) fn any(&self) -> Option<Value<'d>> {
        self.value.or(self.extension)
    }
}

/// The type of a value: the resource's own where the element says `Resource`.
fn actual(value: Value<'_>, ty: TypeId) -> TypeId {
    if ty.def().kind != TypeKind::Resource {
        return ty;
    }
    value.get("resourceType").and_then(|name| name.as_str()).and_then(|name| r4().resource_named(name)).map_or(ty, |def| def.id)
}

/// The values of the element of that FHIRPath name.
pub(super) fn select<'d>(parent: Value<'d>, ty: TypeId, name: &str) -> Vec<Found<'d>> {
    let mut out: Vec<Found<'d>> = Vec::new();
    let mut siblings = Vec::new();
    let def = ty.def();
    for (json_name, member) in parent.entries() {
        let (stem, sibling) = json_name.strip_prefix('_').map_or((json_name, false), |stem| (stem, true));
        if !stem.starts_with(name) {
            continue;
        }
        let Some((element, ty)) = def.element(stem).filter(|(element, _)| element.name == name) else { continue };
        let mut take = |value: Value<'d>, index| {
            if value.is_null() {
                return;
            }
            let found = Found {
                value: (!sibling).then_some(value),
                extension: sibling.then_some(value),
                ty: actual(value, ty),
                name: if element.choice { element.name } else { stem },
                choice: element.choice.then(|| ty.name()),
                index,
            };
            if sibling { siblings.push(found) } else { out.push(found) }
        };
        if member.kind() == Kind::Array {
            member.items().enumerate().for_each(|(index, item)| take(item, Some(index)));
        } else {
            take(member, None);
        }
    }
    if siblings.is_empty() {
        return out;
    }
    // A primitive and its sibling are one value.
    let places: HashMap<(Option<usize>, TypeId), usize> =
        out.iter().enumerate().map(|(place, found)| ((found.index, found.ty), place)).collect();
    for found in siblings {
        match places.get(&(found.index, found.ty)) {
            Some(&place) => out[place].extension = found.extension,
            None => out.push(found),
        }
    }
    out
}

impl<'d> Check<'_, 'd> {
    /// A value against a profile; issues stand where the walk is.
    pub(in crate::validate) fn profile(&mut self, value: Value<'d>, ty: TypeId, profile: &Arc<Profile>) {
        let key = (value.index(), Arc::as_ptr(profile) as usize);
        if self.nested.contains(&key) || self.nested.len() >= MOST_NESTED {
            return;
        }
        self.nested.push(key);
        let ty = actual(value, ty);
        if r4().subtype_of(ty, profile.ty) {
            let (resource, container) = (self.resource, self.container);
            if ty.def().kind == TypeKind::Resource {
                self.resource = value;
            }
            self.node(&profile.root, Found::bare(value, ty), &profile.url);
            (self.resource, self.container) = (resource, container);
        } else {
            self.error(IssueCode::Structure, value, format!("the profile {} is for {}", profile.url, profile.ty.name()));
        }
        self.nested.pop();
    }

    /// Runs a check aside: the issues it found, none kept.
    pub(super) fn aside(&mut self, run: impl FnOnce(&mut Self)) -> Vec<Issue> {
        let kept = std::mem::take(&mut self.out);
        let noted = (self.unknown_sets.len(), self.undecided.len());
        run(self);
        self.unknown_sets.truncate(noted.0);
        self.undecided.truncate(noted.1);
        std::mem::replace(&mut self.out, kept)
    }

    /// Whether a value conforms to a profile, without issues.
    pub(super) fn conforms(&mut self, value: Value<'d>, ty: TypeId, profile: &Arc<Profile>) -> bool {
        let key = (value.index(), Arc::as_ptr(profile) as usize);
        self.once(key, |check| check.profile(value, ty, profile))
    }

    /// Whether a check finds no error; what is known by its key is not asked again.
    fn once(&mut self, key: (u32, usize), run: impl FnOnce(&mut Self)) -> bool {
        if let Some(known) = self.conformed.get(&key) {
            return *known;
        }
        let conforms = self.aside(run).iter().all(|issue| issue.severity < IssueSeverity::Error);
        self.conformed.insert(key, conforms);
        conforms
    }

    pub(super) fn step_into(&mut self, found: &Found<'d>) {
        match found.choice {
            Some(ty) => self.path.push_choice(found.name, ty),
            None => self.path.push(found.name),
        }
        if let Some(index) = found.index {
            self.path.push_index(index);
        }
    }

    pub(super) fn step_out(&mut self, found: &Found<'d>) {
        if found.index.is_some() {
            self.path.pop();
        }
        self.path.pop();
    }

    /// One value against what a node says of it, and all below.
    pub(super) fn node(&mut self, node: &Node, found: Found<'d>, url: &str) {
        let Some(at) = found.any() else { return };
        self.constraints(node, found, at, url);
        if let Some(value) = found.value
            && value.kind() == Kind::Object
        {
            for child in &node.children {
                let values = select(value, found.ty, &child.name);
                self.group(child, &values, value, url);
            }
        } else if let Some(extension) = found.extension {
            for child in node.children.iter().filter(|child| child.name == "extension" || child.name == "id") {
                let values = select(extension, found.ty, &child.name);
                self.group(child, &values, extension, url);
            }
        } else if found.value.is_some() {
            for child in node.children.iter().filter(|child| child.name == "extension" && child.min.unwrap_or(0) > 0) {
                self.group(child, &[], at, url);
            }
        }
    }

    /// All values of one element: how many, which slice each belongs to, and each by itself.
    fn group(&mut self, node: &Node, values: &[Found<'d>], parent: Value<'d>, url: &str) {
        self.count(node, values.len(), parent, url);
        for found in values {
            self.step_into(found);
            self.node(node, *found, url);
            self.step_out(found);
        }
        if !node.slices.is_empty() {
            self.slices(node, values, parent, url);
        }
    }

    pub(super) fn count(&mut self, node: &Node, count: usize, at: Value<'d>, url: &str) {
        let name = if node.slice.is_empty() { node.name.clone() } else { format!("{}:{}", node.name, node.slice) };
        if node.min.is_some_and(|min| count < min as usize) {
            let min = node.min.unwrap_or(0);
            self.error(IssueCode::Required, at, format!("'{name}' must be there at least {min} times, found {count} ({url})"));
        }
        if node.max.is_some_and(|max| max != u32::MAX && count > max as usize) {
            let max = node.max.unwrap_or(0);
            self.error(IssueCode::Structure, at, format!("'{name}' may be there at most {max} times, found {count} ({url})"));
        }
    }

    fn constraints(&mut self, node: &Node, found: Found<'d>, at: Value<'d>, url: &str) {
        if !node.types.is_empty() {
            self.types(node, found, at, url);
        }
        if let Some(value) = found.value {
            if node.fixed.as_ref().is_some_and(|fixed| !same(value, fixed, true)) {
                self.error(IssueCode::Value, at, format!("the value is not the fixed one ({url})"));
            }
            if node.pattern.as_ref().is_some_and(|pattern| !same(value, pattern, false)) {
                self.error(IssueCode::Value, at, format!("the value does not fit the pattern ({url})"));
            }
            self.bounds(node, value, url);
            if !node.languages.is_empty() {
                self.narrative_languages(node, value, url);
            }
            if let Some((strength, set)) = &node.binding
                && *strength != Strength::Example
            {
                self.local_binding(value, found.ty, *strength, set);
            }
        }
        if found.value.is_none() {
            self.without_value(node, at, url);
        }
        for rule in &node.rules {
            let Some(engine) = self.validator.engine.as_ref() else { break };
            let focus = Focus {
                value: at,
                extension: found.extension,
                ty: found.ty,
                resource: self.resource,
                root: self.container,
                profiles: &self.validator.profiles,
                steps: &self.steps,
            };
            let kept = engine.holds(&rule.expression, focus);
            self.note_cost(at);
            match kept {
                Some(false) => {
                    let severity = if rule.warning { IssueSeverity::Warning } else { IssueSeverity::Error };
                    self.issue(severity, IssueCode::Invariant, at, format!("the rule {} is broken ({url})", rule.key));
                }
                // What has no steps left is said once for all rules.
                None if !self.too_costly => self.undecided(rule, at, url),
                _ => {}
            }
        }
    }

    /// Says once for each rule and resource that it was not checked.
    fn undecided(&mut self, rule: &Rule, at: Value<'d>, url: &str) {
        if self.undecided.iter().any(|(known, key)| known == url && *key == rule.key) {
            return;
        }
        self.undecided.push((url.to_owned(), rule.key.clone()));
        let severity = if rule.warning { IssueSeverity::Information } else { IssueSeverity::Warning };
        self.issue(
            severity,
            IssueCode::Invariant,
            at,
            format!("the rule {} could not be evaluated, so it was not checked ({url})", rule.key),
        );
    }

    /// A primitive that has extensions only.
    fn without_value(&mut self, node: &Node, at: Value<'d>, url: &str) {
        if node.must_have_value {
            self.error(IssueCode::Required, at, format!("there must be a value, extensions are not enough ({url})"));
        }
        let has = |wanted: &String| {
            let extensions = at.get("extension").into_iter().flat_map(|list| list.items());
            extensions.filter_map(|one| one.get("url")?.as_str()).any(|known| known == wanted.split('|').next().unwrap_or(wanted))
        };
        if !node.value_alternatives.is_empty() && !node.value_alternatives.iter().any(has) {
            self.error(IssueCode::Required, at, format!("without a value there must be one of the profile's extensions instead ({url})"));
        }
    }

    /// The languages of a narrative's sections: `_no` wants none, `_yes` some, `_resource` that of the resource, others that language.
    fn narrative_languages(&mut self, node: &Node, narrative: Value<'d>, url: &str) {
        let Some(div) = narrative.get("div").and_then(|div| div.as_str()) else { return };
        let sections = language_sections(div);
        let wants_none = node.languages.iter().any(|wanted| wanted == "_no");
        for wanted in &node.languages {
            let fits = match wanted.as_str() {
                "_no" => sections.is_empty(),
                "_yes" => !sections.is_empty(),
                "_resource" => {
                    let own = self.resource.get("language").and_then(|language| language.as_str());
                    own.is_none_or(|own| sections.contains(&own))
                }
                language => sections.contains(&language),
            };
            if !fits {
                let what = if wants_none { "has sections by language" } else { "lacks a section in a language that is wanted" };
                self.error(IssueCode::BusinessRule, narrative, format!("the narrative {what} ({url})"));
            }
        }
    }

    fn bounds(&mut self, node: &Node, value: Value<'d>, url: &str) {
        let text = value.as_str().or_else(|| value.as_number());
        if let Some(text) = text {
            let length = text.chars().count() as u64;
            if node.max_length.is_some_and(|most| length > most) {
                self.error(IssueCode::Value, value, format!("the text is longer than the profile allows ({url})"));
            }
            if node.min_length.is_some_and(|least| length < least) {
                self.error(IssueCode::Value, value, format!("the text is shorter than the profile allows ({url})"));
            }
        }
        for (bound, below) in [(&node.min_value, true), (&node.max_value, false)] {
            if let Some(bound) = bound
                && let Some(order) = compare(value, bound)
                && order == if below { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
            {
                self.error(IssueCode::Value, value, format!("the value is out of the profile's bounds ({url})"));
            }
        }
    }

    /// A binding to a set of a loaded package or of the specification.
    fn local_binding(&mut self, value: Value<'d>, ty: TypeId, strength: Strength, url: &str) {
        let fit = match self.validator.profiles.value_set(url) {
            Some(set) => self.fit(value, ty, set.as_ref()),
            None => match r4().value_set(url) {
                Some(set) => self.fit(value, ty, set),
                None => return self.unknown_set(value, strength, url),
            },
        };
        if strength == Strength::Required || self.validator.options.open_bindings {
            self.judge(value, ty, strength, fit, url);
        }
    }

    /// The types a profile leaves, their profiles, and the targets of references.
    fn types(&mut self, node: &Node, found: Found<'d>, at: Value<'d>, url: &str) {
        let known: Vec<&NodeType> = node.types.iter().filter(|one| type_fits(found.ty, &one.code)).collect();
        if known.is_empty() {
            return self.error(
                IssueCode::Structure,
                at,
                format!("the type {} is not one that the profile allows ({url})", found.ty.name()),
            );
        }
        let profiles: Vec<&ProfileRef> = known.iter().flat_map(|one| &one.profiles).collect();
        let loaded: Vec<(Arc<Profile>, Option<&str>)> = profiles
            .iter()
            .filter_map(|one| Some((self.validator.profiles.profile(&one.url)?, one.element.as_deref())))
            // A profile of something larger means one of its elements here: without its id it cannot be followed.
            .filter(|(profile, element)| {
                element.is_some() || found.ty.def().kind == TypeKind::Resource || r4().subtype_of(found.ty, profile.ty)
            })
            .collect();
        if !loaded.is_empty()
            && loaded.len() == profiles.len()
            && let Some(value) = found.any()
        {
            if let [(only, element)] = loaded.as_slice() {
                self.whole_or_element(value, found, only, *element);
            } else if !loaded.iter().any(|(one, element)| self.conforms_to(value, found, one, *element)) {
                self.error(IssueCode::Structure, at, format!("the value conforms to none of the profiles it may have ({url})"));
            }
        }
        let targets: Vec<&String> = known.iter().filter(|one| one.code == "Reference").flat_map(|one| &one.targets).collect();
        if !targets.is_empty()
            && let Some(reference) = found.value
        {
            self.targets(reference, &targets, url);
        }
        let aggregation: Vec<&str> = known.iter().flat_map(|one| &one.aggregation).map(String::as_str).collect();
        if !aggregation.is_empty()
            && let Some(text) = found.value.and_then(|reference| reference.get("reference")?.as_str())
        {
            self.aggregation(at, text, &aggregation, url);
        }
    }

    /// A value against a profile, or against one element of it.
    fn whole_or_element(&mut self, value: Value<'d>, found: Found<'d>, profile: &Arc<Profile>, element: Option<&str>) {
        let Some(id) = element else { return self.profile(value, found.ty, profile) };
        let Some(node) = profile.root.at(id) else { return };
        let key = (value.index(), std::ptr::from_ref(node) as usize);
        if self.nested.contains(&key) || self.nested.len() >= MOST_NESTED {
            return;
        }
        self.nested.push(key);
        self.node(node, found, &profile.url);
        self.nested.pop();
    }

    fn conforms_to(&mut self, value: Value<'d>, found: Found<'d>, profile: &Arc<Profile>, element: Option<&str>) -> bool {
        let node = element.and_then(|id| profile.root.at(id)).unwrap_or(&profile.root);
        let key = (value.index(), std::ptr::from_ref(node) as usize);
        self.once(key, |check| check.whole_or_element(value, found, profile, element))
    }

    /// Whether the target of a reference is at hand in a way that the profile allows.
    fn aggregation(&mut self, at: Value<'d>, reference: &str, allowed: &[&str], url: &str) {
        let how = if reference.starts_with('#') {
            "contained"
        } else if self.resolve(reference).is_some() {
            "bundled"
        } else {
            "referenced"
        };
        // A resource of the Bundle is referred to as well.
        let fits = allowed.contains(&how) || (how == "bundled" && allowed.contains(&"referenced"));
        if !fits {
            let what = format!("the profile wants the resource referred to to be {}, it is {how} ({url})", allowed.join(" or "));
            self.error(IssueCode::Structure, at, what);
        }
    }

    fn targets(&mut self, reference: Value<'d>, targets: &[&String], url: &str) {
        let Some(text) = reference.get("reference").and_then(|text| text.as_str()) else { return };
        let resource = self.resolve(text);
        let said = resource
            .and_then(|resource| resource.get("resourceType")?.as_str())
            .or_else(|| crate::validate::reference::type_and_id(text).map(|(name, _)| name));
        let Some(name) = said.filter(|name| r4().resource_named(name).is_some()) else { return };
        let Some(ty) = r4().type_named(name) else { return };
        let mut open = false;
        let mut fitting = Vec::new();
        for target in targets {
            if let Some(core) = super::core_type(target) {
                open |= core == "Resource" || core == name;
            } else if let Some(profile) = self.validator.profiles.profile(target) {
                if r4().subtype_of(ty, profile.ty) {
                    fitting.push(profile);
                }
            } else {
                open = true;
            }
        }
        if open {
            return;
        }
        if fitting.is_empty() {
            let severity = if resource.is_some() { IssueSeverity::Error } else { self.validator.options.unresolved_types };
            let what = format!("the reference points at a type that the profile does not allow ({url})");
            return self.issue(severity, IssueCode::Structure, reference, what);
        }
        let Some(resource) = resource else { return };
        // A resource of a Bundle has contained resources of its own.
        let container = self.container;
        if !text.starts_with('#') {
            self.container = resource;
        }
        let conforms = fitting.iter().any(|profile| self.conforms(resource, ty, profile));
        self.container = container;
        if !conforms {
            self.error(
                IssueCode::Structure,
                reference,
                format!("the resource referred to conforms to none of the profiles it may have ({url})"),
            );
        }
    }
}

/// Whether a type is the one a profile's code names, or a special case of it.
pub(super) fn type_fits(ty: TypeId, code: &str) -> bool {
    if code.starts_with("http://hl7.org/fhirpath/") {
        return true;
    }
    r4().type_named(code).is_none_or(|wanted| r4().subtype_of(ty, wanted))
        || (ty.def().kind == TypeKind::Backbone && matches!(code, "BackboneElement" | "Element"))
}

/// Whether a value is the expected one: wholly, or at least with all that the pattern has.
pub(in crate::validate) fn same(value: Value<'_>, expected: &Json, whole: bool) -> bool {
    match expected {
        Json::Null => value.is_null(),
        Json::Bool(flag) => value.as_bool() == Some(*flag),
        Json::String(text) => value.as_str() == Some(text),
        Json::Number(number) => {
            let digits = value.as_number().unwrap_or("");
            digits == number.to_string() || (digits.parse::<f64>().ok().is_some_and(|have| number.as_f64() == Some(have)))
        }
        Json::Array(items) => {
            if whole {
                return value.len() == items.len() && value.items().zip(items).all(|(have, expected)| same(have, expected, true));
            }
            items.iter().all(|expected| value.items().any(|have| same(have, expected, false)))
        }
        Json::Object(members) => {
            (!whole || value.len() == members.len())
                && value.kind() == Kind::Object
                && members.iter().all(|(name, expected)| value.get(name).is_some_and(|have| same(have, expected, whole)))
        }
    }
}

/// How a value stands to a bound: numbers, quantities of one unit, dates.
pub(in crate::validate) fn compare(value: Value<'_>, bound: &Json) -> Option<std::cmp::Ordering> {
    let number = |value: Value<'_>| value.as_number()?.parse::<f64>().ok();
    if let Some(bound) = bound.as_f64() {
        return number(value)?.partial_cmp(&bound);
    }
    if let Some(bound) = bound.as_str() {
        let text = value.as_str()?;
        let common = text.len().min(bound.len());
        return Some(text.get(..common)?.cmp(bound.get(..common)?));
    }
    let (have, limit) = (number(value.get("value")?)?, bound["value"].as_f64()?);
    // Without a conversion of units only zero and the same unit can be compared.
    let same_unit = value.get("code").and_then(|code| code.as_str()) == bound["code"].as_str();
    (same_unit || limit == 0.0).then(|| have.partial_cmp(&limit)).flatten()
}
