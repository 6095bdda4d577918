//! `sql`: formats, files, refusals.

use std::fs;

use crate::{expect, folder, run, run_with, stderr, stdout};

const SAFE: &str = "select message_type, trigger_event from read_hl7v2('feed.hl7') order by 1";
const IDENTIFYING: &str = "select patient_id, message_type, patient_birth_date from read_hl7v2('feed.hl7') order by message_type desc";

#[test]
fn identifying_columns_show_as_their_class() {
    let folder = folder();
    let output = run(folder.path(), &["sql", IDENTIFYING]);
    expect(&output, 0);
    insta::assert_snapshot!(stdout(&output));
    insta::assert_snapshot!(stderr(&output));
    let output = run(folder.path(), &["sql", IDENTIFYING, "--allow-phi", "--purpose", "a test"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("CANARYMRN"), "{}", stdout(&output));
    assert!(!stderr(&output).contains("identifying"), "{}", stderr(&output));
}

#[test]
fn machine_formats_refuse_identifying_columns_and_name_all() {
    let folder = folder();
    for format in ["csv", "ndjson", "json"] {
        let output = run(folder.path(), &["sql", IDENTIFYING, "--format", format]);
        expect(&output, 2);
        assert_eq!(stdout(&output), "");
        let said = stderr(&output);
        assert!(said.contains("patient_id (mrn)") && said.contains("patient_birth_date (date)"), "{said}");
        assert!(said.contains("--allow-phi --purpose"), "{said}");
    }
    let allowed = run(folder.path(), &["sql", IDENTIFYING, "--format", "csv", "--allow-phi", "--purpose", "a test"]);
    expect(&allowed, 0);
    assert!(stdout(&allowed).starts_with("patient_id,message_type,patient_birth_date\nCANARYMRN,ORU,1980-01-01\n"), "{}", stdout(&allowed));
}

#[test]
fn rows_come_in_every_format() {
    let folder = folder();
    let of = |format: &str| stdout(&run(folder.path(), &["sql", SAFE, "--format", format]));
    assert_eq!(of("csv"), "message_type,trigger_event\nADT,A01\nORU,R01\n");
    assert_eq!(of("ndjson").lines().next(), Some(r#"{"message_type":"ADT","trigger_event":"A01"}"#));
    let rows: serde_json::Value = serde_json::from_str(&of("json")).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    insta::assert_snapshot!(of("table"));
}

#[test]
fn files_are_written_or_refused_whole() {
    let folder = folder();
    for name in ["rows.parquet", "rows.csv", "rows.ndjson", "rows.arrow", "rows.csv.gz"] {
        let output = run(folder.path(), &["sql", SAFE, "-o", name]);
        expect(&output, 0);
        assert!(folder.path().join(name).metadata().unwrap().len() > 0);
        assert!(stderr(&output).starts_with("wrote 2 rows"), "{}", stderr(&output));
    }
    let output = run(folder.path(), &["sql", SAFE, "-o", "rows.csv"]);
    expect(&output, 2);
    expect(&run(folder.path(), &["sql", SAFE, "-o", "rows.csv", "--overwrite"]), 0);
    let output = run(folder.path(), &["sql", SAFE, "-o", "rows.xlsx"]);
    expect(&output, 2);
    assert!(stderr(&output).contains(".parquet"), "{}", stderr(&output));

    let before = listing(folder.path());
    let output = run(folder.path(), &["sql", IDENTIFYING, "-o", "people.parquet"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("patient_id (mrn)"), "{}", stderr(&output));
    // A failure while rows flow leaves nothing either.
    let failing = "select cast(trigger_event as int) as number from read_hl7v2('feed.hl7')";
    expect(&run(folder.path(), &["sql", failing, "-o", "numbers.csv"]), 1);
    assert_eq!(listing(folder.path()), before);
    expect(&run(folder.path(), &["sql", IDENTIFYING, "-o", "people.parquet", "--allow-phi", "--purpose", "a test"]), 0);
}

fn listing(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn queries_come_from_files_and_standard_input_with_views() {
    let folder = folder();
    let script = "create view m as select message_type from read_hl7v2('feed.hl7'); -- a view; for later\nselect count(*) as n from m;";
    fs::write(folder.path().join("query.sql"), script).unwrap();
    let from_file = run(folder.path(), &["sql", "-f", "query.sql", "--format", "csv"]);
    expect(&from_file, 0);
    assert_eq!(stdout(&from_file), "n\n2\n");
    let piped = run_with(folder.path(), &["sql", "--format", "csv"], script.as_bytes());
    assert_eq!(stdout(&piped), "n\n2\n");
    expect(&run(folder.path(), &["sql", " ; "]), 2);
}

#[test]
fn wrong_queries_are_bad_configuration_and_failing_rows_are_failures() {
    let folder = folder();
    for (query, code) in [
        ("selct 1", 2),
        ("select messge_type from read_hl7v2('feed.hl7')", 2),
        ("select * from read_hl7v2('nowhere/*.hl7')", 2),
        ("select * from read_hl7v2('feed.hl7', 'patient')", 2),
        ("select * from read_hl7v2('feed.hl7', 'messages', '{\"zon\": 1}')", 2),
        ("copy (select 1) to 'x.csv'", 2),
        ("select pseudonym(patient_id) from read_hl7v2('feed.hl7')", 2),
        ("select cast(patient_id as int) from read_hl7v2('feed.hl7')", 1),
    ] {
        let output = run(folder.path(), &["sql", query]);
        assert_eq!(output.status.code(), Some(code), "{query}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: "), "{query}: {}", stderr(&output));
    }
}

#[test]
fn keys_make_pseudonyms_that_may_be_shown() {
    let folder = folder();
    expect(&run(folder.path(), &["keys", "new", "my.key"]), 0);
    let query = "select pseudonym(patient_id) as p from read_hl7v2('feed.hl7') order by 1";
    let with = |project: &str| {
        let output = run(folder.path(), &["sql", query, "--format", "csv", "--key-file", "my.key", "--project", project]);
        expect(&output, 0);
        stdout(&output)
    };
    assert_eq!(with("a"), with("a"));
    assert_ne!(with("a"), with("b"));
    assert_eq!(with("a").lines().nth(1).unwrap().len(), 26);
    let output = run(folder.path(), &["sql", query, "--key-file", "my.key"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("--project"), "{}", stderr(&output));
    let coded = [
        "sql",
        "select vault_code(patient_id) as c from read_hl7v2('feed.hl7')",
        "--key-file",
        "my.key",
        "--project",
        "a",
        "--vault",
        "codes.vault",
    ];
    expect(&run(folder.path(), &coded), 0);
}
