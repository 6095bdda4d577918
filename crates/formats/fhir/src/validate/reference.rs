//! References: their targets' types, contained resources, and the entries of Bundles.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use super::{Check, IssueCode, IssueSeverity, r4};
use crate::{
    defs::ElementDef,
    json::{Kind, Value},
};

/// The resources of a Bundle or of Parameters, indexed when first asked for.
pub(super) struct BundleScope<'d> {
    bundle: Value<'d>,
    index: OnceCell<Index<'d>>,
}

#[derive(Default)]
struct Index<'d> {
    by_url: HashMap<&'d str, Value<'d>>,
    /// By type and id; the first of several.
    by_id: HashMap<(&'d str, &'d str), Value<'d>>,
    /// The fullUrl of each resource, by its place in the document.
    urls: HashMap<u32, &'d str>,
}

const PARAMETERS_URL: &str = "http://hl7.org/fhir/StructureDefinition/parameters-fullUrl";

impl<'d> Index<'d> {
    fn add(&mut self, url: Option<&'d str>, resource: Value<'d>) {
        if let Some(url) = url {
            self.by_url.insert(url, resource);
            self.urls.insert(resource.index(), url);
        }
        let text = |name: &str| resource.get(name).and_then(|text| text.as_str());
        if let (Some(name), Some(id)) = (text("resourceType"), text("id")) {
            self.by_id.entry((name, id)).or_insert(resource);
        }
    }

    /// The parameters of Parameters, and their parts; documents are not nested deeper than the reader allows.
    fn parameters(&mut self, holder: Value<'d>, name: &str) {
        for parameter in holder.get(name).into_iter().flat_map(|list| list.items()) {
            if let Some(resource) = parameter.get("resource") {
                let extensions = parameter.get("extension").into_iter().flat_map(|list| list.items());
                let url = extensions
                    .filter(|one| one.get("url").and_then(|url| url.as_str()) == Some(PARAMETERS_URL))
                    .find_map(|one| one.get("valueUri")?.as_str());
                self.add(url, resource);
            }
            self.parameters(parameter, "part");
        }
    }
}

impl<'d> BundleScope<'d> {
    pub(super) fn new(bundle: Value<'d>) -> Self {
        Self { bundle, index: OnceCell::new() }
    }

    /// Whether resources of that type hold others that their references may mean.
    pub(super) fn is_of(resource_type: &str) -> bool {
        matches!(resource_type, "Bundle" | "Parameters")
    }

    fn index(&self) -> &Index<'d> {
        self.index.get_or_init(|| {
            let mut index = Index::default();
            for entry in entries(self.bundle) {
                let Some(resource) = entry.get("resource") else { continue };
                index.add(entry.get("fullUrl").and_then(|url| url.as_str()), resource);
            }
            index.parameters(self.bundle, "parameter");
            index
        })
    }

    /// The resource of the entry whose fullUrl it is.
    pub(super) fn find(&self, reference: &str) -> Option<Value<'d>> {
        self.index().by_url.get(reference).copied()
    }

    /// The resource of that type and id, whatever its fullUrl.
    pub(super) fn find_by_id(&self, resource_type: &str, id: &str) -> Option<Value<'d>> {
        self.index().by_id.get(&(resource_type, id)).copied()
    }

    /// The fullUrl of one of its resources.
    fn url_of(&self, resource: Value<'d>) -> Option<&'d str> {
        self.index().urls.get(&resource.index()).copied()
    }
}

pub(super) fn entries(bundle: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    bundle.get("entry").into_iter().flat_map(|list| list.items())
}

/// The resource type and id of a reference that says them: `Patient/1`, `http://x/Patient/1/_history/2`, `Patient?identifier=..`.
pub(super) fn type_and_id(reference: &str) -> Option<(&str, &str)> {
    if let Some((head, _)) = reference.split_once('?') {
        let name = head.rsplit('/').next().unwrap_or(head);
        return r4().resource_named(name).map(|_| (name, ""));
    }
    let reference = reference.split('#').next().unwrap_or(reference);
    let path = reference.split("/_history/").next().unwrap_or(reference);
    let mut parts = path.rsplit('/');
    let id = parts.next()?;
    let name = parts.next()?;
    (super::primitive::id(id) && r4().resource_named(name).is_some()).then_some((name, id))
}

impl<'d> Check<'_, 'd> {
    /// The resource a reference points at, if it is contained or in a Bundle around.
    pub(super) fn resolve(&self, reference: &str) -> Option<Value<'d>> {
        if let Some(id) = reference.strip_prefix('#') {
            if id.is_empty() {
                return Some(self.container);
            }
            return self.contained(id);
        }
        for scope in self.bundles.iter().rev() {
            if let Some(found) = scope.find(reference) {
                return Some(found);
            }
            if let Some((name, id)) = type_and_id(reference)
                && let Some(found) = scope.find_by_id(name, id)
            {
                return Some(found);
            }
        }
        None
    }

    /// The contained resource of that id; the first of several. Looked up once for each container: a hostile resource
    /// has as many of them as references to them.
    fn contained(&self, id: &str) -> Option<Value<'d>> {
        let mut kept = self.contained.borrow_mut();
        let known = match &mut *kept {
            Some((container, known)) if *container == self.container.index() => known,
            _ => {
                let mut known = HashMap::new();
                for one in self.container.get("contained").into_iter().flat_map(|list| list.items()) {
                    if let Some(id) = one.get("id").and_then(|id| id.as_str()) {
                        known.entry(id).or_insert(one);
                    }
                }
                &mut kept.insert((self.container.index(), known)).1
            }
        };
        known.get(id).copied()
    }

    /// A Reference: its form, and whether it may point at what it points at.
    pub(super) fn reference(&mut self, value: Value<'d>, element: &'static ElementDef) {
        let Some(text) = value.get("reference").and_then(|text| text.as_str()) else { return };
        let targets = element.types.iter().find(|one| one.ty == self.known.reference).map_or(&[][..], |one| one.targets);
        if let Some(name) = value.get("type").and_then(|name| name.as_str())
            && let Some((said, _)) = type_and_id(text)
            && said != name
            && r4().resource_named(name).is_some()
        {
            self.error(IssueCode::Value, value, "the type given is not the type that the reference says");
        }
        self.document_reference(value, text);
        let target = self.resolve(text);
        self.missing_target(value, text, target);
        if targets.is_empty() || targets.contains(&"Resource") {
            return;
        }
        let name = match target {
            Some(resource) => resource.get("resourceType").and_then(|name| name.as_str()),
            None => type_and_id(text).map(|(name, _)| name),
        };
        if let Some(name) = name
            && r4().resource_named(name).is_some()
            && !targets.contains(&name)
        {
            let severity = if target.is_some() { IssueSeverity::Error } else { self.validator.options.unresolved_types };
            let what = "the reference points at a type of resource that the element does not allow";
            self.issue(severity, IssueCode::Structure, value, what);
        }
    }

    /// A relative or `urn:` reference to nothing in the Bundle or Parameters around. Absolute ones may point anywhere.
    fn missing_target(&mut self, value: Value<'d>, text: &str, target: Option<Value<'d>>) {
        let Some(severity) = self.validator.options.missing_targets else { return };
        let elsewhere = text.starts_with('#') || text.contains('?') || (text.contains(':') && !text.starts_with("urn:"));
        if target.is_none() && !elsewhere && !self.bundles.is_empty() {
            self.issue(severity, IssueCode::NotFound, value, "the resource referred to is not in the Bundle or Parameters around");
        }
    }

    /// In a document a relative reference is resolved by fullUrl: an entry of the right type and id elsewhere is not meant.
    fn document_reference(&mut self, value: Value<'d>, text: &'d str) {
        let Some(scope) = self.bundles.last() else { return };
        if text.contains(':') || text.starts_with('#') || scope.bundle.get("type").and_then(|kind| kind.as_str()) != Some("document") {
            return;
        }
        let Some((name, id)) = type_and_id(text) else { return };
        let Some(url) = scope.url_of(self.container) else { return };
        let base = if url.starts_with("http") { url.rsplitn(3, '/').nth(2) } else { None };
        let found = base.is_some_and(|base| scope.find(&format!("{base}/{name}/{id}")).is_some());
        if !found && scope.find_by_id(name, id).is_some() {
            self.error(IssueCode::NotFound, value, "the entry of that type and id has a fullUrl that the reference does not mean");
        }
    }

    /// What stands in no invariant but in the text of the standard: fullUrls and ids of entries.
    pub(super) fn bundle(&mut self, bundle: Value<'d>) {
        let kind = bundle.get("type").and_then(|kind| kind.as_str()).unwrap_or("");
        let asks = matches!(kind, "transaction" | "batch" | "transaction-response" | "batch-response");
        let mut relations = HashSet::new();
        for link in bundle.get("link").into_iter().flat_map(|links| links.items()) {
            if let Some(relation) = link.get("relation").and_then(|relation| relation.as_str())
                && !relations.insert(relation)
            {
                self.error(IssueCode::Structure, link, "a link relation may stand only once");
            }
        }
        self.path.push("entry");
        for (number, entry) in entries(bundle).enumerate() {
            self.path.push_index(number);
            self.entry(entry, kind, asks);
            self.path.pop();
        }
        self.path.pop();
    }

    fn entry(&mut self, entry: Value<'d>, kind: &str, asks: bool) {
        let Some(resource) = entry.get("resource").filter(|resource| resource.kind() == Kind::Object) else { return };
        let id = resource.get("id").and_then(|id| id.as_str());
        let outcome = resource.get("resourceType").and_then(|name| name.as_str()) == Some("OperationOutcome");
        if kind == "searchset" && id.is_none() && !outcome {
            self.error(IssueCode::Required, entry, "the resources of a search result must have ids");
        }
        let Some(url) = entry.get("fullUrl").and_then(|url| url.as_str()) else {
            if !asks && kind != "searchset" && !outcome {
                self.error(IssueCode::Required, entry, "except in transactions and batches an entry with a resource must have a fullUrl");
            }
            return;
        };
        if !url.contains(':') {
            return self.error(IssueCode::Value, entry, "a fullUrl must be absolute");
        }
        let Some((name, said)) = type_and_id(url).filter(|_| url.starts_with("http")) else { return };
        if asks {
            return;
        }
        match id {
            None => self.error(IssueCode::Value, entry, "the fullUrl names a type and an id, but the resource has no id"),
            Some(id) if id != said || resource.get("resourceType").and_then(|known| known.as_str()) != Some(name) => {
                self.error(IssueCode::Value, entry, "the fullUrl must end in the resource's own type and id");
            }
            Some(_) => {}
        }
    }
}
