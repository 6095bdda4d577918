//! `inspect`, `tables`, `keys`, `policy`, `schema`.

use std::{fs, io::Write};

use crate::{expect, folder, run, run_with, stderr, stdout};

#[test]
fn a_message_is_a_tree_with_masked_values() {
    let folder = folder();
    let output = run(folder.path(), &["inspect", "feed.hl7"]);
    expect(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    assert_eq!(stderr(&output), "record 1 shown; there are more: --message N, --control-id ID or --all\n");
}

#[test]
fn every_record_counts_and_what_is_no_message_says_why() {
    let folder = folder();
    let output = run(folder.path(), &["inspect", "feed.hl7", "--message", "3"]);
    expect(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    let output = run(folder.path(), &["inspect", "feed.hl7", "--message", "4"]);
    expect(&output, 2);
    assert_eq!(stderr(&output), "error: feed.hl7: there is no record 4; the file has 3\n");
    let output = run(folder.path(), &["inspect", "feed.hl7", "--all", "-q"]);
    expect(&output, 0);
    assert_eq!(stdout(&output).matches(" at byte ").count(), 3);
}

#[test]
fn a_framed_message_is_shown_before_the_junk_behind_it() {
    let folder = folder();
    let frame = b"\x0bMSH|^~\\&|A|B|||20260101||ADT^A01|C1|P|2.5\rPID|1||1\r\x1c\rjunk\r";
    fs::write(folder.path().join("frame.hl7"), frame).unwrap();
    let output = run(folder.path(), &["inspect", "frame.hl7", "--all"]);
    expect(&output, 0);
    let shown = stdout(&output);
    let heads: Vec<&str> = shown.lines().filter(|line| line.contains(" at byte ")).collect();
    assert!(heads.len() == 2 && heads[0].starts_with("record 1 at byte 1,") && heads[1].ends_with("rejected"), "{heads:?}");
}

#[test]
fn fhir_is_known_and_sent_to_its_own_commands() {
    let folder = folder();
    for (name, text) in [
        ("lines.ndjson", "\u{FEFF}{\"id\":\"CANARY\",\"resourceType\":\"Patient\"}\n"),
        ("array.json", "[\n {\"resourceType\":\"Patient\"}]"),
        ("patient.xml", "<?xml version='1.0'?><Patient xmlns='http://hl7.org/fhir'/>"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
        let output = run(folder.path(), &["inspect", name]);
        expect(&output, 2);
        let said = stderr(&output);
        assert!(said.contains("fhir validate") && said.contains("fhir view") && !said.contains("CANARY"), "{said}");
    }
    fs::write(folder.path().join("other.json"), "{\"a\":1}\n").unwrap();
    assert!(!stderr(&run(folder.path(), &["inspect", "other.json"])).contains("this is FHIR"));
}

#[test]
fn a_message_is_found_by_its_control_id() {
    let folder = folder();
    let output = run(folder.path(), &["inspect", "feed.hl7", "--control-id", "CANARYCTRL2"]);
    expect(&output, 0);
    assert!(stdout(&output).starts_with("record 2 at byte "), "{}", stdout(&output));
    let output = run(folder.path(), &["inspect", "feed.hl7", "--control-id", "other"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("none of the 3 records"), "{}", stderr(&output));
}

#[test]
fn values_are_shown_only_with_a_purpose() {
    let folder = folder();
    for wrong in [&["inspect", "feed.hl7", "--allow-phi"][..], &["inspect", "feed.hl7", "--allow-phi", "--purpose", " "]] {
        expect(&run(folder.path(), wrong), 2);
    }
    let output = run(folder.path(), &["inspect", "feed.hl7", "--allow-phi", "--purpose", "a test"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("PID-5.1 Family Name: CANARYFAMILY ‹name›"), "{}", stdout(&output));
    let output = run(folder.path(), &["inspect", "feed.hl7", "--json", "--allow-phi", "--purpose", "a test"]);
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let values = record["segments"][1]["values"].as_array().unwrap();
    let name = values.iter().find(|value| value["path"] == "PID-5.1").unwrap();
    assert_eq!((name["value"].as_str(), name["phi"].as_str()), (Some("CANARYFAMILY"), Some("name")));
}

#[test]
fn json_has_a_line_for_every_record() {
    let folder = folder();
    let output = run(folder.path(), &["inspect", "feed.hl7", "--all", "--json"]);
    expect(&output, 0);
    let records: Vec<serde_json::Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().map(|record| record["accepted"].as_bool().unwrap()).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(records[2]["code"], "not-hl7");
    assert!(records[0]["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "datatype-invalid"));
}

#[test]
fn packed_files_standard_input_and_utf16_read_alike() {
    let folder = folder();
    let plain = stdout(&run(folder.path(), &["inspect", "feed.hl7", "--all"]));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(crate::FEED.as_bytes()).unwrap();
    fs::write(folder.path().join("feed.hl7.gz"), packer.finish().unwrap()).unwrap();
    fs::write(folder.path().join("feed.hl7.zst"), zstd::encode_all(crate::FEED.as_bytes(), 1).unwrap()).unwrap();
    let wide: Vec<u8> = [0xFF, 0xFE].into_iter().chain(crate::FEED.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    fs::write(folder.path().join("wide.hl7"), wide).unwrap();
    for file in ["feed.hl7.gz", "feed.hl7.zst", "wide.hl7"] {
        assert_eq!(stdout(&run(folder.path(), &["inspect", file, "--all"])), plain, "{file}");
    }
    assert_eq!(stdout(&run_with(folder.path(), &["inspect", "-", "--all"], crate::FEED.as_bytes())), plain);
}

#[test]
fn a_record_is_the_same_wherever_the_blocks_end() {
    let folder = folder();
    let feed = crate::FEED.repeat(700);
    fs::write(folder.path().join("large.hl7"), &feed).unwrap();
    let output = run(folder.path(), &["inspect", "large.hl7", "--all", "--json"]);
    expect(&output, 0);
    let records: Vec<serde_json::Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2100);
    assert!(records.iter().all(|record| record["accepted"] == false || record["segments"][0]["segment"] == "MSH"));
    let last = &records[2099];
    assert_eq!(last["offset"].as_u64().unwrap() as usize, feed.rfind("CANARYJUNK").unwrap());
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = folder();
    fs::write(folder.path().join("empty.hl7"), "\r\n").unwrap();
    for (file, words) in
        [("nothing.hl7", "No such file"), (".", "folder"), ("s3://bucket/key", "local files"), ("empty.hl7", "empty or blank")]
    {
        let output = run(folder.path(), &["inspect", file]);
        expect(&output, 2);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn tables_and_columns_are_listed() {
    let folder = folder();
    let output = run(folder.path(), &["tables", "hl7v2"]);
    expect(&output, 0);
    assert!(stdout(&output).starts_with("messages "), "{}", stdout(&output));
    let output = run(folder.path(), &["tables", "hl7v2", "notes"]);
    expect(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    let output = run(folder.path(), &["tables", "hl7v2", "--format", "json"]);
    let tables: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tables.as_array().unwrap().len(), 19);
    let output = run(folder.path(), &["tables", "hl7v2", "patient"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("it has messages, patients"), "{}", stderr(&output));
}

#[test]
fn a_key_is_made_once_and_never_shown() {
    let folder = folder();
    let made = run(folder.path(), &["keys", "new", "my.key"]);
    expect(&made, 0);
    let text = fs::read_to_string(folder.path().join("my.key")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(folder.path().join("my.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = run(folder.path(), &["keys", "new", "my.key"]);
    expect(&again, 2);
    assert_eq!(fs::read_to_string(folder.path().join("my.key")).unwrap(), text, "a key file is never overwritten");
    let shown = run(folder.path(), &["keys", "show", "my.key"]);
    expect(&shown, 0);
    assert_eq!(stdout(&shown), format!("{} (active)\n", stdout(&made).trim()));
    for output in [&made, &again, &shown] {
        let said = stdout(output) + &stderr(output);
        assert!(text.split_whitespace().filter(|word| word.len() > 20).all(|word| !said.contains(word)), "the key was shown");
    }
    expect(&run(folder.path(), &["keys", "show", "feed.hl7"]), 2);
}

#[test]
fn policies_are_listed_shown_and_checked() {
    let folder = folder();
    let output = run(folder.path(), &["policy", "list"]);
    expect(&output, 0);
    assert_eq!(stdout(&output).lines().count(), 7);
    let output = run(folder.path(), &["policy", "diff", "hipaa-safe-harbor", "gdpr-pseudonymised"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("looser") && stdout(&output).contains("classes.date"), "{}", stdout(&output));
    let output = run(folder.path(), &["policy", "show", "hipaa-safe-harbor"]);
    expect(&output, 0);
    fs::write(folder.path().join("own.toml"), stdout(&output).replace("name = \"hipaa-safe-harbor\"", "name = \"own\"")).unwrap();
    let output = run(folder.path(), &["policy", "check", "own.toml", "--explain"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("classes.date: year: ") && stdout(&output).contains("164.514"), "{}", stdout(&output));
    let bad = "name = \"bad\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n[classes]\nnaem = \"keep\"\n";
    fs::write(folder.path().join("bad.toml"), bad).unwrap();
    let output = run(folder.path(), &["policy", "check", "bad.toml"]);
    expect(&output, 2);
    insta::assert_snapshot!(stderr(&output));
    let output = run(folder.path(), &["policy", "check", "bad.toml", "--json"]);
    expect(&output, 2);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["valid"].as_bool(), found["problems"][0]["line"].as_u64()), (Some(false), Some(5)));
    expect(&run(folder.path(), &["policy", "show", "hipaa-safe-harbour"]), 2);
}

#[test]
fn the_schema_of_job_files_is_json() {
    let folder = folder();
    let output = run(folder.path(), &["schema", "job"]);
    expect(&output, 0);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["sink"].is_object() || schema["$defs"].is_object());
}

#[test]
fn a_document_is_an_outline() {
    let folder = folder();
    let text = "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget/><component><structuredBody><component><section>\
                <templateId root='2.16.840.1.113883.10.20.22.2.6.1'/><title>CANARYTITLE</title><text>CANARYTEXT</text>\
                <entry><act classCode='ACT' moodCode='EVN'/></entry></section></component></structuredBody></component></ClinicalDocument>";
    fs::write(folder.path().join("a.xml"), text).unwrap();
    let output = run(folder.path(), &["inspect", "a.xml"]);
    expect(&output, 0);
    let shown = stdout(&output);
    assert!(shown.contains("section[1] allergies (by template)") && shown.contains("1 allergy"), "{shown}");
    assert!(shown.contains("<free-text, 11 characters>") && !shown.contains("CANARY"), "{shown}");
    let output = run(folder.path(), &["inspect", "a.xml", "--json", "--allow-phi", "--purpose", "a test"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&json["sections"][0]["kind"], &json["sections"][0]["title"]), (&"allergies".into(), &"CANARYTITLE".into()));
    fs::write(folder.path().join("cut.xml"), &text[..200]).unwrap();
    let shown = stdout(&run(folder.path(), &["inspect", "cut.xml"]));
    assert!(shown.contains("rejected") && shown.contains("xml-") && !shown.contains("CANARY"), "{shown}");
    expect(&run(folder.path(), &["inspect", "a.xml", "--message", "2"]), 2);
}
