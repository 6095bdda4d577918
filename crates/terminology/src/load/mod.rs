//! The user's own terminology: FHIR resources, packages, CSV, downloads of Athena, SNOMED CT and LOINC.
//!
//! Loaders take bytes or readers, open no files, and add all of an input or nothing. [`Limits`] bound what one input may hold.

mod archive;
mod athena;
mod csv;
mod fhir;
mod kind;
mod lines;
mod loinc;
mod rf2;

pub use athena::AthenaOptions;
pub use kind::FileKind;
pub use rf2::SnomedOptions;

use std::{io, sync::Arc};

use crate::{
    code_system::CodeSystem,
    concept_map::ConceptMap,
    error::{Result, TerminologyError},
    terminology::Terminology,
    value_set::ValueSet,
};

/// What one input may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one FHIR resource, or of one entry of a package: it is parsed in memory, which takes about six times as much for a moment.
    pub resource_bytes: u64,
    /// Bytes read in all, unpacked.
    pub total_bytes: u64,
    /// Concepts in all: about 60 bytes each with a short display, and 12 for each property.
    pub concepts: u64,
    /// Pairs of parent and child in all: 8 bytes each, 24 while loading.
    pub edges: u64,
    /// Mappings in all: about 60 bytes each.
    pub mappings: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resource_bytes: 512 << 20, total_bytes: 64 << 30, concepts: 20_000_000, edges: 100_000_000, mappings: 20_000_000 }
    }
}

/// What an input held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Loaded {
    /// Code systems.
    pub code_systems: usize,
    /// Their concepts.
    pub concepts: usize,
    /// Value sets.
    pub value_sets: usize,
    /// Concept maps.
    pub concept_maps: usize,
    /// Their mappings.
    pub mappings: usize,
    /// Resources, files or rows of other kinds, passed over.
    pub passed_over: usize,
    /// Codes that stand twice with different displays, of which the first counts (CSV and FHIR).
    pub contradictions: usize,
}

impl std::ops::AddAssign for Loaded {
    fn add_assign(&mut self, other: Self) {
        self.code_systems += other.code_systems;
        self.concepts += other.concepts;
        self.value_sets += other.value_sets;
        self.concept_maps += other.concept_maps;
        self.mappings += other.mappings;
        self.passed_over += other.passed_over;
        self.contradictions += other.contradictions;
    }
}

/// What was read and is not yet added.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) systems: Vec<CodeSystem>,
    pub(crate) sets: Vec<ValueSet>,
    pub(crate) maps: Vec<ConceptMap>,
    pub(crate) concepts: u64,
    pub(crate) mappings: u64,
    pub(crate) passed_over: usize,
    pub(crate) contradictions: usize,
}

impl Batch {
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        if self.concepts > limits.concepts {
            return Err(TerminologyError::Limit { what: "concepts", limit: limits.concepts });
        }
        if self.mappings > limits.mappings {
            return Err(TerminologyError::Limit { what: "mappings", limit: limits.mappings });
        }
        Ok(())
    }

    fn add_to(self, all: &mut Terminology) -> Loaded {
        let loaded = Loaded {
            code_systems: self.systems.len(),
            concepts: self.systems.iter().map(CodeSystem::len).sum(),
            value_sets: self.sets.len(),
            concept_maps: self.maps.len(),
            mappings: self.maps.iter().map(ConceptMap::len).sum(),
            passed_over: self.passed_over,
            contradictions: self.contradictions,
        };
        self.systems.into_iter().for_each(|system| all.add_code_system(Arc::new(system)));
        self.sets.into_iter().for_each(|set| all.add_value_set(Arc::new(set)));
        self.maps.into_iter().for_each(|map| all.add_concept_map(Arc::new(map)));
        loaded
    }
}

pub(crate) fn read_error(what: impl Into<String>, error: &io::Error) -> TerminologyError {
    TerminologyError::Read { what: what.into(), reason: error.kind().to_string() }
}

impl Terminology {
    /// Loads FHIR JSON: one resource, a Bundle, or NDJSON. CodeSystem (R4, R5), ValueSet and ConceptMap are taken, other resources passed over.
    pub fn load_fhir(&mut self, bytes: &[u8], limits: &Limits) -> Result<Loaded> {
        let mut batch = Batch::default();
        fhir::read(bytes, limits, &mut batch)?;
        Ok(batch.add_to(self))
    }

    /// Loads a FHIR package (`.tgz`): every CodeSystem, ValueSet and ConceptMap in it, examples left out.
    pub fn load_fhir_package(&mut self, package: impl io::Read, limits: &Limits) -> Result<Loaded> {
        let mut batch = Batch::default();
        archive::each_tar_file(package, limits, |name, bytes| {
            let is_json = std::path::Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
            let is_ours = is_json && !name.contains("example") && !name.ends_with("package.json") && !name.ends_with(".index.json");
            if is_ours && fhir::may_be_terminology(bytes) { fhir::read(bytes, limits, &mut batch) } else { Ok(()) }
        })?;
        Ok(batch.add_to(self))
    }

    /// Loads CSV (RFC 4180, UTF-8) with a header row. The columns tell what it is; others are passed over, order does not matter:
    ///
    /// - codes: `system`, `code`, and perhaps `version`, `display`, `definition`, `parent` (a code), `inactive` (`true`, `1`, `yes`),
    /// - mappings: `source_system`, `source_code`, `target_system`, `target_code`, and perhaps `map` (its key), `equivalence`, `display`, `comment`,
    /// - members of value sets: `value_set` (its URL), `system`, `code`, and perhaps `version` (of the system), `display`.
    ///
    /// `name` is the key of a map whose rows name none, and the system of codes whose rows name none.
    pub fn load_csv(&mut self, name: &str, rows: impl io::Read, limits: &Limits) -> Result<Loaded> {
        let mut batch = Batch::default();
        csv::read(name, rows, limits, &mut batch)?;
        Ok(batch.add_to(self))
    }

    /// Loads an OHDSI Athena download (ZIP): `CONCEPT.csv`, and when there `CONCEPT_ANCESTOR.csv` and `CONCEPT_RELATIONSHIP.csv`.
    ///
    /// Every vocabulary becomes a code system (SNOMED is `http://snomed.info/sct`; one without a FHIR URI is `urn:omop:vocabulary:NAME`), direct
    /// ancestors become parents, "Maps to" becomes the concept map `athena/maps-to`. The files are streamed; memory is what is kept.
    pub fn load_athena(&mut self, zip: impl io::Read + io::Seek, options: &AthenaOptions) -> Result<Loaded> {
        let mut batch = Batch::default();
        athena::read(zip, options, &mut batch)?;
        Ok(batch.add_to(self))
    }

    /// Loads a SNOMED CT release (ZIP with RF2 snapshot files) of your own as `http://snomed.info/sct`: concepts, preferred terms, fully specified
    /// names (designations with the use `900000000000003001`), and "is a" as parents.
    pub fn load_snomed(&mut self, zip: impl io::Read + io::Seek, options: &SnomedOptions) -> Result<Loaded> {
        let mut batch = Batch::default();
        rf2::read(zip, options, &mut batch)?;
        Ok(batch.add_to(self))
    }

    /// Loads a LOINC release (ZIP with `Loinc.csv`) of your own as `http://loinc.org`: long common names, short names (designations with the use
    /// `SHORTNAME`), and the parts of the name as properties (`COMPONENT`, `PROPERTY`, `TIME_ASPCT`, `SYSTEM`, `SCALE_TYP`, `METHOD_TYP`, `CLASS`, `STATUS`).
    pub fn load_loinc(&mut self, zip: impl io::Read + io::Seek, limits: &Limits) -> Result<Loaded> {
        let mut batch = Batch::default();
        loinc::read(zip, limits, &mut batch)?;
        Ok(batch.add_to(self))
    }
}
