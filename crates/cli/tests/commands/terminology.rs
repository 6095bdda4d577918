//! Terminology of the user: in `sutura convert`, in queries and in jobs.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, Crc, write::DeflateEncoder};
use serde_json::{Value, json};

use crate::{expect, run, stderr, stdout};

const LEAVE: [&str; 5] = ["--allow-phi", "--purpose", "a test", "--recorded", "2026-01-01T00:00:00Z"];

const CODES: &str = "code,display\nGLU,Glucose of ours\nCANARYCODE,Something of ours\n";
const MAP: &str = r#"{"resourceType":"ConceptMap","url":"http://h.example/lab-to-loinc","group":[{"source":"99LAB","target":"http://loinc.org",
    "element":[{"code":"GLU","target":[{"code":"2345-7","display":"Glucose in Serum","equivalence":"equivalent"}]}]}]}"#;
const SET: &str = "value_set,system,code\nhttp://h.example/sugar,99LAB,GLU\n";
const KINDS: &str = "system,code,display,parent\nhttp://h.example/kinds,dog,Dog,animal\nhttp://h.example/kinds,animal,Animal,\n";
const FEED: &str = "MSH|^~\\&|LAB|HOSP|||20260701150900||ORU^R01^ORU_R01|C1|P|2.5.1\rPID|1||77^^^HOSP^MR||Doe^Jane\r\
    OBR|1|||GLU^^99LAB|||20260701150900\rOBX|1|NM|GLU^^99LAB||95|mg/dL|||||F\rOBX|2|NM|CANARYCODE^^99LAB||95|mg/dL|||||F\r\
    OBX|3|NM|CANARYWILD^^99LAB||95|mg/dL|||||F\rOBX|4|CE|111^^I10C||K^^99LAB2||||||F\r";

/// A ZIP archive with one packed file.
fn zip(name: &str, text: &str) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let mut head = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
    for number in [crc.sum(), packed.len() as u32, text.len() as u32] {
        head.extend(number.to_le_bytes());
    }
    head.extend((name.len() as u16).to_le_bytes());
    head.extend([0, 0]);
    let mut out = [b"PK\x03\x04", head.as_slice(), name.as_bytes(), &packed].concat();
    let at = out.len() as u32;
    let directory = [b"PK\x01\x02\x14\0", head.as_slice(), &[0; 14], name.as_bytes()].concat();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A folder with a message, and with terminology in `own/`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    let concepts = "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tinvalid_reason\n\
        1\tMade up thing\tCondition\tICD10CM\tFinding\t\t111\t\n";
    for (name, bytes) in [
        ("feed.hl7", FEED.as_bytes().to_vec()),
        ("own/99LAB.csv", CODES.as_bytes().to_vec()),
        ("own/map.json", MAP.as_bytes().to_vec()),
        ("own/members.csv", SET.as_bytes().to_vec()),
        ("own/kinds.csv", KINDS.as_bytes().to_vec()),
        ("own/athena.zip", zip("CONCEPT.csv", concepts)),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn query(folder: &Path, query: &str) -> Value {
    let output = run(folder, &["sql", query, "--terminology", "own", "--format", "json"]);
    expect(&output, 0);
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn codes_are_translated_and_counted_and_never_named() {
    let folder = folder();
    let converted = |arguments: &[&str], code: i32| {
        let output = run(folder.path(), &[&["convert", "--to", "fhir", "feed.hl7"], arguments, &LEAVE].concat());
        expect(&output, code);
        stderr(&output)
    };
    let said = converted(&["out", "--terminology", "own", "--zone", "Europe/Berlin", "--validate"], 0);
    assert!(said.contains("translated") && said.contains("99LAB") && !said.contains("CANARY"), "{said}");
    let bundle: Value = serde_json::from_slice(&fs::read(folder.path().join("out/bundles.ndjson")).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let observations: Vec<&Value> = entries.filter(|resource| resource["resourceType"] == "Observation").collect();
    assert_eq!(
        observations[0]["code"]["coding"],
        json!([
            { "system": "http://loinc.org", "code": "2345-7", "display": "Glucose in Serum" },
            { "code": "GLU", "display": "Glucose of ours", "userSelected": true }
        ])
    );
    assert_eq!(observations[1]["code"]["coding"], json!([{ "code": "CANARYCODE", "display": "Something of ours" }]));
    assert_eq!(observations[3]["code"]["coding"][0]["display"], "Made up thing");
    let report = fs::read_to_string(folder.path().join("out/conversion.json")).unwrap();
    assert!(!report.contains("CANARY") && !report.contains("GLU"), "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();
    let lab = &report["codes"]["systems"]["99LAB"];
    assert_eq!((&lab["seen"], &lab["known"], &lab["translated"], &lab["unknown"]), (&5.into(), &4.into(), &3.into(), &1.into()));
    assert_eq!(report["codes"]["systems"]["http://hl7.org/fhir/sid/icd-10-cm"]["known"], 1);
    assert_eq!(report["codes"]["systems"]["99LAB2"]["loaded"], false);
    let kinds: Vec<&str> = report["terminology"].as_array().unwrap().iter().map(|file| file["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["csv", "athena", "csv", "fhir", "csv"]);
    // Without it the account has no codes, and nothing is translated.
    converted(&["plain"], 0);
    let report = fs::read_to_string(folder.path().join("plain/conversion.json")).unwrap();
    assert!(!report.contains("\"codes\""), "{report}");
}

#[test]
fn what_is_no_terminology_is_said_before_anything_is_read() {
    let folder = folder();
    fs::write(folder.path().join("odd.csv"), "CANARY,other\n1,2\n").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (path, words) in [("odd.csv", "not a file of terminology"), ("absent.zip", "absent.zip"), ("empty", "no file of terminology")] {
        for command in [&["convert", "feed.hl7", "out", "--allow-phi", "--purpose", "test"][..], &["sql", "select 1"]] {
            let output = run(folder.path(), &[command, &["--terminology", path]].concat());
            expect(&output, 2);
            let said = stderr(&output);
            assert!(said.contains("--terminology") && said.contains(words) && !said.contains("CANARY"), "{said}");
        }
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn queries_know_it() {
    let folder = folder();
    let found = query(
        folder.path(),
        "select code_display('99LAB', 'GLU') as display, code_display('2.16.840.1.113883.5.1', 'F') as builtin,
                code_translate('http://h.example/lab-to-loinc', 'GLU', '99lab') as loinc,
                code_in('99LAB', 'GLU') as known, code_in('99LAB', 'X') as unknown, code_in('http://nowhere', 'X') as nothing,
                code_in('99LAB', 'GLU', 'http://h.example/sugar') as sugar, code_in('99LAB', 'CANARYCODE', 'http://h.example/sugar') as salt,
                code_subsumes('http://h.example/kinds', 'animal', 'dog') as wider, code_subsumes('http://h.example/kinds', 'dog', 'animal') as narrower,
                code_subsumes('99LAB', 'GLU', 'CANARYCODE') as untold",
    );
    let wanted = json!({
        "display": "Glucose of ours", "builtin": "Female", "loinc": "2345-7", "known": true, "unknown": false, "sugar": true, "salt": false,
        "wider": true, "narrower": false,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&found[0][name], value, "{name}: {found}");
    }
    assert!(found[0].get("nothing").is_none_or(Value::is_null) && found[0].get("untold").is_none_or(Value::is_null), "{found}");
    let found = query(folder.path(), "select code, display from code_expand('http://h.example/sugar')");
    assert_eq!(found, json!([{ "code": "GLU", "display": "Glucose of ours" }]));
    let found = query(folder.path(), "select count(*) as n from code_expand('http://hl7.org/fhir/ValueSet/administrative-gender', 'fem')");
    assert_eq!(found, json!([{ "n": 1 }]));
    for (text, words) in [
        ("select code_in('a', 'b', 'http://no/set')", "no value set has that URL"),
        ("select code_translate('no-map', 'b')", "--terminology"),
        ("select * from code_expand('http://no/set')", "no value set http://no/set"),
        ("select * from code_expand(1)", "text literals"),
    ] {
        let output = run(folder.path(), &["sql", text]);
        expect(&output, 2);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    // A name that comes from a row is content.
    for call in ["code_translate(name, 'b')", "code_in('a', 'b', name)"] {
        let output = run(folder.path(), &["sql", &format!("select {call} from (values ('CANARY'), ('CAN' || 'ARY')) rows(name)")]);
        expect(&output, 2);
        assert!(!stderr(&output).contains("CANARY"), "{}", stderr(&output));
    }
}

#[test]
fn conversion_in_queries_has_it_and_options() {
    let folder = folder();
    let text = "select json from (select hl7v2_to_fhir(text, '{\"zone\": \"Europe/Berlin\", \"local_systems\": \"http://h.example/\"}') as json \
                from read_hl7v2('feed.hl7', 'raw'))";
    let output = run(folder.path(), &["sql", text, "--terminology", "own", "--format", "json", "--allow-phi", "--purpose", "a test"]);
    expect(&output, 0);
    let rows: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let bundle = rows[0]["json"].as_str().unwrap();
    assert!(bundle.contains("\"2345-7\"") && bundle.contains("http://h.example/99LAB") && bundle.contains("+02:00"), "{bundle}");
    for (options, words) in [("{\"zoon\": 1}", "zoon"), ("{\"zone\": \"Nowhere\"}", "Europe/Berlin"), ("no", "JSON")] {
        for function in ["hl7v2_to_fhir", "ccda_to_fhir"] {
            let output = run(folder.path(), &["sql", &format!("select {function}('x', '{options}')")]);
            expect(&output, 2);
            assert!(stderr(&output).contains(words), "{}", stderr(&output));
        }
    }
}

#[test]
fn jobs_have_it_and_the_report_counts() {
    let folder = folder();
    let head =
        "[job]\nname = \"own\"\n[terminology]\nfiles = [\"own\"]\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n";
    let job = format!(
        "{head}[[step]]\ntype = \"convert\"\nname = \"made\"\ninput = \"feed.raw\"\nzone = \"Europe/Berlin\"\n[[step]]\ntype = \"sql\"\nname = \"named\"\n\
         query = \"select code_display('99LAB', 'GLU') as display from feed.messages\"\n[[sink]]\ninput = \"named\"\nformat = \"ndjson\"\n\
         [[sink]]\ninput = \"made\"\nformat = \"ndjson\"\nallow_phi = true\npurpose = \"a test\"\n"
    );
    fs::write(folder.path().join("job.toml"), &job).unwrap();
    let output = run(folder.path(), &["run", "job.toml", "--json"]);
    expect(&output, 0);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let lab = &report["conversion"][0]["codes"]["systems"]["99LAB"];
    assert_eq!((&lab["seen"], &lab["translated"], &lab["unknown"]), (&5.into(), &3.into(), &1.into()));
    assert!(!report["conversion"].to_string().contains("CANARY"));
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("Codes, by the terminology of the job") && page.contains("99LAB2"));
    // Other terminology is other work.
    expect(&run(folder.path(), &["run", "job.toml"]), 0);
    fs::write(folder.path().join("own/99LAB.csv"), CODES.replace("Glucose of ours", "Sugar")).unwrap();
    expect(&run(folder.path(), &["run", "job.toml"]), 0);
    let named = fs::read_dir(folder.path().join("out/named")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    assert!(named.collect::<String>().contains("Sugar"));
    fs::write(folder.path().join("job.toml"), job.replace("\"own\"]", "\"own\", \"feed.hl7\"]")).unwrap();
    let output = run(folder.path(), &["validate", "job.toml"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("feed.hl7") && stderr(&output).contains("terminology"), "{}", stderr(&output));
}

#[test]
fn it_can_be_asked_by_hand() {
    let folder = folder();
    let ask = |arguments: &[&str], code: i32| -> Value {
        let output = run(folder.path(), &[&["terminology"], arguments, &["--terminology", "own", "--json"]].concat());
        expect(&output, code);
        serde_json::from_str(&stdout(&output)).unwrap_or(Value::Null)
    };
    assert_eq!(ask(&["lookup", "99lab", "GLU"], 0)["display"], "Glucose of ours");
    let dog = ask(&["lookup", "http://h.example/kinds", "dog"], 0);
    assert_eq!(dog["parents"], json!([{ "code": "animal", "display": "Animal" }]));
    assert_eq!(ask(&["validate", "99LAB", "GLU", "--value-set", "http://h.example/sugar"], 0)["result"], true);
    let wrong = ask(&["validate", "99LAB", "CANARYCODE", "--value-set", "http://h.example/sugar"], 1);
    assert_eq!((&wrong["result"], &wrong["issues"][0]["severity"]), (&false.into(), &"error".into()));
    assert_eq!(ask(&["subsumes", "http://h.example/kinds", "animal", "dog"], 0)["outcome"], "subsumes");
    let target = json!({ "system": "http://loinc.org", "code": "2345-7", "display": "Glucose in Serum", "equivalence": "equivalent" });
    assert_eq!(ask(&["translate", "99LAB", "GLU"], 0)["targets"], json!([target]));
    assert_eq!(ask(&["translate", "99lab", "GLU", "--map", "http://h.example/lab-to-loinc"], 0)["targets"], json!([target]));
    assert_eq!(ask(&["translate", "99LAB", "X"], 1)["result"], false);
    assert_eq!(ask(&["expand", "http://h.example/sugar"], 0)["total"], 1);
    let info = ask(&["info"], 0);
    assert_eq!((&info["own"]["code_systems"], info["files"].as_array().unwrap().len()), (&3.into(), 5));
    ask(&["lookup", "99LAB", "X"], 1);
    ask(&["lookup", "99NONE", "X"], 2);
    ask(&["expand", "http://no/set"], 2);
    let output = run(folder.path(), &["terminology", "expand", "http://hl7.org/fhir/ValueSet/administrative-gender"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("female  Female\n") && stdout(&output).ends_with("4 of 4 codes\n"), "{}", stdout(&output));
    let output = run(folder.path(), &["terminology", "lookup", "http://hl7.org/fhir/administrative-gender", "female"]);
    assert!(stdout(&output).starts_with("female  Female\n"), "{}", stdout(&output));
}
