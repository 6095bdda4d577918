//! The functions that FHIR and SQL on FHIR add to FHIRPath.

use std::borrow::Cow;

use smallvec::smallvec;

use super::{
    Collection, Function, Item, Node, PathError, Tree,
    ast::Literal,
    eval::{Call, Evaluator},
    navigate,
    operators::{single, text},
    types,
};
use crate::{
    defs,
    json::{Kind, Value},
};

fn flag<'d>(value: bool) -> Collection<'d> {
    smallvec![Item::Boolean(value)]
}

impl<'d> Evaluator<'_, 'd> {
    /// The functions of this file.
    pub(crate) fn fhir_function(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        match call.function {
            Function::Extension => {
                let Some(url) = text(&self.argument(call.arguments, 0, call.frame)?, name)? else { return Ok(Collection::new()) };
                self.extensions(&call.input, &url)
            }
            Function::HasValue => Ok(flag(matches!(&*call.input, [item] if has_value(item)))),
            Function::GetValue => {
                let Some(item) = single(&call.input, name)? else { return Ok(Collection::new()) };
                let value = if has_value(item) { Some(item.atom().into_owned()) } else { None };
                Ok(value.into_iter().collect())
            }
            Function::Resolve => {
                let mut found = Collection::new();
                for item in &call.input {
                    if let Some(reference) = reference_of(item) {
                        self.tick(1)?;
                        found.extend(self.resolve(reference)?);
                    }
                }
                Ok(found)
            }
            Function::CheckModifiers => self.check_modifiers(call),
            Function::HtmlChecks => Ok(match single(&call.input, name)? {
                Some(item) => item.to_text().map(|text| flag(html_is_allowed(&text))).unwrap_or_default(),
                None => Collection::new(),
            }),
            Function::MemberOf => self.member_of(call),
            Function::ConformsTo => self.conforms_to(call),
            Function::Subsumes | Function::SubsumedBy => self.subsumes(call),
            Function::GetResourceKey => {
                let mut keys = Collection::new();
                for item in &call.input {
                    if let Item::Node(Node { value: Some(value), ty, .. }) = item
                        && types::is_resource(*ty)
                        && let Some(id) = value.get("id").and_then(|id| id.as_str())
                    {
                        keys.push(Item::String(Cow::Borrowed(id)));
                    }
                }
                Ok(keys)
            }
            Function::GetReferenceKey => {
                let wanted = call.arguments.first().and_then(type_argument);
                let keys = call.input.iter().filter_map(|item| reference_key(reference_of(item)?, || type_stated(item), wanted));
                Ok(keys.map(|key| Item::String(Cow::Borrowed(key))).collect())
            }
            _ => Err(PathError::Unavailable(name)),
        }
    }

    fn extensions(&mut self, input: &[Item<'d>], url: &str) -> Result<Collection<'d>, PathError> {
        let mut all = Collection::new();
        for item in input {
            if let Item::Node(node) = item {
                navigate::member(*node, "extension", false, &mut all)?;
                self.tick(1 + all.len())?;
            }
        }
        let is_wanted = |item: &Item<'d>| {
            let Item::Node(Node { value: Some(value), .. }) = item else { return false };
            value.get("url").and_then(|found| found.as_str()) == Some(url)
        };
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    /// Contained resources, entries of a surrounding Bundle, then the context's resolver. What nobody knows is left out.
    fn resolve(&mut self, reference: &str) -> Result<Option<Item<'d>>, PathError> {
        let root = match self.root_item() {
            Some(Item::Node(Node { value: Some(root), .. })) => Some(*root),
            _ => None,
        };
        if let Some(root) = root {
            if let Some(id) = reference.strip_prefix('#') {
                if id.is_empty() {
                    return Ok(Some(Item::resource(root)));
                }
                let contained = root.get("contained").into_iter().flat_map(|all| all.items());
                for resource in contained {
                    self.tick(1)?;
                    if resource.get("id").and_then(|found| found.as_str()) == Some(id) {
                        return Ok(Some(Item::resource(resource)));
                    }
                }
                return Ok(None);
            }
            for entry in root.get("entry").into_iter().flat_map(|all| all.items()) {
                self.tick(1)?;
                let Some(resource) = entry.get("resource") else { continue };
                let full_url = entry.get("fullUrl").and_then(|url| url.as_str());
                if full_url == Some(reference) || is_resource_of(resource, reference) {
                    return Ok(Some(Item::resource(resource)));
                }
            }
        }
        if let Some(resolver) = self.context.resolver {
            return Ok(resolver.resolve(reference));
        }
        Ok(None)
    }

    /// True if no modifier extension has a URL other than those given.
    fn check_modifiers(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let mut known = Vec::new();
        for argument in call.arguments {
            known.extend(text(&self.scoped(argument, call.frame)?, "checkModifiers")?);
        }
        let mut modifiers = Collection::new();
        for item in &call.input {
            if let Item::Node(node) = item {
                navigate::member(*node, "modifierExtension", false, &mut modifiers)?;
            }
        }
        self.tick(modifiers.len())?;
        let all_known = modifiers.iter().all(|modifier| {
            let Item::Node(Node { value: Some(value), .. }) = modifier else { return false };
            value.get("url").and_then(|url| url.as_str()).is_some_and(|url| known.iter().any(|known| known == url))
        });
        Ok(flag(all_known))
    }

    /// A code, Coding or CodeableConcept against a value set; unknown value sets are empty.
    fn member_of(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let Some(set) = text(&self.argument(call.arguments, 0, call.frame)?, "memberOf")? else { return Ok(Collection::new()) };
        let Some(item) = single(&call.input, "memberOf")? else { return Ok(Collection::new()) };
        let mut answer = None;
        for (system, code) in codings(item) {
            self.tick(1)?;
            let one = match self.context.terminology {
                Some(terminology) => terminology.member_of(&set, system, &code),
                None => types::member_of(&set, system, &code),
            };
            if one.is_some() {
                answer = Some(answer.unwrap_or(false) || one == Some(true));
            }
        }
        Ok(answer.map(Item::Boolean).into_iter().collect())
    }

    fn subsumes(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        let Some(terminology) = self.context.terminology else { return Err(PathError::Unavailable(name)) };
        let other = self.argument(call.arguments, 0, call.frame)?;
        let (Some(this), Some(other)) = (single(&call.input, name)?, single(&other, name)?) else { return Ok(Collection::new()) };
        let mut answer = None;
        for (system, code) in codings(this) {
            for (other_system, other_code) in codings(other).into_iter().filter(|(other_system, _)| *other_system == system) {
                let (ancestor, descendant) = if call.function == Function::Subsumes { (&code, &other_code) } else { (&other_code, &code) };
                if let Some(one) = terminology.subsumes(other_system, ancestor, descendant) {
                    answer = Some(answer.unwrap_or(false) || one);
                }
            }
        }
        Ok(answer.map(Item::Boolean).into_iter().collect())
    }

    /// The caller's profiles first; a base definition is answered by the type. An unknown profile is an error, as FHIR demands.
    fn conforms_to(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let Some(profile) = text(&self.argument(call.arguments, 0, call.frame)?, "conformsTo")? else { return Ok(Collection::new()) };
        let Some(item) = single(&call.input, "conformsTo")? else { return Ok(Collection::new()) };
        if let Some(profiles) = self.context.profiles {
            // A validation is much more than a step.
            self.tick(if let Item::Node(Node { value: Some(value), .. }) = item { 1000 + value.raw().len() / 16 } else { 1 })?;
            if let Some(answer) = profiles.conforms_to(item, &profile) {
                return Ok(flag(answer));
            }
        }
        let base = profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/").and_then(|name| defs::r4().type_named(name));
        match (base, item) {
            (Some(base), Item::Node(node)) => Ok(flag(types::subtype(node.ty, base))),
            _ => Err(PathError::UnknownProfile(match call.arguments.first() {
                Some(Tree::Literal(Literal::Text(written))) => Some(written.clone()),
                _ => None,
            })),
        }
    }
}

/// A primitive with a value, not only extensions.
fn has_value(item: &Item<'_>) -> bool {
    match item {
        Item::Node(node) => node.value.is_some_and(|value| !matches!(value.kind(), Kind::Object | Kind::Array | Kind::Null)),
        _ => true,
    }
}

/// The text of a reference: a Reference's, or a bare uri or canonical.
fn reference_of<'d>(item: &Item<'d>) -> Option<&'d str> {
    match item {
        Item::Node(Node { value: Some(value), .. }) => match value.kind() {
            Kind::Object => value.get("reference")?.as_str(),
            _ => value.as_str(),
        },
        Item::String(Cow::Borrowed(text)) => Some(text),
        _ => None,
    }
}

/// Whether `reference` ends with the resource's type and id, a version aside.
fn is_resource_of(resource: Value<'_>, reference: &str) -> bool {
    let text = |name: &str| resource.get(name).and_then(|value| value.as_str());
    let (Some(kind), Some(id)) = (text("resourceType"), text("id")) else { return false };
    let reference = reference.split("/_history/").next().unwrap_or(reference);
    let mut parts = reference.rsplit('/');
    parts.next() == Some(id) && parts.next() == Some(kind)
}

/// `Reference.type`, if the item is a Reference that says it.
fn type_stated<'d>(item: &Item<'d>) -> Option<&'d str> {
    let Item::Node(Node { value: Some(value), .. }) = item else { return None };
    value.get("type")?.as_str()
}

/// The key of a reference: the id it points at, if the type is the wanted one. A `urn:uuid:` or `urn:oid:` says nothing of the type, so
/// it gives what follows the prefix unless `stated`, the Reference's own `type`, is another one: within a Bundle that is the id of
/// the entry's resource.
pub(crate) fn reference_key<'d, 's>(reference: &'d str, stated: impl FnOnce() -> Option<&'s str>, wanted: Option<&str>) -> Option<&'d str> {
    if reference.is_empty() || reference.starts_with('#') {
        return None;
    }
    if let Some(id) = reference.strip_prefix("urn:uuid:").or_else(|| reference.strip_prefix("urn:oid:")) {
        // The type may be given as the URL of its definition.
        let agrees = wanted.is_none_or(|wanted| stated().is_none_or(|stated| stated.rsplit('/').next() == Some(wanted)));
        return (agrees && !id.is_empty()).then_some(id);
    }
    let reference = reference.split("/_history/").next()?;
    let reference = reference.split(['?', '|']).next()?;
    let mut parts = reference.rsplit('/');
    let id = parts.next().filter(|id| !id.is_empty())?;
    match (wanted, parts.next()) {
        (None, _) => Some(id),
        (Some(wanted), Some(kind)) if wanted == kind => Some(id),
        _ => None,
    }
}

/// A type given as an argument: `Patient`, `FHIR.Patient` or `'Patient'`.
pub(crate) fn type_argument(argument: &Tree) -> Option<&str> {
    match argument {
        Tree::Member { name, .. } => Some(name),
        Tree::Literal(Literal::Text(name)) => Some(name),
        _ => None,
    }
}

/// System and code of a code, Coding, CodeableConcept or Quantity.
fn codings<'d>(item: &Item<'d>) -> Vec<(&'d str, Cow<'d, str>)> {
    let of = |value: Value<'d>| {
        let text = |name: &str| value.get(name).and_then(|found| found.as_str());
        text("code").map(|code| (text("system").unwrap_or_default(), Cow::Borrowed(code)))
    };
    match item {
        Item::Node(Node { value: Some(value), .. }) if value.kind() == Kind::Object => match value.get("coding") {
            Some(codings) => codings.items().filter_map(of).collect(),
            None => of(*value).into_iter().collect(),
        },
        other => other.to_text().map(|code| ("", code)).into_iter().collect(),
    }
}

/// The narrative is a `div` without active content: the check that a base invariant makes, not a sanitiser.
fn html_is_allowed(text: &str) -> bool {
    const FORBIDDEN: [&str; 12] =
        ["<script", "<object", "<iframe", "<form", "<base", "<link", "<body", "<head", "<frame", "<applet", "<embed", "javascript:"];
    let lower = text.trim().to_ascii_lowercase();
    if !lower.starts_with("<div") || !lower.ends_with('>') || FORBIDDEN.iter().any(|bad| lower.contains(bad)) {
        return false;
    }
    // Event attributes: a blank, `on..` and an equals sign inside a tag.
    for tag in lower.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let event =
            |word: &str| word.starts_with("on") && word.contains('=') && word.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic);
        if tag.split_ascii_whitespace().skip(1).any(event) {
            return false;
        }
    }
    true
}
