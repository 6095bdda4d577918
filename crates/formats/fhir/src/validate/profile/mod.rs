//! Profiles, value sets and code systems that users load at run time.
//!
//! A profile becomes a tree of the constraints it adds: its differential laid over the tree of the
//! profile it derives from (which is what a snapshot is, without the base definitions that the walk
//! checks anyway). A profile whose base is not loaded uses its snapshot. Trees are made when first
//! needed. Packages come as a folder of JSON files, a `.tgz` as registries give them, or one by one.

mod check;
mod context;
mod differential;
mod package;
mod problem;
mod slice;
#[cfg(test)]
mod tests;
mod tree;
mod valueset;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, OnceLock},
};

use serde_json::Value as Json;

use super::questionnaire::Form;
pub(super) use check::{compare, same};
pub use package::{Package, PackageError, PackageLimits};
pub use problem::PackageProblem;
pub(super) use tree::Profile;
pub(super) use valueset::LocalSet;

struct Raw {
    json: Json,
    profile: OnceLock<Option<Arc<Profile>>>,
}

/// A value set as loaded, and its codes once they are asked for.
type RawSet = (Json, OnceLock<Option<Arc<LocalSet>>>);

/// A Questionnaire, Measure or Library as loaded, and the compiled form of the first.
struct Document {
    kind: String,
    version: Option<String>,
    json: Json,
    form: OnceLock<Arc<Form>>,
}

/// What users loaded.
#[derive(Default)]
pub struct ProfileStore {
    structures: HashMap<String, Raw>,
    value_sets: HashMap<String, RawSet>,
    systems: HashMap<String, Json>,
    /// By canonical URL; several versions of one may be loaded.
    documents: HashMap<String, Vec<Document>>,
    packages: Vec<Package>,
    /// What was not read of packages.
    passed_over: Vec<PackageProblem>,
    /// Resource type and profile: what an implementation guide demands of every resource.
    globals: Vec<(String, String)>,
    below: Option<Arc<ProfileStore>>,
}

/// Bases that are no profile: the definitions know them.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The core type a canonical URL names, if it is one.
pub(super) fn core_type(url: &str) -> Option<&str> {
    let name = url.split('|').next()?.strip_prefix(CORE)?;
    super::r4().type_named(name).map(|_| name)
}

impl ProfileStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store over another one, whose contents it has too: packages many stores share are loaded once.
    pub fn over(below: Arc<Self>) -> Self {
        Self { below: Some(below), ..Self::default() }
    }

    /// How many profiles (extensions included) are loaded.
    pub fn profile_count(&self) -> usize {
        self.structures.len()
    }

    /// The packages that were loaded, as their `package.json` describe them.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The packages that loaded ones depend on and that are not loaded themselves, each `name version`. The definitions of
    /// FHIR R4 are always there.
    pub fn missing_packages(&self) -> Vec<String> {
        let mut missing: Vec<String> = self
            .packages
            .iter()
            .flat_map(|package| &package.dependencies)
            .filter(|(name, _)| name != "hl7.fhir.r4.core" && !self.has_package(name))
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }

    fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name) || self.below.as_ref().is_some_and(|below| below.has_package(name))
    }

    /// Adds one resource, or all of a Bundle: StructureDefinition, ValueSet, CodeSystem, Questionnaire, Measure, Library and the
    /// global profiles of an ImplementationGuide count, others are passed over.
    pub fn add(&mut self, resource: Json) {
        let Json::Object(mut members) = resource else { return };
        if let Some(Json::Array(entries)) = members.get_mut("entry") {
            for entry in entries {
                if let Some(resource) = entry.get_mut("resource") {
                    self.add(resource.take());
                }
            }
            return;
        }
        let text = |name: &str| members.get(name).and_then(Json::as_str).map(str::to_owned);
        let (Some(kind), Some(url)) = (text("resourceType"), text("url")) else { return };
        let json = Json::Object(members);
        match kind.as_str() {
            "StructureDefinition" => {
                let specialises = json["derivation"].as_str() == Some("specialization") || json["derivation"].is_null();
                if !(specialises && core_type(&url).is_some()) {
                    self.structures.insert(url, Raw { json, profile: OnceLock::new() });
                }
            }
            "ValueSet" => {
                self.value_sets.insert(url, (json, OnceLock::new()));
            }
            "ImplementationGuide" => {
                for global in json["global"].as_array().into_iter().flatten() {
                    if let (Some(kind), Some(profile)) = (global["type"].as_str(), global["profile"].as_str()) {
                        self.globals.push((kind.to_owned(), profile.to_owned()));
                    }
                }
            }
            "CodeSystem" => {
                self.systems.insert(url, json);
            }
            "Questionnaire" | "Measure" | "Library" => {
                let version = json["version"].as_str().map(str::to_owned);
                let versions = self.documents.entry(url).or_default();
                versions.retain(|known| known.kind != kind || known.version != version);
                versions.push(Document { kind, version, json, form: OnceLock::new() });
            }
            _ => {}
        }
    }

    /// Adds every JSON file below a folder, or in a package (`.tgz`) as registries give them, or one file (`.json`, `.json.gz`).
    ///
    /// What was added before an error stays added.
    ///
    /// # Errors
    /// Unreadable files, files that are no JSON, damaged or huge archives; the error names the file.
    pub fn load(&mut self, path: &Path) -> Result<(), PackageError> {
        self.load_with(path, PackageLimits::default())
    }

    /// [`Self::load`] with other limits.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(&mut self, path: &Path, limits: PackageLimits) -> Result<(), PackageError> {
        package::load(self, path, limits)
    }

    /// Adds a package (`.tgz`) that is read from anywhere.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_package(&mut self, archive: impl std::io::Read, limits: PackageLimits) -> Result<(), PackageError> {
        package::load_archive(self, archive, limits)
    }

    /// Whether a profile of that URL is loaded.
    pub fn contains(&self, url: &str) -> bool {
        self.structures.contains_key(url.split('|').next().unwrap_or(url)) || self.below.as_ref().is_some_and(|below| below.contains(url))
    }

    pub(super) fn profile(&self, url: &str) -> Option<Arc<Profile>> {
        self.profile_at(url, 0)
    }

    fn profile_at(&self, url: &str, depth: usize) -> Option<Arc<Profile>> {
        let Some(raw) = self.structures.get(url.split('|').next().unwrap_or(url)) else {
            return self.below.as_ref()?.profile_at(url, depth);
        };
        if let Some(done) = raw.profile.get() {
            return done.clone();
        }
        if depth > 32 {
            return None;
        }
        let made = tree::build(self, &raw.json, depth).map(Arc::new);
        raw.profile.get_or_init(|| made).clone()
    }

    /// The profiles that implementation guides demand of every resource of a type.
    pub(super) fn global(&self, resource: &str) -> Vec<String> {
        let own = self.globals.iter().filter(|(kind, _)| kind == resource).map(|(_, url)| url.clone());
        own.chain(self.below.as_ref().map(|below| below.global(resource)).unwrap_or_default()).collect()
    }

    fn system(&self, url: &str) -> Option<&Json> {
        self.systems.get(url).or_else(|| self.below.as_ref()?.system(url))
    }

    fn value_set_json(&self, url: &str) -> Option<&Json> {
        self.value_sets.get(url).map(|(json, _)| json).or_else(|| self.below.as_ref()?.value_set_json(url))
    }

    fn document(&self, kind: &str, canonical: &str) -> Option<&Document> {
        let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
        let mut known = self.documents.get(url).into_iter().flatten().filter(|one| one.kind == kind);
        // Without a version the one that was loaded last is meant.
        let found = match version {
            Some(version) => known.find(|one| one.version.as_deref() == Some(version)),
            None => known.next_back(),
        };
        found.or_else(|| self.below.as_ref()?.document(kind, canonical))
    }

    /// A loaded Measure or Library by its canonical URL.
    pub(super) fn definition(&self, kind: &str, canonical: &str) -> Option<&Json> {
        self.document(kind, canonical).map(|found| &found.json)
    }

    /// A loaded Questionnaire by its canonical URL.
    pub(super) fn form(&self, canonical: &str) -> Option<Arc<Form>> {
        let found = self.document("Questionnaire", canonical)?;
        Some(found.form.get_or_init(|| Arc::new(Form::new(self, &found.json))).clone())
    }

    /// The codes of a value set that is not loaded itself (a contained one), if they can be known.
    pub(super) fn expand(&self, set: &Json) -> Option<LocalSet> {
        valueset::expand(self, set, 0).map(|pairs| LocalSet { pairs })
    }

    /// The codes of a loaded value set, if they can be known.
    pub(super) fn value_set(&self, url: &str) -> Option<Arc<LocalSet>> {
        let url = url.split('|').next().unwrap_or(url);
        let Some((json, set)) = self.value_sets.get(url) else { return self.below.as_ref()?.value_set(url) };
        if let Some(done) = set.get() {
            return done.clone();
        }
        let made = valueset::expand(self, json, 0).map(|pairs| Arc::new(LocalSet { pairs }));
        set.get_or_init(|| made).clone()
    }
}

impl std::fmt::Debug for ProfileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProfileStore")
            .field("profiles", &self.structures.len())
            .field("value_sets", &self.value_sets.len())
            .field("code_systems", &self.systems.len())
            .finish_non_exhaustive()
    }
}
