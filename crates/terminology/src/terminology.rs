//! The operations over everything that is loaded, as a FHIR terminology service has them.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use crate::{
    builtin,
    code_system::{CodeSystem, Subsumption},
    concept_map::{ConceptMap, Equivalence, Target, Unmapped},
    error::{Result, TerminologyError},
    value_set::ValueSet,
};

/// Code systems, value sets and concept maps that can be asked together. Cheap to clone: what is loaded is shared.
#[derive(Debug, Clone, Default)]
pub struct Terminology {
    systems: HashMap<String, Vec<Arc<CodeSystem>>>,
    value_sets: HashMap<String, Vec<Arc<ValueSet>>>,
    maps: HashMap<String, Arc<ConceptMap>>,
}

/// The result of a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation<'m> {
    /// What was found, in the map's order; rows that say "unmatched" are left out.
    pub targets: Vec<Target<'m>>,
    /// Whether a row of the map says that there is no target, as against the map not knowing the code.
    pub known_unmatched: bool,
}

impl Translation<'_> {
    /// Whether there is a target (FHIR `$translate` result).
    pub fn result(&self) -> bool {
        !self.targets.is_empty()
    }
}

impl Terminology {
    /// Nothing loaded.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What is compiled in: HL7's code systems, value sets and maps. Read once, shared by all.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Terminology> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            let mut all = Self::empty();
            // The tables are tested to be whole; a broken one would leave out what it holds.
            for system in builtin::code_systems(builtin::CODE_SYSTEMS).unwrap_or_default() {
                all.add_code_system(system);
            }
            for set in builtin::value_sets(builtin::VALUE_SETS).unwrap_or_default() {
                all.add_value_set(set);
            }
            for map in builtin::maps(builtin::MAPS).unwrap_or_default() {
                all.add_concept_map(map);
            }
            all
        })
    }

    /// What is compiled in, to which more can be added.
    pub fn with_builtin() -> Self {
        Self::builtin().clone()
    }

    /// Adds a code system; one of the same URI and version is replaced.
    pub fn add_code_system(&mut self, system: impl Into<Arc<CodeSystem>>) {
        let system = system.into();
        add_version(self.systems.entry(system.url().to_owned()).or_default(), system, CodeSystem::version);
    }

    /// Adds a value set; one of the same URL and version is replaced.
    pub fn add_value_set(&mut self, set: impl Into<Arc<ValueSet>>) {
        let set = set.into();
        add_version(self.value_sets.entry(set.url.clone()).or_default(), set, |set| set.version.as_deref());
    }

    /// Adds a concept map, found by its key, its URL and the last part of its key.
    pub fn add_concept_map(&mut self, map: impl Into<Arc<ConceptMap>>) {
        let map = map.into();
        if let Some((_, name)) = map.key().split_once('/').filter(|(_, name)| !name.contains('/')) {
            self.maps.entry(name.to_owned()).or_insert_with(|| Arc::clone(&map));
        }
        if let Some(url) = map.url() {
            self.maps.insert(url.to_owned(), Arc::clone(&map));
        }
        self.maps.insert(map.key().to_owned(), map);
    }

    /// Adds everything that another one has.
    pub fn add_all(&mut self, other: &Self) {
        other.code_systems().for_each(|system| self.add_code_system(Arc::clone(system)));
        other.value_sets().for_each(|set| self.add_value_set(Arc::clone(set)));
        other.concept_maps().for_each(|map| self.add_concept_map(Arc::clone(map)));
    }

    /// A code system by URI, or `URI|version`. Without a version, or with parts left open (`1.x`), the newest that fits.
    pub fn code_system(&self, canonical: &str) -> Option<&Arc<CodeSystem>> {
        let (url, version) = split_canonical(canonical);
        let versions = self.systems.get(url)?;
        match version {
            None => versions.last(),
            Some(version) => versions.iter().rfind(|system| version_fits(version, system.version())),
        }
    }

    /// All code systems.
    pub fn code_systems(&self) -> impl Iterator<Item = &Arc<CodeSystem>> {
        self.systems.values().flatten()
    }

    /// A value set by URL, or `URL|version`. Without a version the newest.
    pub fn value_set(&self, canonical: &str) -> Option<&Arc<ValueSet>> {
        let (url, version) = split_canonical(canonical);
        let versions = self.value_sets.get(url)?;
        match version {
            None => versions.last(),
            Some(version) => versions.iter().rfind(|set| version_fits(version, set.version.as_deref())),
        }
    }

    /// All value sets.
    pub fn value_sets(&self) -> impl Iterator<Item = &Arc<ValueSet>> {
        self.value_sets.values().flatten()
    }

    /// A concept map by key (`v2-to-fhir/AdministrativeSex`), by the key's last part (`AdministrativeSex`) or by URL.
    pub fn concept_map(&self, key: &str) -> Option<&Arc<ConceptMap>> {
        self.maps.get(key).or_else(|| self.maps.get(split_canonical(key).0))
    }

    /// Every concept map, once.
    pub fn concept_maps(&self) -> impl Iterator<Item = &Arc<ConceptMap>> {
        self.maps.iter().filter(|(key, map)| key.as_str() == map.key()).map(|(_, map)| map)
    }

    pub(crate) fn known_code_system(&self, canonical: &str) -> Result<&Arc<CodeSystem>> {
        self.code_system(canonical).ok_or_else(|| TerminologyError::UnknownCodeSystem { url: canonical.to_owned() })
    }

    pub(crate) fn known_value_set(&self, canonical: &str) -> Result<&Arc<ValueSet>> {
        self.value_set(canonical).ok_or_else(|| TerminologyError::UnknownValueSet { url: canonical.to_owned() })
    }

    /// How one code of a system relates to another (FHIR `$subsumes`).
    pub fn subsumes(&self, system: &str, one: &str, other: &str) -> Result<Subsumption> {
        self.known_code_system(system)?.subsumes(one, other)
    }

    /// The targets of a code in a map (FHIR `$translate`), with what the map says of codes it does not list. `system` may be empty.
    ///
    /// ```
    /// use sutura_terminology::{Terminology, v2};
    /// let system = v2::table_uri("0001").unwrap();
    /// let found = Terminology::builtin().translate("AdministrativeSex", &system, "F").unwrap();
    /// assert_eq!((found.targets[0].system, found.targets[0].code), ("http://hl7.org/fhir/administrative-gender", "female"));
    /// ```
    pub fn translate<'m>(&'m self, map: &str, system: &'m str, code: &'m str) -> Result<Translation<'m>> {
        let mut translation = Translation { targets: Vec::new(), known_unmatched: false };
        self.translate_into(map, system, code, 0, &mut translation)?;
        Ok(translation)
    }

    fn translate_into<'m>(&'m self, key: &str, system: &'m str, code: &'m str, depth: usize, into: &mut Translation<'m>) -> Result<()> {
        // Maps may name each other as the place to ask next.
        const DEEPEST: usize = 8;
        let map = self.concept_map(key).ok_or_else(|| TerminologyError::UnknownConceptMap { key: key.to_owned() })?;
        let mut listed = false;
        for target in map.targets(system, code) {
            listed = true;
            if target.equivalence.is_match() && !target.code.is_empty() {
                into.targets.push(target);
            } else {
                into.known_unmatched = true;
            }
        }
        if listed || depth >= DEEPEST {
            return Ok(());
        }
        for (target_system, unmapped) in map.unmapped(system) {
            match unmapped {
                Unmapped::Provided => {
                    into.targets.push(Target {
                        system: target_system,
                        code,
                        display: None,
                        equivalence: Equivalence::Equal,
                        comment: None,
                    });
                }
                Unmapped::Fixed { code, display } => into.targets.push(Target {
                    system: target_system,
                    code,
                    display: display.as_deref(),
                    equivalence: Equivalence::Inexact,
                    comment: None,
                }),
                Unmapped::OtherMap(url) => self.translate_into(url, system, code, depth + 1, into)?,
            }
        }
        Ok(())
    }
}

/// Splits `url|version`; a fragment stays with the URL.
pub(crate) fn split_canonical(canonical: &str) -> (&str, Option<&str>) {
    match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version).filter(|version| !version.is_empty())),
        None => (canonical, None),
    }
}

/// Whether a version is the one asked for; `x` or `*` in the place of a part leaves it, and what follows, open.
pub(crate) fn version_fits(asked: &str, version: Option<&str>) -> bool {
    let Some(version) = version else { return false };
    if asked == version {
        return true;
    }
    let mut parts = version.split('.');
    for part in asked.split('.') {
        match (part, parts.next()) {
            ("x" | "X" | "*", Some(_)) => return true,
            (part, Some(other)) if part == other => {}
            _ => return false,
        }
    }
    false
}

/// Keeps versions in order, the newest last.
pub(crate) fn add_version<T: ?Sized>(versions: &mut Vec<Arc<T>>, new: Arc<T>, version: impl Fn(&T) -> Option<&str>) {
    versions.retain(|known| version(known) != version(&new));
    let at = versions.partition_point(|known| version_key(version(known)) <= version_key(version(&new)));
    versions.insert(at, new);
}

/// Compares versions part by part, numbers as numbers; no version is the oldest.
fn version_key(version: Option<&str>) -> Vec<(u64, String)> {
    let parts = version.unwrap_or_default().split(['.', '-', '+', '_']).filter(|part| !part.is_empty());
    // Words (`draft`) stand before numbers.
    parts
        .map(|part| part.parse::<u64>().map_or_else(|_| (0, part.to_owned()), |number| (number.saturating_add(1), String::new())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{code_system::CodeSystemBuilder, concept_map::ConceptMapBuilder, v2::table_uri};

    #[test]
    fn official_maps_translate() {
        let all = Terminology::builtin();
        for (map, table, code, target) in [
            ("AdministrativeSex", "0001", "A", Some("other")),
            ("AddressType[Use]", "0190", "H", Some("home")),
            ("AddressType[Use]", "0190", "BDL", None),
            ("InterpretationCodes", "0078", ">", Some(">")),
            ("PractitionerIDNumberType", "0338", "L&I", Some("LI")),
            ("PatientClass[EncounterClass]", "0004", "I", Some("IMP")),
        ] {
            let system = table_uri(table).unwrap();
            let found = all.translate(map, &system, code).unwrap();
            assert_eq!(found.targets.first().map(|target| target.code), target, "{map} {code}");
            assert_eq!(found.known_unmatched, target.is_none());
        }
        let found = all.translate("http://hl7.org/fhir/us/ccda/ConceptMap/CF-NameUse", "", "L").unwrap();
        assert_eq!(found.targets[0].code, "usual");
        assert!(matches!(all.translate("nothing", "", "L"), Err(TerminologyError::UnknownConceptMap { .. })));
        assert!(!all.translate("AdministrativeSex", "", "?").unwrap().result());
    }

    #[test]
    fn unmapped_codes_follow_the_map() {
        let mut one = ConceptMapBuilder::new("urn:one");
        one.add(("a", "1"), ("b", "x"), Equivalence::Equal, "", "").unwrap();
        one.unmapped("a", "b", Unmapped::OtherMap("urn:two".to_owned()));
        let mut two = ConceptMapBuilder::new("urn:two");
        two.unmapped("a", "c", Unmapped::Fixed { code: "other".to_owned(), display: None });
        two.unmapped("a", "d", Unmapped::Provided);
        two.unmapped("a", "e", Unmapped::OtherMap("urn:one".to_owned()));
        let mut all = Terminology::empty();
        all.add_concept_map(one.finish());
        all.add_concept_map(two.finish());
        assert_eq!(all.translate("urn:one", "a", "1").unwrap().targets[0].code, "x");
        let found = all.translate("urn:one", "a", "2").unwrap();
        assert_eq!((found.targets[0].system, found.targets[0].code), ("c", "other"));
        assert_eq!((found.targets[1].system, found.targets[1].code), ("d", "2"));
    }

    #[test]
    fn the_newest_version_answers() {
        let mut all = Terminology::empty();
        for version in ["1.10.0", "1.9.0", "1.9.1-draft"] {
            let mut builder = CodeSystemBuilder::new("urn:s").version(Some(version));
            builder.add(version, "").unwrap();
            all.add_code_system(builder.finish());
        }
        assert_eq!(all.code_system("urn:s").unwrap().version(), Some("1.10.0"));
        assert_eq!(all.code_system("urn:s|1.9.0").unwrap().version(), Some("1.9.0"));
        assert!(all.code_system("urn:s|2").is_none());
        assert_eq!(all.code_system("urn:s|1.9.x").unwrap().version(), Some("1.9.1-draft"));
        assert_eq!(all.code_system("urn:s|1.x").unwrap().version(), Some("1.10.0"));
    }
}
