//! Any configuration is refused or runs on a Patient and a Bundle, and gives JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_deid::{DocumentDeidentifier, Ledger, anonymizer::Anonymizer};
use sutura_deid_fuzz::document;

const SEEDS: [&str; 2] = [
    r##"{"fhirVersion":"R4","processingErrors":"raise","fhirPathRules":[{"path":"nodesByType('Extension')","method":"redact"},{"path":"Patient.birthDate","method":"dateShift"},{"path":"nodesByType('HumanName').given","method":"cryptoHash"},{"path":"Patient.address.postalCode","method":"redact"},{"path":"Observation.value as Quantity","method":"perturb","span":"0.1","rangeType":"proportional","roundTo":"1"},{"path":"Patient.gender","method":"substitute","replaceWith":"unknown"},{"path":"Resource.id","method":"keep"}],"parameters":{"dateShiftKey":"k","dateShiftScope":"resource","cryptoHashKey":"123","encryptKey":"704ab12cd34ef56a","enablePartialAgesForRedact":true,"enablePartialDatesForRedact":true,"enablePartialZipCodesForRedact":true,"restrictedZipCodeTabulationAreas":["036","059"]}}"##,
    r##"{"fhirVersion":"R4","fhirPathRules":[{"path":"Observation.value.value","method":"generalize","cases":{"$this>90":"90","$this<=90 and $this>0":"$this div 10 * 10"},"otherValues":"redact"},{"path":"Bundle.entry.resource.where($this is Patient).name","method":"redact"},{"path":"nodesByName('reference')","method":"cryptoHash"}],"parameters":{}}"##,
];

const DOCUMENTS: [&[u8]; 2] = [
    br##"{"resourceType":"Patient","id":"p","name":[{"family":"Doe","given":["J"],"_given":[{"id":"x"}]}],"gender":"male","birthDate":"1980-05-17","extension":[{"url":"u","valueAge":{"value":93,"unit":"a"}}],"address":[{"city":"B","postalCode":"02139"}],"contained":[{"resourceType":"Organization","id":"o"}],"managingOrganization":{"reference":"#o"}}"##,
    br##"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":{"resourceType":"Patient","name":[{"text":"J Doe"}]}},{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"},"valueQuantity":{"value":13.50},"effectiveDateTime":"2024-03-01T10:15:00Z"}}]}"##,
];

fuzz_target!(|data: &[u8]| {
    let Ok(anonymizer) = Anonymizer::from_json(&document(&SEEDS, data)) else { return };
    for document in DOCUMENTS {
        let mut out = Vec::new();
        if anonymizer.deidentify(document, &mut out, &mut Ledger::new()).is_ok() {
            let read = sutura_fhir::json::Parser::default().parse(&out).err();
            assert!(read.is_none(), "{read:?} in {}", String::from_utf8_lossy(&out));
        } else {
            assert!(out.is_empty());
        }
    }
});
