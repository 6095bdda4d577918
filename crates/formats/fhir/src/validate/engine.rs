//! Invariants by FHIRPath.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use super::{Check, Focus, InvariantEngine, IssueSeverity, Validator, reference::BundleScope};
use crate::{
    defs::TypeKind,
    fhirpath::{Context, CostLimits, Expression, Item, Node, Profiles, Terminology},
    json::{Kind, Value},
    validate::{codes::Codes, profile::ProfileStore, r4},
};

/// Evaluates invariants with [`crate::fhirpath`]: each expression is compiled once and kept.
#[derive(Default)]
pub struct PathEngine {
    compiled: RwLock<HashMap<Box<str>, Option<Arc<Expression>>>>,
}

/// An invariant that needs more steps than this is not decided.
const MOST_STEPS: u64 = 200_000;

impl PathEngine {
    fn compiled(&self, text: &str) -> Option<Arc<Expression>> {
        if let Ok(known) = self.compiled.read()
            && let Some(found) = known.get(text)
        {
            return found.clone();
        }
        let made = Expression::parse(text).ok().map(Arc::new);
        if let Ok(mut known) = self.compiled.write() {
            known.insert(text.into(), made.clone());
        }
        made
    }
}

impl InvariantEngine for PathEngine {
    fn holds(&self, expression: &str, focus: Focus<'_>) -> Option<bool> {
        let compiled = self.compiled(expression)?;
        let left = focus.steps.get();
        if left == 0 {
            return None;
        }
        let terminology = Loaded(focus.profiles);
        let mut context = Context::new()
            .resource(Item::resource(focus.resource))
            .root_resource(Item::resource(focus.root))
            .terminology(&terminology)
            .limits(CostLimits { steps: MOST_STEPS.min(left), ..CostLimits::default() });
        // A rule must be true: empty breaks it, as in the reference validator.
        let truth = compiled.evaluate_boolean(Item::element(focus.value, focus.extension, focus.ty), &mut context);
        focus.steps.set(left.saturating_sub(context.steps_used()));
        truth.ok().map(|truth| truth == Some(true))
    }
}

/// Value sets of loaded packages, then of the specification.
struct Loaded<'p>(&'p ProfileStore);

impl Terminology for Loaded<'_> {
    fn member_of(&self, value_set: &str, system: &str, code: &str) -> Option<bool> {
        let system = Some(system).filter(|system| !system.is_empty());
        match self.0.value_set(value_set) {
            Some(set) => Some(set.has(system, code)),
            None => r4().value_set(value_set).map(|set| set.has(system, code)),
        }
    }
}

/// `memberOf()` by the value sets of loaded packages, then of the specification.
impl Terminology for Validator {
    fn member_of(&self, value_set: &str, system: &str, code: &str) -> Option<bool> {
        Loaded(&self.profiles).member_of(value_set, system, code)
    }
}

/// `conformsTo()` by the loaded profiles: true if neither the type's definition nor the profile finds an error.
impl Profiles for Validator {
    fn conforms_to(&self, node: &Item<'_>, profile: &str) -> Option<bool> {
        let profile = self.profiles.profile(profile)?;
        let Item::Node(Node { value: Some(value), ty, .. }) = node else { return Some(false) };
        let (value, ty) = (*value, *ty);
        let root = value.document().root();
        let in_bundle = is_bundle(root);
        let mut check = Check::new(self, root);
        if value.index() == root.index() {
            check.resource(value, None);
        } else if value.kind() == Kind::Object {
            if ty.def().kind == TypeKind::Resource {
                check.resource = value;
                check.container = if in_bundle { value } else { root };
            }
            check.object(value, ty.def());
        }
        if in_bundle {
            check.bundles.push(BundleScope::new(root));
        }
        check.profile(value, ty, &profile);
        Some(!check.out.iter().any(|issue| issue.severity >= IssueSeverity::Error))
    }
}

fn is_bundle(root: Value<'_>) -> bool {
    root.get("resourceType").and_then(|name| name.as_str()).is_some_and(BundleScope::is_of)
}

impl std::fmt::Debug for PathEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PathEngine")
    }
}
