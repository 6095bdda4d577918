//! Any resource or Bundle becomes JSON without its patient, or nothing; as a stream the same.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sutura_deid::fhir::FhirDeidentifier;
use sutura_deid_fuzz::{FAMILY, NUMBER, choice, document, released, streams_alike, subjects};
use sutura_fhir::json::{Parser, Value};

static SUBJECTS: LazyLock<[FhirDeidentifier; 2]> = LazyLock::new(|| subjects(FhirDeidentifier::new));

const SEEDS: [&str; 3] = [
    r##"{"resourceType":"Patient","id":"p1","meta":{"versionId":"4711"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Jane <b>Zorkovich</b> 4711936001</div>"},"identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"4711936001"},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"123-45-6789"}],"name":[{"family":"Zorkovich","given":["Jane","Q"],"_given":[null,{"id":"x"}]}],"telecom":[{"system":"email","value":"j@z.example"}],"gender":"female","birthDate":"1980-05-17","_birthDate":{"extension":[{"url":"http://x","valueTime":"10:00"}]},"address":[{"line":["12 Elm"],"postalCode":"02139"}],"contained":[{"resourceType":"Organization","id":"o","name":"Acme"}],"managingOrganization":{"reference":"#o"},"photo":[{"data":"SmFu"}]}"##,
    r##"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":{"resourceType":"Patient","identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"4711936001"}],"name":[{"family":"Zorkovich"}]},"request":{"method":"PUT","url":"Patient/1"}},{"resource":{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"30525-0","display":"Age"}],"text":"of Zorkovich"},"subject":{"reference":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","display":"Jane Zorkovich"},"effectiveDateTime":"2024-03-01T10:15:00-05:00","valueQuantity":{"value":93.0,"unit":"a"},"note":[{"text":"Zorkovich seen on 2024-03-01"}],"component":[{"code":{"text":"x"},"valueString":"y"}]}}],"total":2}"##,
    r##"{"resourceType":"List","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/1","display":"Zorkovich"}}],"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"text","valueString":"White"}]}]}"##,
];

fuzz_target!(|data: &[u8]| {
    let bytes = document(&SEEDS, data);
    let subject = &SUBJECTS[choice(data)];
    let mut parser = Parser::default();
    let known = parser.parse(&bytes).map(|document| known(document.root())).unwrap_or_default();
    let out = released(subject, &bytes, &known);
    if let Some(out) = &out {
        Parser::default().parse(out).expect("JSON");
        assert!(!out.contains(&b'\n'));
    }
    streams_alike(subject, &bytes, out.as_deref());
});

/// What a Patient of the document says of itself.
fn known(root: Value<'_>) -> Vec<&'static str> {
    let text = |value: Option<Value<'_>>, word: &str| value.is_some_and(|value| value.as_str() == Some(word));
    let entries = root.get("entry").into_iter().flat_map(|list| list.items()).filter_map(|entry| entry.get("resource"));
    let mut known = Vec::new();
    for patient in entries.chain([root]).filter(|resource| text(resource.get("resourceType"), "Patient")) {
        let each = |name: &str| patient.get(name).into_iter().flat_map(|list| list.items());
        if each("identifier").any(|identifier| text(identifier.get("value"), NUMBER)) {
            known.push(NUMBER);
        }
        if each("name").any(|name| text(name.get("family"), FAMILY)) {
            known.push(FAMILY);
        }
    }
    known
}
