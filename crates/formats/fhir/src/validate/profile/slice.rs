//! Slices: which one a value belongs to, and what each may have.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    Profile, ProfileStore,
    check::{Found, same, select, type_fits},
    tree::{Discriminator, Node, ProfileRef, Slicing},
};
use crate::{
    defs::Strength,
    json::Value,
    validate::{Check, IssueCode, codes::Fit, r4},
};

/// What a slice expects at the end of a discriminator's path.
#[derive(Default)]
struct Expected {
    fixed: Vec<(Json, bool)>,
    bindings: Vec<String>,
    types: Vec<String>,
    profiles: Vec<String>,
    min: Option<u32>,
    max: Option<u32>,
}

impl Expected {
    /// Whether a discriminator of that kind can tell by it which values belong to the slice.
    fn tells(&self, kind: Discriminator) -> bool {
        match kind {
            Discriminator::Exists => self.max == Some(0) || self.min.unwrap_or(0) > 0,
            Discriminator::Type => !self.types.is_empty(),
            Discriminator::Profile => !self.types.is_empty() || !self.profiles.is_empty(),
            Discriminator::Value => !self.fixed.is_empty() || !self.bindings.is_empty() || self.min.unwrap_or(0) > 0,
        }
    }
}

/// Elements inside one another are looked at so deep.
const DEEPEST: usize = 64;

impl<'d> Check<'_, 'd> {
    /// The slices of an element.
    pub(super) fn slices(&mut self, node: &Node, values: &[Found<'d>], parent: Value<'d>, url: &str) {
        let implied = Slicing { discriminators: vec![(Discriminator::Value, "url".to_owned())], ..Slicing::default() };
        let slicing = match &node.slicing {
            Some(slicing) => slicing,
            None if matches!(node.name.as_str(), "extension" | "modifierExtension") => &implied,
            None => return,
        };
        let mut members: Vec<Vec<Found<'d>>> = vec![Vec::new(); node.slices.len()];
        let mut last = 0;
        for found in values {
            let place = node.slices.iter().position(|slice| {
                !slice.slice.contains('/') && slicing.discriminators.iter().all(|(kind, path)| self.matches(slice, *kind, path, found))
            });
            match place {
                Some(place) => {
                    if slicing.ordered && place < last {
                        self.error(IssueCode::Structure, parent, format!("the slices of '{}' are out of order ({url})", node.name));
                    }
                    last = place;
                    members[place].push(*found);
                }
                None if slicing.closed => {
                    let at = found.any().unwrap_or(parent);
                    self.error(IssueCode::Structure, at, format!("a value of '{}' belongs to no slice of the profile ({url})", node.name));
                }
                None => {}
            }
        }
        if slicing.discriminators.is_empty() {
            return;
        }
        for (slice, members) in node.slices.iter().zip(members) {
            if slice.slice.contains('/') {
                continue;
            }
            self.count(slice, members.len(), parent, url);
            for found in members {
                self.slice_member(slice, found, url);
            }
        }
    }

    fn slice_member(&mut self, slice: &Node, found: Found<'d>, url: &str) {
        self.step_into(&found);
        self.node(slice, found, url);
        self.step_out(&found);
    }

    /// Whether a value is what one discriminator of a slice says.
    fn matches(&mut self, slice: &Node, kind: Discriminator, path: &str, found: &Found<'d>) -> bool {
        let steps = split(path);
        let mut values = vec![*found];
        for step in &steps {
            values = values.into_iter().flat_map(|one| self.descend(one, step)).collect();
        }
        let mut expected = Expected::default();
        expect(&self.validator.profiles, slice, None, &steps, &mut expected, 0);
        match kind {
            Discriminator::Exists => {
                if expected.max == Some(0) {
                    return values.is_empty();
                }
                expected.min.unwrap_or(0) == 0 || !values.is_empty()
            }
            Discriminator::Type => {
                expected.types.is_empty()
                    || values.iter().any(|one| expected.types.iter().any(|code| one.ty.name() == code || type_fits(one.ty, code)))
            }
            Discriminator::Profile => {
                let profiles: Vec<Arc<Profile>> = expected.profiles.iter().filter_map(|url| self.validator.profiles.profile(url)).collect();
                if profiles.is_empty() {
                    return expected.types.is_empty() || values.iter().any(|one| expected.types.iter().any(|code| type_fits(one.ty, code)));
                }
                values.iter().any(|one| one.value.is_some_and(|value| profiles.iter().any(|profile| self.conforms(value, one.ty, profile))))
            }
            Discriminator::Value => {
                if !expected.fixed.is_empty() {
                    return values
                        .iter()
                        .filter_map(|one| one.value)
                        .any(|value| expected.fixed.iter().all(|(json, whole)| same(value, json, *whole)));
                }
                if !expected.bindings.is_empty() {
                    return values
                        .iter()
                        .any(|one| one.value.is_some_and(|value| expected.bindings.iter().all(|url| self.in_set(value, one.ty, url))));
                }
                expected.min.unwrap_or(0) == 0 || !values.is_empty()
            }
        }
    }

    fn in_set(&self, value: Value<'d>, ty: crate::defs::TypeId, url: &str) -> bool {
        match self.validator.profiles.value_set(url) {
            Some(set) => self.fit(value, ty, set.as_ref()) == Fit::In,
            None => r4().value_set(url).is_none_or(|set| self.fit(value, ty, set) == Fit::In),
        }
    }

    /// One step of a discriminator's path in the instance.
    fn descend(&self, found: Found<'d>, step: &str) -> Vec<Found<'d>> {
        let Some(value) = found.any() else { return Vec::new() };
        if step == "resolve()" {
            let resource = value.get("reference").and_then(|text| text.as_str()).and_then(|text| self.resolve(text));
            let ty =
                |resource: Value<'d>| resource.get("resourceType")?.as_str().and_then(|name| r4().resource_named(name)).map(|def| def.id);
            // A resource that is not here is known by the type its reference says.
            return match resource {
                Some(resource) => ty(resource).map(|ty| Found::bare(resource, ty)).into_iter().collect(),
                None => value
                    .get("reference")
                    .and_then(|text| text.as_str())
                    .and_then(crate::validate::reference::type_and_id)
                    .and_then(|(name, _)| r4().type_named(name))
                    .map(|ty| Found::bare(value, ty))
                    .into_iter()
                    .collect(),
            };
        }
        if let Some(code) = step.strip_prefix("ofType(").and_then(|rest| rest.strip_suffix(')')) {
            return if type_fits(found.ty, code) { vec![found] } else { Vec::new() };
        }
        if let Some(url) = extension_url(step) {
            let all = select(value, found.ty, "extension");
            return all.into_iter().filter(|one| one.value.and_then(|value| value.get("url")?.as_str()) == Some(url)).collect();
        }
        select(value, found.ty, step)
    }
}

/// What a slice's tree says at the end of a path; type profiles are followed.
fn expect(store: &ProfileStore, node: &Node, json: Option<(&Json, bool)>, steps: &[&str], out: &mut Expected, depth: usize) {
    if depth > 12 {
        return;
    }
    let mut jsons: Vec<(&Json, bool)> = json.into_iter().collect();
    jsons.extend(node.fixed.as_ref().map(|fixed| (fixed, true)));
    jsons.extend(node.pattern.as_ref().map(|pattern| (pattern, false)));
    let Some((step, rest)) = steps.split_first() else {
        out.fixed.extend(jsons.into_iter().map(|(json, whole)| (json.clone(), whole)));
        if let Some((Strength::Required, url)) = &node.binding {
            out.bindings.push(url.clone());
        }
        out.types.extend(node.types.iter().map(|one| one.code.clone()));
        out.profiles.extend(node.types.iter().flat_map(|one| &one.profiles).filter(|one| one.element.is_none()).map(|one| one.url.clone()));
        out.min = out.min.max(node.min);
        out.max = match (out.max, node.max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        expect_of_profiles(store, node, steps, out, depth);
        return;
    };
    // The url of an extension slice is that of its profile.
    if *step == "url" {
        let urls: Vec<&ProfileRef> = node.types.iter().filter(|one| one.code == "Extension").flat_map(|one| &one.profiles).collect();
        if let [only] = urls.as_slice() {
            out.fixed.push((Json::String(only.url.split('|').next().unwrap_or(&only.url).to_owned()), true));
            return;
        }
    }
    if *step == "resolve()" {
        for target in node.types.iter().flat_map(|one| &one.targets) {
            match super::core_type(target) {
                Some(core) => out.types.push(core.to_owned()),
                None => match store.profile(target) {
                    Some(profile) if rest.is_empty() => {
                        out.types.push(profile.ty.name().to_owned());
                        out.profiles.push(target.clone());
                    }
                    Some(profile) => expect(store, &profile.root, None, rest, out, depth + 1),
                    None => {}
                },
            }
        }
        return;
    }
    if step.starts_with("ofType(") {
        return expect(store, node, json, rest, out, depth + 1);
    }
    if let Some(url) = extension_url(step) {
        if let Some(extensions) = node.child("extension") {
            for slice in &extensions.slices {
                let is = slice.types.iter().flat_map(|one| &one.profiles).any(|profile| profile.url == url)
                    || slice.child("url").and_then(|child| child.fixed.as_ref()).and_then(Json::as_str) == Some(url);
                if is {
                    expect(store, slice, None, rest, out, depth + 1);
                }
            }
        }
        return;
    }
    let below: Vec<(&Json, bool)> = jsons.iter().filter_map(|(json, whole)| inner(json, step).map(|json| (json, *whole))).collect();
    match node.child(step) {
        Some(child) => {
            for (json, whole) in &below {
                expect(store, &Node::default(), Some((json, *whole)), rest, out, depth + 1);
            }
            expect(store, child, None, rest, out, depth + 1);
            for slice in child.slices.iter().filter(|slice| slice.min.unwrap_or(0) > 0) {
                expect(store, slice, None, rest, out, depth + 1);
            }
        }
        None => {
            for (json, whole) in &below {
                expect(store, &Node::default(), Some((json, *whole)), rest, out, depth + 1);
            }
            expect_of_profiles(store, node, steps, out, depth);
        }
    }
}

/// What the profiles of a slice's types say at the end of a path: the whole profile, or the element of it that is meant.
fn expect_of_profiles(store: &ProfileStore, node: &Node, steps: &[&str], out: &mut Expected, depth: usize) {
    for one in node.types.iter().flat_map(|one| &one.profiles) {
        let Some(profile) = store.profile(&one.url) else { continue };
        let Some(start) = one.element.as_deref().map_or(Some(&profile.root), |id| profile.root.at(id)) else { continue };
        expect(store, start, None, steps, out, depth + 1);
    }
}

/// The slices of a profile that nothing tells from other values, each with the path of its discriminator: every value is taken for them.
pub(super) fn untold(store: &ProfileStore, root: &Node) -> Vec<(String, String)> {
    let mut out = Vec::new();
    untold_below(store, root, &root.name, &mut out, 0);
    out
}

fn untold_below(store: &ProfileStore, node: &Node, place: &str, out: &mut Vec<(String, String)>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    for slice in &node.slices {
        let place = format!("{place}:{}", slice.slice);
        for (kind, path) in node.slicing.iter().flat_map(|slicing| &slicing.discriminators).filter(|_| !slice.slice.contains('/')) {
            let mut expected = Expected::default();
            expect(store, slice, None, &split(path), &mut expected, 0);
            if !expected.tells(*kind) {
                out.push((place.clone(), path.clone()));
            }
        }
        untold_below(store, slice, &place, out, depth + 1);
    }
    for child in &node.children {
        untold_below(store, child, &format!("{place}.{}", child.name), out, depth + 1);
    }
}

/// The member of a pattern; the first one of a list.
fn inner<'j>(json: &'j Json, name: &str) -> Option<&'j Json> {
    let json = json.as_array().and_then(|list| list.first()).unwrap_or(json);
    let found = match json.get(name) {
        Some(found) => found,
        None => {
            json.as_object()?.iter().find(|(key, _)| key.strip_prefix(name).is_some_and(|rest| rest.starts_with(char::is_uppercase)))?.1
        }
    };
    Some(found.as_array().and_then(|list| list.first()).unwrap_or(found))
}

fn extension_url(step: &str) -> Option<&str> {
    let inside = step.strip_prefix("extension(")?.strip_suffix(')')?;
    Some(inside.trim_matches(['\'', '"']))
}

/// The steps of a discriminator's path; dots in texts and brackets are no step.
pub(super) fn split(path: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut from, mut depth) = (0, 0_usize);
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => {
                out.push(&path[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&path[from..]);
    out.retain(|step| !step.is_empty() && *step != "$this");
    out
}
