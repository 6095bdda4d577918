//! The OHDSI Athena vocabulary download: tab separated files in a ZIP archive.

use std::{
    collections::HashMap,
    io::{Read, Seek},
};

use super::{
    Batch, Limits,
    archive::{self, ZipFile},
    lines::each_line,
};
use crate::{
    code_system::CodeSystemBuilder,
    concept_map::{ConceptMapBuilder, Equivalence},
    error::{Result, TerminologyError},
};

const VOCABULARIES: &str = include_str!("../../data/athena_vocabularies.tsv");
const WHAT: &str = "the Athena download";

/// How an Athena download is loaded.
#[derive(Debug, Clone, Default)]
pub struct AthenaOptions {
    /// Only these vocabularies (`SNOMED`, `RxNorm`); empty for all.
    pub vocabularies: Vec<String>,
    /// Keeps domain and class of every concept as the properties `domain` and `class`: 32 bytes a concept.
    pub properties: bool,
    /// Leaves out concepts that are no longer valid; else they are inactive.
    pub valid_only: bool,
    /// What the download may hold.
    pub limits: Limits,
}

/// The code system URI of an Athena vocabulary.
pub(crate) fn vocabulary_uri(vocabulary: &str) -> String {
    let known = VOCABULARIES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    known
        .into_iter()
        .find(|(name, _)| *name == vocabulary)
        .map_or_else(|| format!("urn:omop:vocabulary:{}", vocabulary.replace(' ', "%20")), |(_, uri)| uri.to_owned())
}

/// Where a concept id is found.
#[derive(Clone, Copy)]
struct Place {
    id: u32,
    system: u16,
    number: u32,
}

pub(super) fn read(mut zip: impl Read + Seek, options: &AthenaOptions, batch: &mut Batch) -> Result<()> {
    let files = archive::zip_files(&mut zip)?;
    let file = |name: &str| files.iter().find(|file| file.name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name)));
    let concepts = file("CONCEPT.csv").ok_or_else(|| TerminologyError::Format {
        what: WHAT,
        place: "CONCEPT.csv".to_owned(),
        reason: "the archive has no such file".to_owned(),
    })?;
    let (mut systems, places) = read_concepts(&mut zip, concepts, options, batch)?;
    let mut edges = 0;
    if let Some(file) = file("CONCEPT_ANCESTOR.csv") {
        edges = read_ancestors(&mut zip, file, options, &places, &mut systems)?;
    }
    if let Some(file) = file("CONCEPT_RELATIONSHIP.csv") {
        let map = read_relationships(&mut zip, file, options, &places, &mut systems, edges == 0)?;
        batch.mappings += map.len() as u64;
        if !map.is_empty() {
            batch.maps.push(map.finish());
        }
    }
    batch.systems.extend(systems.into_iter().map(CodeSystemBuilder::finish));
    batch.check(&options.limits)
}

fn read_concepts(
    zip: &mut (impl Read + Seek),
    file: &ZipFile,
    options: &AthenaOptions,
    batch: &mut Batch,
) -> Result<(Vec<CodeSystemBuilder>, Vec<Place>)> {
    const COLUMNS: [&str; 8] = [
        "concept_id",
        "concept_name",
        "domain_id",
        "vocabulary_id",
        "concept_class_id",
        "standard_concept",
        "concept_code",
        "invalid_reason",
    ];
    const MOST_VOCABULARIES: usize = 2_000;
    let mut systems: Vec<CodeSystemBuilder> = Vec::new();
    // Vocabularies with one URI share a code system.
    let mut by_name: HashMap<String, Option<u16>> = HashMap::new();
    let mut by_uri: HashMap<String, u16> = HashMap::new();
    let mut places: Vec<Place> = Vec::new();
    each_line(WHAT, zip, file, &options.limits, COLUMNS, |[id, name, domain, vocabulary, class, standard, code, invalid]| {
        let system = match by_name.get(vocabulary) {
            Some(known) => *known,
            None => {
                if by_name.len() >= MOST_VOCABULARIES {
                    return Err(TerminologyError::Limit { what: "vocabularies", limit: MOST_VOCABULARIES as u64 });
                }
                let wanted = options.vocabularies.is_empty() || options.vocabularies.iter().any(|known| known == vocabulary);
                let number = wanted.then(|| {
                    let uri = vocabulary_uri(vocabulary);
                    *by_uri.entry(uri.clone()).or_insert_with(|| {
                        systems.push(CodeSystemBuilder::new(uri).name(vocabulary));
                        (systems.len() - 1) as u16
                    })
                });
                by_name.insert(vocabulary.to_owned(), number);
                number
            }
        };
        let (Some(system), false) = (system, options.valid_only && !invalid.is_empty()) else {
            batch.passed_over += 1;
            return Ok(());
        };
        let id: u32 = id.parse().map_err(|_| TerminologyError::Format {
            what: WHAT,
            place: file.name.clone(),
            reason: "a concept_id is not a number".to_owned(),
        })?;
        let builder = &mut systems[usize::from(system)];
        let before = builder.len();
        let number = builder.add(code, name)?;
        if builder.len() == before {
            // The code was there: of two concepts the valid one, else the first, speaks for it.
            if invalid.is_empty() {
                builder.clear_inactive(number);
            }
        } else {
            batch.concepts += 1;
            batch.check(&options.limits)?;
            if !invalid.is_empty() {
                builder.set_inactive(number);
            }
            if options.properties {
                builder.add_property(number, "domain", domain)?;
                builder.add_property(number, "class", class)?;
            }
            builder.set_omop_concept_id(number, id);
        }
        if standard == "S" {
            builder.set_standard(number);
            builder.set_omop_concept_id(number, id);
        }
        places.push(Place { id, system, number });
        Ok(())
    })?;
    places.sort_unstable_by_key(|place| place.id);
    Ok((systems, places))
}

fn place(places: &[Place], id: &str) -> Option<Place> {
    let id: u32 = id.parse().ok()?;
    places.binary_search_by_key(&id, |place| place.id).ok().map(|at| places[at])
}

/// Direct ancestors within a vocabulary become parents. Gives how many.
fn read_ancestors(
    zip: &mut (impl Read + Seek),
    file: &ZipFile,
    options: &AthenaOptions,
    places: &[Place],
    systems: &mut [CodeSystemBuilder],
) -> Result<u64> {
    const COLUMNS: [&str; 3] = ["ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation"];
    let mut edges = 0;
    each_line(WHAT, zip, file, &options.limits, COLUMNS, |[ancestor, descendant, levels]| {
        if levels != "1" {
            return Ok(());
        }
        let (Some(ancestor), Some(descendant)) = (place(places, ancestor), place(places, descendant)) else { return Ok(()) };
        add_edge(systems, descendant, ancestor, &mut edges, &options.limits)
    })?;
    Ok(edges)
}

fn add_edge(systems: &mut [CodeSystemBuilder], child: Place, parent: Place, edges: &mut u64, limits: &Limits) -> Result<()> {
    if child.system != parent.system {
        return Ok(());
    }
    *edges += 1;
    if *edges > limits.edges {
        return Err(TerminologyError::Limit { what: "parents", limit: limits.edges });
    }
    systems[usize::from(child.system)].add_parent(child.number, parent.number);
    Ok(())
}

/// "Maps to" between different concepts becomes the map; "Is a" becomes parents where no ancestors were given.
fn read_relationships(
    zip: &mut (impl Read + Seek),
    file: &ZipFile,
    options: &AthenaOptions,
    places: &[Place],
    systems: &mut [CodeSystemBuilder],
    with_parents: bool,
) -> Result<ConceptMapBuilder> {
    const COLUMNS: [&str; 4] = ["concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"];
    let mut map = ConceptMapBuilder::new("athena/maps-to");
    let (mut edges, mut mappings) = (0, 0_u64);
    each_line(WHAT, zip, file, &options.limits, COLUMNS, |[one, other, relationship, invalid]| {
        if !invalid.is_empty() || !(relationship == "Maps to" || with_parents && relationship == "Is a") {
            return Ok(());
        }
        let (Some(one), Some(other)) = (place(places, one), place(places, other)) else { return Ok(()) };
        if relationship == "Is a" {
            return add_edge(systems, one, other, &mut edges, &options.limits);
        }
        if (one.system, one.number) == (other.system, other.number) {
            return Ok(());
        }
        mappings += 1;
        if mappings > options.limits.mappings {
            return Err(TerminologyError::Limit { what: "mappings", limit: options.limits.mappings });
        }
        let (source, target) = (&systems[usize::from(one.system)], &systems[usize::from(other.system)]);
        map.add((source.url(), source.code(one.number)), (target.url(), target.code(other.number)), Equivalence::RelatedTo, "", "")
    })?;
    Ok(map)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Subsumption, Terminology, load::archive::tests::zip};

    const CONCEPT: &str = "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason\n\
        1\tThing\tCondition\tSNOMED\tFinding\tS\t100\t20020131\t20991231\t\n\
        2\tSmaller \"thing\"\tCondition\tSNOMED\tFinding\tS\t200\t20020131\t20991231\t\n\
        3\tOld thing\tCondition\tSNOMED\tFinding\t\t300\t20020131\t20100101\tU\n\
        4\tLocal\tCondition\tICD10CM\t4-char billing code\t\tA00.1\t20020131\t20991231\t\n\
        5\tOther\tDrug\tMade Up\tX\t\tm\t20020131\t20991231\t\n";
    const ANCESTOR: &str = "ancestor_concept_id\tdescendant_concept_id\tmin_levels_of_separation\tmax_levels_of_separation\n1\t1\t0\t0\n1\t2\t1\t1\n1\t4\t1\t1\n";
    const RELATIONSHIP: &str = "concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason\n\
        4\t2\tMaps to\t20020131\t20991231\t\n2\t2\tMaps to\t20020131\t20991231\t\n3\t1\tMaps to\t20020131\t20991231\tD\n2\t1\tIs a\t20020131\t20991231\t\n";

    fn load(files: &[(&str, &str)], options: &AthenaOptions) -> Result<(Terminology, crate::load::Loaded)> {
        let mut all = Terminology::empty();
        let loaded = all.load_athena(Cursor::new(zip(files)), options)?;
        Ok((all, loaded))
    }

    #[test]
    fn a_download_becomes_systems_hierarchy_and_map() {
        let options = AthenaOptions { properties: true, ..AthenaOptions::default() };
        for files in [
            vec![("CONCEPT_RELATIONSHIP.csv", RELATIONSHIP), ("CONCEPT.csv", CONCEPT), ("CONCEPT_ANCESTOR.csv", ANCESTOR)],
            vec![("vocab/CONCEPT.csv", CONCEPT), ("vocab/CONCEPT_RELATIONSHIP.csv", RELATIONSHIP)],
        ] {
            let (all, loaded) = load(&files, &options).unwrap();
            assert_eq!((loaded.code_systems, loaded.concepts, loaded.mappings), (3, 5, 1));
            assert_eq!(all.subsumes("http://snomed.info/sct", "100", "200"), Ok(Subsumption::Subsumes));
            let old = all.lookup("http://snomed.info/sct", "300").unwrap();
            assert!(old.is_inactive() && !old.is_standard());
            let small = all.lookup("http://snomed.info/sct", "200").unwrap();
            assert_eq!((small.display(), small.omop_concept_id()), (Some("Smaller \"thing\""), Some(2)));
            assert_eq!(small.property("class").collect::<Vec<_>>(), ["Finding"]);
            assert!(all.lookup("urn:omop:vocabulary:Made%20Up", "m").is_ok());
            let found = all.translate("athena/maps-to", "http://hl7.org/fhir/sid/icd-10-cm", "A00.1").unwrap();
            assert_eq!((found.targets[0].system, found.targets[0].code), ("http://snomed.info/sct", "200"));
        }
        let options = AthenaOptions { vocabularies: vec!["SNOMED".to_owned()], valid_only: true, ..AthenaOptions::default() };
        let (_, loaded) = load(&[("CONCEPT.csv", CONCEPT)], &options).unwrap();
        assert_eq!((loaded.concepts, loaded.passed_over), (2, 3));
    }

    #[test]
    fn broken_downloads_are_refused() {
        let options = AthenaOptions::default();
        assert!(matches!(load(&[("x.csv", "")], &options), Err(TerminologyError::Format { .. })));
        assert!(matches!(load(&[("CONCEPT.csv", "")], &options), Err(TerminologyError::Format { .. })));
        assert!(matches!(load(&[("CONCEPT.csv", "concept_id,concept_name\n")], &options), Err(TerminologyError::Format { .. })));
        let cut = CONCEPT.replace("\tA00.1\t20020131\t20991231\t", "");
        assert!(matches!(load(&[("CONCEPT.csv", &cut)], &options), Err(TerminologyError::Format { .. })));
        let long = format!("{CONCEPT}{}", "x".repeat(70_000));
        assert!(matches!(load(&[("CONCEPT.csv", &long)], &options), Err(TerminologyError::Format { .. })));
        let few = AthenaOptions { limits: Limits { concepts: 3, ..Limits::default() }, ..AthenaOptions::default() };
        assert!(matches!(load(&[("CONCEPT.csv", CONCEPT)], &few), Err(TerminologyError::Limit { .. })));
    }
}
