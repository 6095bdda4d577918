//! FHIR through the engine: files of lines by range, Bundles whole, packed or not.

use std::{fs, io::Write};

use sutura_engine::{
    Engine, EngineOptions,
    pass::{PassOptions, SharedPass, SourceSpec},
};

use crate::read::text;

fn line(n: usize) -> String {
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"o{n}\",\"subject\":{{\"reference\":\"Patient/p{}\"}},\"code\":{{\"coding\":[{{\"code\":\"8302-2\"}}]}},\
         \"valueQuantity\":{{\"value\":{}.5,\"unit\":\"cm\"}}}}",
        n % 7,
        n % 200
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_rows_whatever_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..3000).map(line).collect();
    let entries: Vec<String> = lines.iter().map(|line| format!("{{\"fullUrl\":\"urn:uuid:1\",\"resource\":{line}}}")).collect();
    let ndjson = lines.join("\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(ndjson.as_bytes()).unwrap();
    let bundle = format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\n\"entry\":[{}]}}", entries.join(",\n"));
    // Small ranges: the file of lines is read in many, the others in one.
    let options = EngineOptions { min_range_bytes: 10_000, target_partitions: 4, ..EngineOptions::default() };
    let engine = Engine::new(options).unwrap();
    let mut answers = Vec::new();
    for (name, bytes) in
        [("a.ndjson", ndjson.clone().into_bytes()), ("b.ndjson.gz", packed.finish().unwrap()), ("c.json", bundle.into_bytes())]
    {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        let query = "select patient_id, count(*) as n, sum(value_number) as total, min(value_unit) as unit";
        answers.push(text(&engine, &format!("{query} from read_fhir('{path}', 'observations') group by 1 order by 1")).await);
        let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "fhir", path)]).await.unwrap();
        let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
        assert!(report.balances(), "{name}");
    }
    assert!(answers[0].contains("p6") && answers[0].contains("429"), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let of_folder = format!("select resource_type, count(*) as n from read_fhir('{}') group by 1", folder.path().display());
    assert!(text(&engine, &of_folder).await.contains("9000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_a_reject() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ndjson");
    fs::write(&path, format!("{}\n{{\"resourceType\":\"Patient\",\n{}\n", line(1), line(2))).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let rejects = text(&engine, &format!("select code, _offset from rejects('{}')", path.display())).await;
    assert!(rejects.contains("json-unterminated"), "{rejects}");
}
