//! A SNOMED CT release in RF2: snapshot files in a ZIP archive.

use std::io::{Read, Seek};

use super::{
    Batch, Limits,
    archive::{self, ZipFile},
    lines::each_line,
};
use crate::{
    code_system::CodeSystemBuilder,
    error::{Result, TerminologyError},
};

const WHAT: &str = "the SNOMED CT release";
const URI: &str = "http://snomed.info/sct";
const FULLY_SPECIFIED_NAME: &str = "900000000000003001";
const PREFERRED: &str = "900000000000548007";
const IS_A: &str = "116680003";

/// How a SNOMED CT release is loaded.
#[derive(Debug, Clone)]
pub struct SnomedOptions {
    /// The module that names the edition in the version; the International Edition unless said otherwise.
    pub edition: String,
    /// The language reference set whose preferred terms become displays; US English unless said otherwise.
    pub language: String,
    /// Keeps all other active descriptions as designations, so that they are found and accepted as displays.
    pub synonyms: bool,
    /// What the release may hold.
    pub limits: Limits,
}

impl Default for SnomedOptions {
    fn default() -> Self {
        Self {
            edition: "900000000000207008".to_owned(),
            language: "900000000000509007".to_owned(),
            synonyms: true,
            limits: Limits::default(),
        }
    }
}

pub(super) fn read(mut zip: impl Read + Seek, options: &SnomedOptions, batch: &mut Batch) -> Result<()> {
    let files = archive::zip_files(&mut zip)?;
    let snapshot = |kind: &'static str| files.iter().filter(move |file| name_of(file).contains(kind));
    let concepts = snapshot("sct2_Concept_Snapshot").next().ok_or_else(|| TerminologyError::Format {
        what: WHAT,
        place: "sct2_Concept_Snapshot".to_owned(),
        reason: "the archive has no such file: the RF2 snapshot is wanted".to_owned(),
    })?;
    let date: String = name_of(concepts).chars().rev().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let version = format!("{URI}/{}/version/{}", options.edition, date.chars().rev().collect::<String>());
    let mut builder = CodeSystemBuilder::new(URI).name("SNOMED CT").version(Some(&version)).oid(Some("2.16.840.1.113883.6.96"));

    each_line(WHAT, &mut zip, concepts, &options.limits, ["id", "active"], |[id, active]| {
        let number = builder.add(id, "")?;
        if active != "1" {
            builder.set_inactive(number);
        }
        batch.concepts = builder.len() as u64;
        batch.check(&options.limits)
    })?;
    let mut preferred: Vec<u64> = Vec::new();
    let most = usize::try_from(options.limits.mappings).unwrap_or(usize::MAX);
    for file in snapshot("cRefset_Language") {
        const COLUMNS: [&str; 4] = ["active", "refsetid", "referencedcomponentid", "acceptabilityid"];
        each_line(WHAT, &mut zip, file, &options.limits, COLUMNS, |[active, set, description, acceptability]| {
            if active == "1" && set == options.language && acceptability == PREFERRED {
                if preferred.len() >= most {
                    return Err(TerminologyError::Limit { what: "preferred terms", limit: options.limits.mappings });
                }
                preferred.extend(description.parse::<u64>().ok());
            }
            Ok(())
        })?;
    }
    preferred.sort_unstable();
    for file in snapshot("sct2_Description_Snapshot") {
        descriptions(&mut zip, file, options, &preferred, &mut builder)?;
    }
    let mut edges = 0_u64;
    for file in snapshot("sct2_Relationship_Snapshot") {
        each_line(
            WHAT,
            &mut zip,
            file,
            &options.limits,
            ["active", "sourceid", "destinationid", "typeid"],
            |[active, child, parent, kind]| {
                if active != "1" || kind != IS_A {
                    return Ok(());
                }
                edges += 1;
                if edges > options.limits.edges {
                    return Err(TerminologyError::Limit { what: "parents", limit: options.limits.edges });
                }
                if let (Some(child), Some(parent)) = (builder.find(child), builder.find(parent)) {
                    builder.add_parent(child, parent);
                }
                Ok(())
            },
        )?;
    }
    batch.systems.push(builder.finish());
    Ok(())
}

fn name_of(file: &ZipFile) -> &str {
    file.name.rsplit('/').next().unwrap_or_default()
}

fn descriptions(
    zip: &mut (impl Read + Seek),
    file: &ZipFile,
    options: &SnomedOptions,
    preferred: &[u64],
    builder: &mut CodeSystemBuilder,
) -> Result<()> {
    const COLUMNS: [&str; 6] = ["id", "active", "conceptid", "languagecode", "typeid", "term"];
    each_line(WHAT, zip, file, &options.limits, COLUMNS, |[id, active, concept, language, kind, term]| {
        if active != "1" {
            return Ok(());
        }
        let Some(number) = builder.find(concept) else { return Ok(()) };
        let is_preferred = id.parse().is_ok_and(|id: u64| preferred.binary_search(&id).is_ok());
        if kind == FULLY_SPECIFIED_NAME {
            // Without a language set the fully specified name is all there is to show.
            if preferred.is_empty() {
                builder.add(concept, term)?;
            }
            builder.add_designation(number, language, kind, term)
        } else if is_preferred {
            builder.add(concept, term).map(|_| ())
        } else if options.synonyms {
            builder.add_designation(number, language, kind, term)
        } else {
            Ok(())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Coding, Subsumption, Terminology, ValidateOptions, load::archive::tests::zip};

    #[test]
    fn a_release_of_made_up_concepts_is_loaded() {
        let concepts = "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId\n10\t20240101\t1\tm\td\n11\t20240101\t1\tm\td\n12\t20240101\t0\tm\td\n";
        let descriptions = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n\
            1\t20240101\t1\tm\t10\ten\t900000000000003001\tWhole (made up)\tc\n\
            2\t20240101\t1\tm\t10\ten\t900000000000013009\tWhole\tc\n\
            3\t20240101\t1\tm\t11\ten\t900000000000013009\tPart\tc\n\
            4\t20240101\t1\tm\t11\ten\t900000000000013009\tPiece\tc\n\
            5\t20240101\t0\tm\t11\ten\t900000000000013009\tGone\tc\n";
        let language = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId\n\
            a\t20240101\t1\tm\t900000000000509007\t2\t900000000000548007\n\
            b\t20240101\t1\tm\t900000000000509007\t3\t900000000000548007\n\
            c\t20240101\t1\tm\t900000000000508004\t4\t900000000000548007\n";
        let relationships = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId\n\
            1\t20240101\t1\tm\t11\t10\t0\t116680003\tx\ty\n2\t20240101\t0\tm\t12\t10\t0\t116680003\tx\ty\n";
        let bytes = zip(&[
            ("R/Snapshot/Terminology/sct2_Concept_Snapshot_INT_20240101.txt", concepts),
            ("R/Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20240101.txt", descriptions),
            ("R/Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20240101.txt", language),
            ("R/Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20240101.txt", relationships),
        ]);
        let mut all = Terminology::empty();
        assert_eq!(all.load_snomed(Cursor::new(&bytes), &SnomedOptions::default()).unwrap().concepts, 3);
        let system = all.code_system(URI).unwrap();
        assert_eq!(system.version(), Some("http://snomed.info/sct/900000000000207008/version/20240101"));
        assert_eq!(system.subsumes("10", "11"), Ok(Subsumption::Subsumes));
        assert_eq!(system.concept("11").unwrap().display(), Some("Part"));
        assert!(system.concept("12").unwrap().is_inactive());
        let valid = |display| {
            let coding = Coding { system: URI, code: "11", display: Some(display), ..Coding::default() };
            all.validate_code(None, &coding, &ValidateOptions::default()).unwrap().result
        };
        assert!(valid("piece") && valid("Part") && !valid("Gone"));
        assert!(matches!(all.load_snomed(Cursor::new(zip(&[])), &SnomedOptions::default()), Err(TerminologyError::Format { .. })));
    }
}
