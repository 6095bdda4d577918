//! C-CDA through the engine, and records of both kinds as FHIR in SQL.

use std::{fs, ops::ControlFlow, path::Path};

use sutura_core::ColumnMeta;
use sutura_engine::{
    Engine, EngineOptions, lineage,
    pass::{PassOptions, SharedPass, SourceSpec},
};
use sutura_synthetic::{CcdaExport, CcdaOptions, CcdaTruth, Compression};

use crate::{hl7v2::feed, read::text};

const PATIENTS: u64 = 8;

fn documents(folder: &Path, compression: Compression) -> CcdaTruth {
    let options = CcdaOptions { patients: PATIENTS, seed: 7, compression, ..CcdaOptions::default() };
    CcdaExport::new(options).unwrap().write_to(folder, &|_| ControlFlow::Continue(())).unwrap()
}

/// The numbers of a table of one row.
async fn numbers(engine: &Engine, query: &str) -> Vec<u64> {
    let table = text(engine, query).await;
    let row = table.lines().nth(3).unwrap_or_default().to_owned();
    row.split('|').filter_map(|cell| cell.trim().parse::<f64>().ok()).map(|number| number as u64).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_tables_that_agree_with_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    for compression in [Compression::None, Compression::Gzip] {
        let place = folder.path().join(format!("{compression:?}"));
        let truth = documents(&place, compression);
        let documents = place.join("documents").display().to_string();
        assert_eq!(numbers(&engine, &format!("select count(*) from read_ccda('{documents}')")).await, [PATIENTS]);
        for (kind, known) in &truth.sections {
            let query = format!("select count(*) from read_ccda('{documents}', 'sections') where kind = '{kind}'");
            assert_eq!(numbers(&engine, &query).await, [known.sections], "{kind}");
        }
        let entries: u64 = truth.sections.values().map(|known| known.entries).sum();
        assert_eq!(numbers(&engine, &format!("select count(*) from read_ccda('{documents}', 'entries')")).await, [entries]);
        let pass = SharedPass::new(&engine, vec![SourceSpec::new("documents", "ccda", &documents)]).await.unwrap();
        let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
        assert!(report.balances());
        assert_eq!(report.stats("documents").accepted, PATIENTS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_document_is_a_reject_also_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    documents(folder.path(), Compression::None);
    let place = folder.path().join("documents");
    fs::write(place.join("cut.xml"), "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget>").unwrap();
    fs::write(place.join("other.xml"), "<Patient xmlns='http://hl7.org/fhir'/>").unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let rejects = text(&engine, &format!("select code, count(*) from rejects('{}') group by 1 order by 1", place.display())).await;
    assert!(rejects.contains("not-a-clinical-document") && rejects.contains("xml-unbalanced"), "{rejects}");
    // A folder of messages is one of messages still, whatever else lies in it.
    fs::write(place.join("feed.hl7"), feed(3)).unwrap();
    let rejects =
        text(&engine, &format!("select count(*) from rejects('{}') where code = 'not-a-clinical-document'", place.display())).await;
    assert!(rejects.contains("| 0 "), "{rejects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_records_come_as_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let latin =
        "<?xml version='1.0' encoding='ISO-8859-1'?><ClinicalDocument xmlns='urn:hl7-org:v3'><title>M\u{FC}ller</title></ClinicalDocument>";
    let bytes: Vec<u8> = latin.chars().map(|letter| letter as u8).collect();
    fs::write(folder.path().join("latin.xml"), bytes).unwrap();
    let found = text(&engine, &format!("select text from read_ccda('{}', 'raw')", folder.path().display())).await;
    assert!(found.contains(latin), "{found}");
    let path = folder.path().join("feed.hl7");
    fs::write(&path, feed(1200)).unwrap();
    let query = format!(
        "select count(*), count(distinct hl7(text, 'MSH-10')), sum(cast(length(text) = _length as int)) from read_hl7v2('{}', 'raw')",
        path.display()
    );
    assert_eq!(numbers(&engine, &query).await, [1200, 1200, 1200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_become_fhir_in_sql() {
    let folder = tempfile::tempdir().unwrap();
    documents(folder.path(), Compression::None);
    let path = folder.path().join("feed.hl7");
    fs::write(&path, feed(40)).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let place = folder.path().join("documents");
    for (read, convert, wanted) in [
        (format!("read_hl7v2('{}', 'raw')", path.display()), "hl7v2_to_fhir", 40),
        (format!("read_ccda('{}', 'raw')", place.display()), "ccda_to_fhir", PATIENTS),
    ] {
        let patients = format!("{convert}(text), 'entry.resource.ofType(Patient).count()'");
        let query = format!("select count(fhirpath({patients})), sum(cast(fhirpath({patients}) as int)) from {read}");
        assert_eq!(numbers(&engine, &query).await, [wanted, wanted], "{convert}");
        let frame = engine.sql(&format!("select upper({convert}(text)) as bundle, {convert}('x') as constant from {read}")).await.unwrap();
        let schema = lineage::classified_schema(&frame);
        assert!(schema.fields().iter().all(|field| ColumnMeta::from_field(field).must_refuse()), "a Bundle is a whole record: {schema:?}");
    }
    // What is no record gives null and does not end the query.
    let odd =
        text(&engine, "select hl7v2_to_fhir('hello') is null as a, ccda_to_fhir('<a/>') is null as b, ccda_to_fhir(null) is null as c")
            .await;
    assert_eq!(odd.matches("true").count(), 3, "{odd}");
    assert!(engine.sql("select hl7v2_to_fhir('a', 'b')").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_units_in_sql() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    for (call, wanted) in [
        ("oid_to_uri('2.16.840.1.113883.6.1')", "http://loinc.org"),
        ("oid_to_uri('1.2.3.4')", "urn:oid:1.2.3.4"),
        ("uri_to_oid('http://loinc.org')", "2.16.840.1.113883.6.1"),
        ("ucum_code('mmHg')", "mm[Hg]"),
        ("ucum_convert(98.6, '[degF]', 'Cel')", "37.0"),
        ("ucum_convert('1.5', 'g', 'mg')", "1500.0"),
        ("ucum_convert(1, '[lb_av]', 'kg')", "0.45359237"),
        ("ucum_convert(1, 'g', 'mL') is null", "true"),
        ("ucum_convert(1, 'g', 'nonsense') is null", "true"),
        ("lab_normalise('2345-7', 100, 'mg/dL')", "5.55"),
        ("lab_unit('2345-7')", "mmol/L"),
        ("lab_normalise('0-0', 100, 'mg/dL') is null", "true"),
        ("code_display('http://hl7.org/fhir/administrative-gender', 'female')", "Female"),
        ("code_display('http://hl7.org/fhir/administrative-gender', 'x') is null", "true"),
        ("code_translate('AdministrativeSex', 'F')", "female"),
        ("code_translate('AdministrativeSex', 'nonsense') is null", "true"),
    ] {
        let found = text(&engine, &format!("select {call} as found")).await;
        assert!(found.contains(&format!("| {wanted} ")), "{call}: {found}");
    }
    assert!(engine.sql("select code_translate('no such map', 'F')").await.is_err());
    assert!(engine.sql("select ucum_convert(1)").await.is_err());
}
