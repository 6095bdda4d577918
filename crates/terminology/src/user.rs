//! The user's terminology beside what is compiled in, made ready to be asked for one code after another, as conversion does.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::{
    code_system::{CodeSystem, Concept},
    concept_map::{ConceptMap, Equivalence, Target, Unmapped},
    coverage::Seen,
    terminology::Terminology,
    v2,
};

/// Code systems, value sets and maps of the user, and with them what is compiled in.
///
/// Systems are found by however they are named: by URI, by OID, by the name of HL7 table 0396 (`LN`), or by a local name (`99LAB`), in any case. A map or a
/// file may name them in any of these ways, too.
#[derive(Debug, Clone)]
pub struct UserTerminology {
    all: Terminology,
    own: Terminology,
    systems: HashMap<String, System>,
    /// Target systems of maps as records are to have them, by the name that the map has.
    targets: HashMap<String, String>,
    unusable: usize,
}

/// What the user's files say about one code system.
#[derive(Debug, Clone, Default)]
struct System {
    concepts: Option<Arc<CodeSystem>>,
    /// Maps with groups for it, and the name that they have for it.
    maps: Vec<(Arc<ConceptMap>, String)>,
}

/// How a record names a code system. Either may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SystemName<'n> {
    /// Its URI.
    pub uri: &'n str,
    /// Its local name, which means something at its sender only.
    pub local: &'n str,
}

/// A code that a map has for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t> {
    /// The code system's URI.
    pub system: &'t str,
    /// The code.
    pub code: Cow<'t, str>,
    /// Its display: the map's, else the code system's.
    pub display: Option<&'t str>,
    /// How well it stands for the code that was asked for.
    pub equivalence: Equivalence,
}

/// What is known of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer<'t> {
    /// For the counts of a run.
    pub seen: Seen,
    /// The display that a code system of the user gives.
    pub display: Option<&'t str>,
}

impl UserTerminology {
    /// Makes what was loaded ready.
    pub fn new(own: Terminology) -> Self {
        let mut all = Terminology::with_builtin();
        all.add_all(&own);
        let mut systems: HashMap<String, System> = HashMap::new();
        let mut targets = HashMap::new();
        let mut unusable = 0;
        let mut loaded: Vec<&Arc<CodeSystem>> = own.code_systems().collect();
        loaded.sort_by(|one, other| one.url().cmp(other.url()));
        for system in loaded {
            // Of several versions the newest speaks.
            let newest = own.code_system(system.url()).unwrap_or(system);
            systems.entry(system_key(system.url()).into_owned()).or_default().concepts = Some(Arc::clone(newest));
            if let Some(oid) = newest.oid() {
                systems.entry(system_key(oid).into_owned()).or_default().concepts.get_or_insert_with(|| Arc::clone(newest));
            }
        }
        let mut maps: Vec<&Arc<ConceptMap>> = own.concept_maps().collect();
        maps.sort_by(|one, other| one.key().cmp(other.key()));
        for map in maps {
            for (source, target) in map.groups() {
                match v2::coding_system_uri(target).filter(|uri| is_uri(uri)) {
                    Some(uri) => {
                        targets.insert(target.to_owned(), uri.into_owned());
                    }
                    None => {
                        let rows = map.rows().filter(|(from, _, to)| *from == source && to.system == target && !to.code.is_empty());
                        unusable += rows.count();
                    }
                }
                let known = &mut systems.entry(system_key(source).into_owned()).or_default().maps;
                if !known.iter().any(|(known, name)| Arc::ptr_eq(known, map) && name == source) {
                    known.push((Arc::clone(map), source.to_owned()));
                }
            }
        }
        // A system under its OID has the maps of its URI, and the other way round.
        let same: Vec<(String, String)> = own
            .code_systems()
            .filter_map(|system| Some((system_key(system.url()).into_owned(), system_key(system.oid()?).into_owned())))
            .filter(|(url, oid)| url != oid)
            .collect();
        for (url, oid) in same {
            let both: Vec<_> = [&url, &oid].into_iter().filter_map(|key| systems.get(key)).flat_map(|system| system.maps.clone()).collect();
            for key in [url, oid] {
                systems.entry(key).or_default().maps.clone_from(&both);
            }
        }
        Self { all, own, systems, targets, unusable }
    }

    /// Everything: what is compiled in, and over it the user's.
    pub fn all(&self) -> &Terminology {
        &self.all
    }

    /// What the user loaded.
    pub fn own(&self) -> &Terminology {
        &self.own
    }

    /// Mappings to systems that are neither a URI nor an OID nor a name of HL7 table 0396: [`ask`](Self::ask) leaves them out.
    pub fn unusable_mappings(&self) -> usize {
        self.unusable
    }

    /// What is known of a code. `found` gets what the user's maps have for it, one code for each target system: the closest, then the first. Codes that
    /// are narrower than the one asked for, or only overlap with it, would say more than was sent: they are left out.
    ///
    /// Mappings that name no source system are for codes without a system and for those of local systems.
    pub fn ask<'t>(&'t self, name: SystemName<'_>, code: &str, found: &mut Vec<Found<'t>>) -> Answer<'t> {
        found.clear();
        let mut answer = Answer::default();
        let local = Some(name.local).filter(|local| !local.is_empty()).map(system_key);
        let nowhere = (name.uri.is_empty() || local.is_some()).then_some(Cow::Borrowed(""));
        let named = Some(name.uri).filter(|uri| !uri.is_empty()).map(Cow::Borrowed);
        for key in named.into_iter().chain(local).chain(nowhere) {
            let Some(system) = self.systems.get(key.as_ref()) else { continue };
            if let Some(concepts) = system.concepts.as_ref().filter(|_| !answer.seen.known) {
                answer.seen.loaded = true;
                if let Some(concept) = concepts.concept(code) {
                    answer.seen.known = true;
                    answer.display = concept.display().filter(|display| is_text(display));
                }
            }
            if found.is_empty() {
                for (map, source) in &system.maps {
                    self.translate(map, source, code, 0, found);
                }
            }
        }
        if !answer.seen.known
            && !name.uri.is_empty()
            && let Some(system) = Terminology::builtin().code_system(name.uri)
        {
            answer.seen.loaded = true;
            answer.seen.known = system.concept(code).is_some();
        }
        for target in found.iter_mut().filter(|target| target.display.is_none()) {
            let concept = self.all.code_system(target.system).and_then(|system| system.concept(&target.code));
            target.display = concept.and_then(Concept::display).filter(|display| is_text(display));
        }
        answer.seen.translated = !found.is_empty();
        answer
    }

    fn translate<'t>(&'t self, map: &'t ConceptMap, source: &str, code: &str, depth: usize, found: &mut Vec<Found<'t>>) {
        // Maps may name each other as the place to ask next.
        const DEEPEST: usize = 8;
        let mut listed = false;
        for target in map.targets_named(source, code) {
            listed = true;
            let Target { system, code, display, equivalence, .. } = target;
            self.keep(system, Cow::Borrowed(code), display, equivalence, found);
        }
        if listed || depth >= DEEPEST {
            return;
        }
        for (system, unmapped) in map.unmapped_named(source) {
            match unmapped {
                Unmapped::Provided => self.keep(system, Cow::Owned(code.to_owned()), None, Equivalence::Equal, found),
                // One code for all that is not known says nothing of this one.
                Unmapped::Fixed { .. } => {}
                Unmapped::OtherMap(url) => {
                    if let Some(other) = self.all.concept_map(url) {
                        self.translate(other, source, code, depth + 1, found);
                    }
                }
            }
        }
    }

    fn keep<'t>(
        &'t self,
        system: &'t str,
        code: Cow<'t, str>,
        display: Option<&'t str>,
        equivalence: Equivalence,
        found: &mut Vec<Found<'t>>,
    ) {
        let Some(rank) = rank(equivalence).filter(|_| is_code(&code)) else { return };
        let system = match self.targets.get(system) {
            Some(uri) => uri.as_str(),
            // Of a map that is compiled in.
            None if is_uri(system) => system,
            None => return,
        };
        let new = Found { system, code, display: display.filter(|display| is_text(display)), equivalence };
        match found.iter_mut().find(|known| known.system == system) {
            Some(known) if self::rank(known.equivalence).is_some_and(|known| known <= rank) => {}
            Some(known) => *known = new,
            None => found.push(new),
        }
    }
}

/// How close a target is, the closest first; none for what would say more than the source, or something else.
fn rank(equivalence: Equivalence) -> Option<u8> {
    Some(match equivalence {
        Equivalence::Equal => 0,
        Equivalence::Equivalent => 1,
        Equivalence::RelatedTo => 2,
        Equivalence::Wider | Equivalence::Subsumes => 3,
        Equivalence::Narrower | Equivalence::Specializes | Equivalence::Inexact | Equivalence::Unmatched | Equivalence::Disjoint => {
            return None;
        }
    })
}

/// What all names of a code system have in common: the URI of an OID, of a name of HL7 table 0396 and of a URI; else the local name in capital letters.
///
/// ```
/// use sutura_terminology::system_key;
/// assert_eq!(system_key("LN"), system_key("2.16.840.1.113883.6.1"));
/// assert_eq!(system_key("99lab"), "99LAB");
/// ```
pub fn system_key(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.is_empty() {
        return Cow::Borrowed("");
    }
    match v2::coding_system_uri(name) {
        Some(uri) => Cow::Owned(uri.into_owned()),
        None if name.bytes().any(|byte| byte.is_ascii_lowercase()) => Cow::Owned(name.to_ascii_uppercase()),
        None => Cow::Borrowed(name),
    }
}

fn is_uri(text: &str) -> bool {
    text.contains(':') && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Whether a text can be the value of a FHIR `code`.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(char::is_control)
        && text.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn user(files: &[(&str, &str)]) -> UserTerminology {
        let mut own = Terminology::empty();
        for (name, text) in files {
            own.load_file(name, std::io::Cursor::new(text.as_bytes()), &Limits::default()).unwrap();
        }
        UserTerminology::new(own)
    }

    fn ask<'t>(user: &'t UserTerminology, uri: &str, local: &str, code: &str) -> (Seen, Option<&'t str>, Vec<String>) {
        let mut found = Vec::new();
        let answer = user.ask(SystemName { uri, local }, code, &mut found);
        let shown = |found: &Found<'_>| format!("{}|{}|{}", found.system, found.code, found.display.unwrap_or("-"));
        (answer.seen, answer.display, found.iter().map(shown).collect())
    }

    const CODES: &str = "system,code,display\n99LAB,GLU,Glucose\n1.2.3,K,Potassium\n";
    const MAP: &str = "source_system,source_code,target_system,target_code,equivalence,display\n\
        99lab,GLU,LN,2345-7,,Glucose in Serum\n99LAB,GLU,2.16.840.1.113883.6.96,33747003,wider,\n\
        99LAB,NARROW,LN,1-8,narrower,\n99LAB,GONE,LN,,,\n99LAB,LOCAL,99OTHER,x,,\n\
        urn:oid:1.2.3,K,http://loinc.org,2823-3,relatedto,\n1.2.3,K,LOINC,6298-4,equal,\n\
        ,ANY,LN,9-9,,\nhttp://x.example/cs,ANY,LN,8-8,,\n";

    #[test]
    fn systems_are_found_by_every_name() {
        let user = user(&[("codes", CODES), ("map", MAP)]);
        let glucose = ["http://loinc.org|2345-7|Glucose in Serum", "http://snomed.info/sct|33747003|-"];
        let (seen, display, found) = ask(&user, "", "99Lab", "GLU");
        assert_eq!((seen, display), (Seen { loaded: true, known: true, translated: true }, Some("Glucose")));
        assert_eq!(found, glucose);
        // A local name below the base that conversion is told.
        assert_eq!(ask(&user, "http://hospital.example/99LAB", "99LAB", "GLU").2, glucose);
        assert_eq!(ask(&user, "urn:oid:1.2.3", "", "K").2, ["http://loinc.org|6298-4|-"], "the closest of one system");
        assert_eq!(ask(&user, "", "", "GLU").2, Vec::<String>::new());
    }

    #[test]
    fn only_what_says_no_more_than_was_sent() {
        let user = user(&[("map", MAP)]);
        for code in ["NARROW", "GONE", "LOCAL", "unheard"] {
            let (seen, _, found) = ask(&user, "", "99LAB", code);
            assert_eq!((seen, found), (Seen::default(), Vec::new()), "{code}");
        }
        assert_eq!(user.unusable_mappings(), 1);
    }

    #[test]
    fn mappings_without_a_system_are_for_local_codes() {
        let user = user(&[("map", MAP)]);
        for (uri, local, wanted) in [
            ("", "", "http://loinc.org|9-9|-"),
            ("", "L", "http://loinc.org|9-9|-"),
            ("http://base.example/L", "L", "http://loinc.org|9-9|-"),
            ("http://x.example/cs", "", "http://loinc.org|8-8|-"),
        ] {
            assert_eq!(ask(&user, uri, local, "ANY").2, [wanted], "{uri} {local}");
        }
        assert!(ask(&user, "urn:oid:9.9", "", "ANY").2.is_empty());
    }

    #[test]
    fn a_code_system_of_fhir_is_known_by_its_oid_too_and_builtin_ones_count() {
        let system = r#"{"resourceType":"CodeSystem","url":"http://h.example/cs","identifier":[{"value":"urn:oid:1.2.9"}],"concept":[{"code":"a","display":"A"}]}"#;
        let map = r#"{"resourceType":"ConceptMap","url":"http://h.example/map","group":[{"source":"http://h.example/cs","target":"http://hl7.org/fhir/administrative-gender",
            "element":[{"code":"a","target":[{"code":"female","equivalence":"equivalent"}]}],"unmapped":{"mode":"provided"}}]}"#;
        let user = user(&[("s", system), ("m", map)]);
        for uri in ["http://h.example/cs", "urn:oid:1.2.9"] {
            let (seen, display, found) = ask(&user, uri, "", "a");
            assert!(seen.known && seen.translated && display == Some("A"));
            assert_eq!(found, ["http://hl7.org/fhir/administrative-gender|female|Female"]);
        }
        assert_eq!(ask(&user, "http://h.example/cs", "", "other").2, ["http://hl7.org/fhir/administrative-gender|other|Other"]);
        let (seen, display, _) = ask(&user, "http://hl7.org/fhir/administrative-gender", "", "male");
        assert!(seen.loaded && seen.known && display.is_none(), "what is compiled in is counted and fills in nothing");
        assert!(!ask(&user, "http://hl7.org/fhir/administrative-gender", "", "x").0.known);
        assert!(user.all().concept_map("http://h.example/map").is_some() && user.own().code_systems().count() == 1);
    }
}
