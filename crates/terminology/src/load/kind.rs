//! What a file of terminology is, told by its content, and the loader that goes with it.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use super::{AthenaOptions, Limits, Loaded, SnomedOptions, archive, fhir, read_error};
use crate::{
    error::{Result, TerminologyError},
    terminology::Terminology,
};

/// What a file of terminology is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// FHIR resources as JSON or NDJSON, plain or gzip.
    Fhir,
    /// A FHIR package (`.tgz`).
    FhirPackage,
    /// CSV with a header, plain or gzip.
    Csv,
    /// An OHDSI Athena download (ZIP).
    Athena,
    /// A SNOMED CT release in RF2 (ZIP).
    Snomed,
    /// A LOINC release (ZIP).
    Loinc,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fhir => "FHIR JSON",
            Self::FhirPackage => "FHIR package",
            Self::Csv => "CSV",
            Self::Athena => "Athena download",
            Self::Snomed => "SNOMED CT release",
            Self::Loinc => "LOINC release",
        })
    }
}

/// So many bytes tell what a file is.
const BEGINNING: u64 = 64 << 10;

impl Terminology {
    /// Loads a file of any kind that is known; its content tells which. `name` is the file's name without extension: the key of a map
    /// and the system of codes of which a CSV file names none.
    ///
    /// # Errors
    /// [`TerminologyError::UnknownKind`] for a file that is none of them; else what its loader finds.
    pub fn load_file(&mut self, name: &str, mut file: impl Read + Seek, limits: &Limits) -> Result<(FileKind, Loaded)> {
        let kind = kind_of(&mut file)?;
        file.seek(SeekFrom::Start(0)).map_err(|error| read_error("the file", &error))?;
        let loaded = match kind {
            Told::Zip(FileKind::Athena) => self.load_athena(file, &AthenaOptions { limits: *limits, ..AthenaOptions::default() })?,
            Told::Zip(FileKind::Snomed) => self.load_snomed(file, &SnomedOptions { limits: *limits, ..SnomedOptions::default() })?,
            Told::Zip(_) => self.load_loinc(file, limits)?,
            Told::Package => self.load_fhir_package(file, limits)?,
            Told::Csv { packed: false } => self.load_csv(name, file, limits)?,
            Told::Csv { packed: true } => self.load_csv(name, MultiGzDecoder::new(file), limits)?,
            Told::Json { packed: false } => self.load_json(file, limits)?,
            Told::Json { packed: true } => self.load_json(MultiGzDecoder::new(file), limits)?,
        };
        if loaded.code_systems + loaded.value_sets + loaded.concept_maps == 0 {
            return Err(unknown("it holds no code system, value set or concept map"));
        }
        Ok((kind.kind(), loaded))
    }

    fn load_json(&mut self, file: impl Read, limits: &Limits) -> Result<Loaded> {
        let mut bytes = Vec::new();
        file.take(limits.resource_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| read_error("FHIR JSON", &error))?;
        if bytes.len() as u64 > limits.resource_bytes {
            return Err(TerminologyError::Limit { what: "bytes of a file of FHIR JSON", limit: limits.resource_bytes });
        }
        if !fhir::may_be_terminology(&bytes) {
            return Err(unknown("it is JSON without a CodeSystem, ValueSet or ConceptMap"));
        }
        self.load_fhir(&bytes, limits)
    }
}

fn unknown(reason: &'static str) -> TerminologyError {
    TerminologyError::UnknownKind { reason }
}

/// What the beginning of a file tells.
#[derive(Clone, Copy)]
enum Told {
    Zip(FileKind),
    Package,
    Csv { packed: bool },
    Json { packed: bool },
}

impl Told {
    fn kind(self) -> FileKind {
        match self {
            Self::Zip(kind) => kind,
            Self::Package => FileKind::FhirPackage,
            Self::Csv { .. } => FileKind::Csv,
            Self::Json { .. } => FileKind::Fhir,
        }
    }
}

fn kind_of(file: &mut (impl Read + Seek)) -> Result<Told> {
    let beginning = beginning_of(&mut *file)?;
    if beginning.starts_with(b"PK") {
        return kind_of_zip(file).map(Told::Zip);
    }
    if !beginning.starts_with(&[0x1F, 0x8B]) {
        return kind_of_text(&beginning, false);
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| read_error("the file", &error))?;
    let unpacked = beginning_of(MultiGzDecoder::new(file))?;
    // A tar archive has its mark behind the first name.
    if unpacked.get(257..262) == Some(b"ustar") || unpacked.get(156) == Some(&b'0') && unpacked.first().is_some_and(|byte| *byte != b'{') {
        return Ok(Told::Package);
    }
    kind_of_text(&unpacked, true)
}

fn beginning_of(file: impl Read) -> Result<Vec<u8>> {
    let mut beginning = Vec::new();
    match file.take(BEGINNING).read_to_end(&mut beginning) {
        Err(error) if beginning.is_empty() || error.kind() != io::ErrorKind::UnexpectedEof => Err(read_error("the file", &error)),
        _ => Ok(beginning),
    }
}

fn kind_of_zip(file: &mut (impl Read + Seek)) -> Result<FileKind> {
    let files = archive::zip_files(file)?;
    let names = || files.iter().map(|file| file.name.rsplit('/').next().unwrap_or_default());
    if names().any(|name| name.eq_ignore_ascii_case("CONCEPT.csv")) {
        return Ok(FileKind::Athena);
    }
    if names().any(|name| name.contains("sct2_Concept_Snapshot")) {
        return Ok(FileKind::Snomed);
    }
    if names().any(|name| name.eq_ignore_ascii_case("Loinc.csv")) {
        return Ok(FileKind::Loinc);
    }
    Err(unknown("the ZIP archive has neither CONCEPT.csv (Athena) nor an RF2 snapshot (SNOMED CT) nor Loinc.csv (LOINC)"))
}

fn kind_of_text(beginning: &[u8], packed: bool) -> Result<Told> {
    let text = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        None => return Err(unknown("it is empty")),
        Some(b'{') => return Ok(Told::Json { packed }),
        Some(b'[') => return Err(unknown("it is a JSON array; FHIR has one resource, a Bundle or NDJSON")),
        Some(b'<') => return Err(unknown("it is XML; FHIR is read as JSON")),
        Some(_) => {}
    }
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(header) = std::str::from_utf8(header) else { return Err(unknown("it is neither text nor an archive that is known")) };
    let header = header.to_ascii_lowercase();
    let has = |name: &str| header.split(',').any(|column| column.trim().trim_matches('"') == name);
    if has("code") || has("source_code") && has("target_code") {
        return Ok(Told::Csv { packed });
    }
    if header.contains('\t') {
        return Err(unknown("it is separated by tabs; give a download of Athena or SNOMED CT as the ZIP it came in"));
    }
    if header.contains("loinc_num") {
        return Err(unknown("it is a table of LOINC; give the release as the ZIP it came in"));
    }
    Err(unknown(
        "it is text, but its first line does not name the columns of CSV: code; source_code and target_code; or value_set and code",
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::load::archive::tests::{tgz, zip};

    const SYSTEM: &str = r#"{"resourceType":"CodeSystem","url":"urn:p","concept":[{"code":"x","display":"X"}]}"#;
    const CONCEPT: &str = "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tinvalid_reason\n\
        1\tThing\tCondition\tMade Up\tFinding\tS\t100\t\n";

    fn load(bytes: &[u8]) -> Result<(FileKind, Loaded)> {
        Terminology::empty().load_file("file", Cursor::new(bytes), &Limits::default())
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn every_kind_is_told_by_its_content() {
        let codes = "\u{feff}\"Code\",Display\nA,a\n";
        let snapshot = "id\tactive\n10\t1\n";
        let descriptions = "id\tactive\tconceptId\tlanguageCode\ttypeId\tterm\n1\t1\t10\ten\t900000000000003001\tThing\n";
        for (kind, bytes) in [
            (FileKind::Fhir, format!("\u{feff}\n {SYSTEM}").into_bytes()),
            (FileKind::Fhir, gzip(SYSTEM)),
            (FileKind::FhirPackage, tgz(&[("package/CodeSystem-p.json", SYSTEM)])),
            (FileKind::Csv, codes.as_bytes().to_vec()),
            (FileKind::Csv, gzip(codes)),
            (FileKind::Csv, b"source_code,target_code,target_system\r\na,b,urn:b\r\n".to_vec()),
            (FileKind::Csv, b"value_set,system,code\nurn:v,urn:s,c\n".to_vec()),
            (FileKind::Athena, zip(&[("CONCEPT.csv", CONCEPT)])),
            (
                FileKind::Snomed,
                zip(&[
                    ("a/sct2_Concept_Snapshot_INT_20240101.txt", snapshot),
                    ("a/sct2_Description_Snapshot-en_INT_20240101.txt", descriptions),
                ]),
            ),
            (FileKind::Loinc, zip(&[("LoincTable/Loinc.csv", "LOINC_NUM,LONG_COMMON_NAME\n1-8,Thing\n")])),
        ] {
            let (found, loaded) = load(&bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(found, kind);
            assert!(loaded.code_systems + loaded.value_sets + loaded.concept_maps > 0, "{kind}");
        }
    }

    #[test]
    fn what_is_none_is_told_what_is_wanted_and_nothing_of_it_is_repeated() {
        for (bytes, words) in [
            (Vec::new(), "empty"),
            (b"<CodeSystem/>".to_vec(), "XML"),
            (b"CANARY,b\n1,2\n".to_vec(), "columns"),
            (CONCEPT.as_bytes().to_vec(), "tabs"),
            (b"LOINC_NUM,CANARY\n".to_vec(), "ZIP"),
            (b"{\"resourceType\":\"Patient\",\"id\":\"CANARY\"}".to_vec(), "without a CodeSystem"),
            (b"{\"resourceType\":\"Patient\",\"id\":\"CANARY\",\"x\":\"ValueSet\"}".to_vec(), "no code system"),
            (vec![0xFF, 0xFE, 0, 1, 2], "neither text"),
            (zip(&[("CANARY.txt", "x")]), "CONCEPT.csv"),
            (gzip("CANARY"), "columns"),
        ] {
            let error = load(&bytes).unwrap_err();
            assert!(matches!(error, TerminologyError::UnknownKind { .. }), "{error:?}");
            let said = error.to_string();
            assert!(said.contains(words) && said.contains("Athena") && !said.contains("CANARY"), "{said}");
        }
        assert!(matches!(load(b"PK\x03\x04"), Err(TerminologyError::Format { .. })));
        assert!(load(&[0x1F, 0x8B, 8, 0]).is_err());
    }
}
