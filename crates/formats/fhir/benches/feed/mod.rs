//! What the benches read.

/// The file that `SUTURA_BENCH_NDJSON` names, else made-up Observations.
pub(crate) fn ndjson() -> Vec<u8> {
    if let Some(file) = std::env::var_os("SUTURA_BENCH_NDJSON") {
        return std::fs::read(file).unwrap();
    }
    let line = |n: usize| {
        format!(
            r#"{{"resourceType":"Observation","id":"bd1f7b4f-9c2e-4dd5-a6a8-{n:012}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}}],"text":"Body Height"}},"subject":{{"reference":"urn:uuid:a1"}},"encounter":{{"reference":"urn:uuid:b2"}},"effectiveDateTime":"2012-04-03T10:12:01-04:00","issued":"2012-04-03T10:12:01.512-04:00","valueQuantity":{{"value":{}.4,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}}}
"#,
            n % 200
        )
    };
    (0..10_000).map(line).collect::<String>().into_bytes()
}
