//! `sutura fhir ...`, and FHIR in `sutura sql`.

use std::{fs, path::Path};

use crate::{expect, run, stderr, stdout};

const LABS: &str = r#"{"name":"Labs","resource":"Observation","select":[{"column":[{"name":"code","path":"code.coding.first().code"},
    {"name":"value","path":"value.ofType(Quantity).value"}]}]}"#;
const PEOPLE: &str = r#"{"resource":"Patient","select":[{"column":[{"name":"id","path":"id"},{"name":"family","path":"name.family"}]}]}"#;

/// Three observations, a patient, a patient with two families, a line that is no JSON.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let observation = |n: u32| {
        format!(
            r#"{{"resourceType":"Observation","id":"CANARYOBS{n}","status":"final","code":{{"coding":[{{"code":"718-7"}}]}},"valueQuantity":{{"value":{n}.5}}}}"#
        )
    };
    let lines = [
        observation(1),
        observation(2),
        r#"{"resourceType":"Patient","id":"CANARYID","name":[{"family":"CANARYNAME"}]}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"CANARYID2","name":[{"family":"CANARYNAME"},{"family":"CANARYMAIDEN"}]}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"#.to_owned(),
        observation(3),
    ];
    write(folder.path(), "feed.ndjson", &lines.join("\n"));
    write(folder.path(), "labs.json", LABS);
    write(folder.path(), "people.json", PEOPLE);
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn views_become_tables_in_one_pass() {
    let folder = folder();
    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "labs.json"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("718-7") && stdout(&output).contains("3.5"), "{}", stdout(&output));
    assert!(stderr(&output).contains("6 records in = 5 accepted + 1 rejected (json-unterminated: 1)"), "{}", stderr(&output));

    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "labs.json", "-o", "labs.csv"]);
    expect(&output, 0);
    assert_eq!(fs::read_to_string(folder.path().join("labs.csv")).unwrap(), "code,value\n718-7,1.5\n718-7,2.5\n718-7,3.5\n");
    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "labs.json", "-o", "labs.csv"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("exists"), "{}", stderr(&output));

    let both = ["fhir", "view", "feed.ndjson", "--view", "labs.json", "--view", "people.json", "-o", "out"];
    let output = run(folder.path(), &both);
    expect(&output, 2);
    assert!(stderr(&output).contains("id (other-id)") && stderr(&output).contains("family (name)"), "{}", stderr(&output));
    assert!(!folder.path().join("out").exists());
    let output = run(folder.path(), &[&both[..], &["--allow-phi", "--purpose", "a test", "--json"]].concat());
    expect(&output, 0);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((summary["records"].as_u64(), summary["rejected"].as_u64()), (Some(6), Some(2)), "{summary}");
    assert_eq!(summary["rejects"]["view-refused"], 1);
    assert_eq!((summary["views"][0]["rows"].as_u64(), summary["views"][1]["rows"].as_u64()), (Some(3), Some(1)));
    assert!(folder.path().join("out/labs.parquet").exists() && folder.path().join("out/people.parquet").exists());
}

#[test]
fn nothing_is_written_with_too_many_rejects_or_a_bad_view() {
    let folder = folder();
    write(folder.path(), "bad.json", &PEOPLE.replace("name.family", "name.("));
    write(folder.path(), "again.json", &LABS.replace("Labs", "labs"));
    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "labs.json", "-o", "labs.parquet", "--max-rejects", "0.1"]);
    expect(&output, 3);
    assert!(!folder.path().join("labs.parquet").exists());
    for (arguments, hint) in [
        (&["--view", "bad.json"][..], "bad.json: family: syntax error"),
        (&["--view", "absent.json"], "absent.json"),
        (&["--view", "labs.json", "--view", "again.json", "-o", "out"], "called labs already"),
        (&["--view", "labs.json", "--view", "people.json"], "-o DIR"),
        (&["--view", "labs.json", "--view", "people.json", "-o", "one.csv"], "give a folder"),
        (&["--view", "labs.json", "--format", "parquet"], "-o FILE"),
        (&["--view", "labs.json", "-o", "a.csv", "--format", "parquet"], "another format"),
        (&["--view", "people.json", "--format", "csv"], "family (name)"),
        (&["--view", "labs.json", "--max-rejects", "2"], "from 0 to 1"),
    ] {
        let output = run(folder.path(), &[&["fhir", "view", "feed.ndjson"], arguments].concat());
        expect(&output, 2);
        assert!(stderr(&output).contains(hint), "{arguments:?}: {}", stderr(&output));
    }
    expect(&run(folder.path(), &["fhir", "view", "absent.ndjson", "--view", "labs.json"]), 2);
}

#[test]
fn with_too_many_rejects_no_row_is_taken_for_a_result() {
    let folder = folder();
    let command = ["fhir", "view", "feed.ndjson", "--view", "labs.json", "--max-rejects", "0"];
    let output = run(folder.path(), &command);
    expect(&output, 3);
    assert!(stdout(&output).is_empty() && stderr(&output).contains("nothing was written"), "{}{}", stdout(&output), stderr(&output));
    // Rows that are on their way are not called nothing.
    let output = run(folder.path(), &[&command[..], &["--format", "csv"]].concat());
    expect(&output, 3);
    let said = stderr(&output);
    assert!(stdout(&output).contains("718-7") && said.contains("do not use the rows") && !said.contains("nothing was written"), "{said}");
}

#[test]
fn a_view_never_replaces_what_it_reads() {
    let folder = folder();
    let before = fs::read(folder.path().join("feed.ndjson")).unwrap();
    let mut outputs = vec!["feed.ndjson".to_owned(), "./feed.ndjson".to_owned(), folder.path().join("feed.ndjson").display().to_string()];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("feed.ndjson"), folder.path().join("link.ndjson")).unwrap();
        outputs.push("link.ndjson".to_owned());
    }
    for output in outputs {
        let made = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "labs.json", "-o", &output, "--overwrite"]);
        expect(&made, 2);
        assert!(stderr(&made).contains("is read"), "{}", stderr(&made));
    }
    assert_eq!(fs::read(folder.path().join("feed.ndjson")).unwrap(), before);
    // A folder whose file would be the input.
    fs::rename(folder.path().join("feed.ndjson"), folder.path().join("labs.ndjson")).unwrap();
    let made = run(folder.path(), &["fhir", "view", "labs.ndjson", "--view", "labs.json", "-o", ".", "--format", "ndjson", "--overwrite"]);
    expect(&made, 2);
    assert_eq!(fs::read(folder.path().join("labs.ndjson")).unwrap(), before);
}

#[test]
fn a_view_with_a_byte_order_mark_is_a_view() {
    let folder = folder();
    write(folder.path(), "marked.json", &format!("\u{FEFF}{LABS}"));
    expect(&run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "marked.json"]), 0);
    expect(&run(folder.path(), &["sql", "select count(*) from read_fhir('feed.ndjson', 'marked.json')"]), 0);
}

#[test]
fn identifying_values_show_as_their_class() {
    let folder = folder();
    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "people.json"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("‹name›"), "{}", stdout(&output));
    let said = stdout(&output) + &stderr(&output);
    assert!(!said.contains("CANARY"), "{said}");
    let output = run(folder.path(), &["fhir", "view", "feed.ndjson", "--view", "people.json", "--allow-phi", "--purpose", "a test"]);
    assert!(stdout(&output).contains("CANARYNAME"), "{}", stdout(&output));
}

#[test]
fn a_query_takes_views_and_packages() {
    let folder = folder();
    let output = run(
        folder.path(),
        &["sql", "select sum(value) as s from read_fhir('feed.ndjson', 'labs.json') where code = '718-7'", "--format", "csv"],
    );
    expect(&output, 0);
    assert_eq!(stdout(&output), "s\n7.5\n");
    let profile = r#"{"resourceType":"StructureDefinition","url":"http://x.org/p","name":"P","status":"active","kind":"resource","abstract":false,
        "type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "differential":{"element":[{"id":"Patient","path":"Patient"},{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}"#;
    fs::create_dir(folder.path().join("package")).unwrap();
    write(folder.path(), "package/p.json", profile);
    let query = r#"select fhir_validate('{"resourceType":"Patient","id":"a"}', 'http://x.org/p') like '%"error"%' as wrong"#;
    let wrong = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["sql", query, "--format", "csv"], arguments].concat());
        expect(&output, 0);
        stdout(&output)
    };
    assert_eq!(wrong(&["--package", "package"]), "wrong\ntrue\n");
    let without = run(folder.path(), &["sql", &query.replace(r#" like '%"error"%'"#, ""), "--format", "ndjson"]);
    assert!(stdout(&without).contains("is not loaded"), "{}", stdout(&without));
    expect(&run(folder.path(), &["sql", "select 1", "--package", "absent"]), 2);
}

/// Else a value of the data would come out through the error that it is no expression.
#[test]
fn expressions_and_profiles_are_texts_in_quotes() {
    let folder = folder();
    write(folder.path(), "p.ndjson", r#"{"resourceType":"Patient","id":"a","name":[{"family":"CANARYNAME"}]}"#);
    let name = "fhirpath(json, 'name.family.first()')";
    for expression in [
        format!("fhirpath(json, {name} || '()')"),
        format!("fhirpath(json, '%' || {name})"),
        format!("fhirpath(json, {name})"),
        format!("fhir_validate(json, {name})"),
    ] {
        let output = run(folder.path(), &["sql", &format!("select {expression} from read_fhir('p.ndjson')")]);
        expect(&output, 2);
        assert!(stderr(&output).contains("must be a text in quotes"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("CANARY"), "{}", stderr(&output));
    }
}

/// A result is not to be taken for the whole: what is in no row is counted on standard error, once, wherever the rows go.
#[test]
fn a_query_says_what_it_passed_over() {
    let folder = folder();
    write(folder.path(), "good.ndjson", r#"{"resourceType":"Patient","id":"a","name":[{"family":"b"}]}"#);
    write(
        folder.path(),
        "cut.json",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"a"}},"#,
    );
    let said = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["sql"], arguments].concat());
        expect(&output, 0);
        assert!(!stderr(&output).contains("CANARY"), "{}", stderr(&output));
        stderr(&output)
    };
    let both = "read_fhir('feed.ndjson', 'people.json'): 2 records rejected (json-unterminated: 1, view-refused: 1), \
                see rejects('feed.ndjson', 'people.json')\n";
    let people = "read_fhir('feed.ndjson', 'people.json')";
    let count = format!("select count(family) from {people}");
    assert_eq!(said(&[&count]), both);
    assert_eq!(said(&[&format!("select count(*) from {people} a join {people} b on a.family = b.family")]), both, "read twice, told once");
    assert_eq!(said(&[&format!("create view v as select family from {people}; select count(family) from v")]), both);
    assert!(said(&[&count, "-o", "count.csv"]).ends_with(both));
    assert_eq!(said(&[&count, "--quiet"]), "");
    // What is not evaluated refuses nothing.
    assert!(said(&[&format!("select count(*) from {people}")]).contains("1 record rejected (json-unterminated: 1)"));
    let plain = said(&["select count(*) from read_fhir('feed.ndjson', null, '{\"max_depth\": 20}')"]);
    let options = r#"'{"max_depth":20}'"#;
    assert_eq!(
        plain,
        format!(
            "read_fhir('feed.ndjson', null, {options}): 1 record rejected (json-unterminated: 1), see rejects('feed.ndjson', 'fhir', {options})\n"
        )
    );
    let inline = said(&[&format!(
        "select count(family) from read_fhir('feed.ndjson', '{}')",
        PEOPLE.replacen('{', r#"{"description":"CANARY","#, 1)
    )]);
    assert!(inline.contains("read_fhir('feed.ndjson', '{...}'): 2 records"), "{inline}");
    assert_eq!(said(&["select count(family) from read_fhir('good.ndjson', 'people.json')"]), "");
    assert_eq!(said(&["select count(*) from rejects('feed.ndjson', 'people.json')"]), "", "they are the rows");
    assert_eq!(
        said(&["select count(*) from read_fhir('cut.json')"]),
        "read_fhir('cut.json'): found in its files: document-unterminated: 1\n"
    );
}

#[test]
fn a_view_over_bundles_shows_what_stands_around_resources() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |id: u8, mode: &str| format!(r#"{{"resource":{{"resourceType":"Patient","id":"{id}"}},"search":{{"mode":"{mode}"}}}}"#);
    write(
        folder.path(),
        "search.json",
        &format!(r#"{{"resourceType":"Bundle","type":"searchset","total":9,"entry":[{},{}]}}"#, entry(1, "match"), entry(2, "include")),
    );
    let view = r#"{"name":"found","resource":"Bundle","select":[{"column":[{"name":"total","path":"total"}]},
        {"forEach":"entry","column":[{"name":"mode","path":"search.mode"}]}]}"#;
    write(folder.path(), "found.json", view);
    let output = run(folder.path(), &["fhir", "view", "search.json", "--view", "found.json", "--format", "csv"]);
    expect(&output, 0);
    assert_eq!(stdout(&output), "total,mode\n9,match\n9,include\n");
    let query = "select f.total, r.search_mode, count(*) as n from read_fhir('search.json', 'found.json') f \
                 join read_fhir('search.json') r on r.search_mode = f.mode group by 1, 2 order by 2";
    let output = run(folder.path(), &["sql", query, "--format", "csv"]);
    expect(&output, 0);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("total,search_mode,n\n9,include,1\n9,match,1\n", ""));
}

/// One odd record does not end a query, and is not passed over in silence.
#[test]
fn an_expression_that_does_not_fit_a_record_gives_null() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"resourceType":"Patient","id":"1","multipleBirthInteger":2,"name":[{"family":"CANARYNAME"}]}"#.to_owned(),
        r#"{"resourceType":"Patient","id":"2","multipleBirthBoolean":true,"name":[{"family":"CANARYNAME"},{"family":"CANARYMAIDEN"}]}"#
            .to_owned(),
        format!(r#"{{"resourceType":"Patient","id":"3","multipleBirthInteger":{}}}"#, "9".repeat(50)),
        r#"{"resourceType":"Patient","id":"4","multipleBirthBoolean":false}"#.to_owned(),
    ];
    write(folder.path(), "p.ndjson", &lines.join("\n"));
    let query = |expression: &str| {
        let from = "select id from read_fhir('p.ndjson', 'resources') where";
        let query = format!("{from} fhirpath(json, '{expression}') is not null order by id");
        run(folder.path(), &["sql", &query, "--format", "csv", "--allow-phi", "--purpose", "a test"])
    };
    let output = query("multipleBirth + 1");
    expect(&output, 0);
    assert_eq!(stdout(&output), "id\n1\n");
    let said = stderr(&output);
    assert!(said.contains("rows=3") && said.contains("+ is not defined for Boolean and Integer (2)"), "{said}");
    assert!(said.contains("more than 38 digits (1)") && said.matches("WARN").count() == 1, "{said}");
    let output = query("name.single().family");
    expect(&output, 0);
    assert_eq!(stdout(&output), "id\n1\n");
    assert!(stderr(&output).contains("rows=1") && !stderr(&output).contains("CANARY"), "{}", stderr(&output));
    // Each expression once, told apart, with no value of it and no colour; nothing where all is to be quiet.
    let calls = "select fhirpath(json, 'name.single().family = ''CANARYTEXT''') as a, fhirpath(json, 'name.single().given') as b \
                 from read_fhir('p.ndjson', 'resources') where fhirpath(json, 'name.single().given') is null";
    let several = ["sql", calls, "--format", "csv", "--allow-phi", "--purpose", "a test"];
    let said = stderr(&run(folder.path(), &several));
    for part in ["expression=name.single().family = '…' ", "expression=name.single().given "] {
        assert_eq!(said.matches(part).count(), 1, "{said}");
    }
    assert!(said.matches("WARN").count() == 2 && !said.contains('\u{1b}') && !said.contains("CANARY"), "{said}");
    assert_eq!(stderr(&run(folder.path(), &[&several[..], &["-q"]].concat())), "");
    let output = query("name.family.first()");
    assert!(!stderr(&output).contains("WARN"), "{}", stderr(&output));
    // What no record can mend ends the query before one is read; so does a limit.
    for (expression, reason) in [
        ("1 + true", "is not defined for"),
        ("active is Boat", "unknown type"),
        ("%nothing", "undefined variable"),
        ("conformsTo(''http://x.org/none'')", "http://x.org/none"),
    ] {
        let output = query(expression);
        assert!(!output.status.success() && stderr(&output).contains(reason), "{expression}: {}", stderr(&output));
    }
    let output = query("repeatAll($this).count()");
    assert!(!output.status.success(), "{}", stderr(&output));
}

#[test]
fn expressions_know_packages() {
    let folder = tempfile::tempdir().unwrap();
    let profile = r#"{"resourceType":"StructureDefinition","url":"http://x.org/p","name":"P","status":"active","kind":"resource","abstract":false,
        "type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "differential":{"element":[{"id":"Patient","path":"Patient"},{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}"#;
    let set = r#"{"resourceType":"ValueSet","url":"http://x.org/v","status":"active",
        "compose":{"include":[{"system":"http://x.org/s","concept":[{"code":"a"}]}]}}"#;
    fs::create_dir(folder.path().join("package")).unwrap();
    write(folder.path(), "package/p.json", profile);
    write(folder.path(), "package/v.json", set);
    let people = [("1", r#","birthDate":"1980","maritalStatus":{"coding":[{"system":"http://x.org/s","code":"a"}]}"#), ("2", "")];
    let lines = people.map(|(id, more)| format!(r#"{{"resourceType":"Patient","id":"{id}"{more}}}"#));
    write(folder.path(), "p.ndjson", &lines.join("\n"));
    let query = "select fhirpath(json, 'conformsTo(''http://x.org/p'')') as c, \
                 fhirpath(json, 'maritalStatus.memberOf(''http://x.org/v'')') as m from read_fhir('p.ndjson', 'resources') order by 1";
    let shown = ["--format", "csv", "--allow-phi", "--purpose", "a test"];
    let output = run(folder.path(), &[&["sql", query, "--package", "package"], &shown[..]].concat());
    expect(&output, 0);
    assert_eq!(stdout(&output), "c,m\nfalse,\ntrue,true\n");
    let output = run(folder.path(), &[&["sql", query], &shown[..]].concat());
    assert!(!output.status.success() && stderr(&output).contains("the profile http://x.org/p"), "{}", stderr(&output));
}

#[test]
fn a_table_that_is_not_there_is_guessed() {
    let folder = folder();
    for (name, hint) in [
        ("patient", r#"did you mean "patients"?"#),
        ("medicationrequest", r#"did you mean "medication_requests"?"#),
        ("Appointment", "resource_type = 'Appointment'"),
        ("appointments", "resource_type = 'Appointment'"),
    ] {
        let output = run(folder.path(), &["tables", "fhir", name]);
        expect(&output, 2);
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
        let output = run(folder.path(), &["sql", &format!("select 1 from read_fhir('feed.ndjson', '{name}')")]);
        expect(&output, 2);
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
    let output = run(folder.path(), &["tables", "hl7v2", "Observation"]);
    assert!(stderr(&output).contains(r#"did you mean "observations"?"#), "{}", stderr(&output));
}

/// The shipped views, over a transaction Bundle as generators and senders write them.
#[test]
fn the_example_views_join_within_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let id = "8c3d1a52-0000-4000-8000-000000000001";
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[
        {{"fullUrl":"urn:uuid:{id}","resource":{{"resourceType":"Patient","id":"{id}"}},"request":{{"method":"POST","url":"Patient"}}}},
        {{"fullUrl":"urn:uuid:2","resource":{{"resourceType":"Condition","id":"2","subject":{{"reference":"urn:uuid:{id}"}},
          "code":{{"coding":[{{"system":"http://snomed.info/sct","code":"38341003"}}]}}}},"request":{{"method":"POST","url":"Condition"}}}}]}}"#
    );
    write(folder.path(), "bundle.json", &bundle);
    let view = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/views/condition.json");
    let view = view.to_str().unwrap();
    let join = |column: &str, table: &str| {
        let query = format!(
            "select count(*) as n from read_fhir('bundle.json', '{table}') c join read_fhir('bundle.json', 'patients') p on c.{column} = p.id"
        );
        let output = run(folder.path(), &["sql", &query, "--format", "csv"]);
        expect(&output, 0);
        stdout(&output)
    };
    assert_eq!(join("patient", view), "n\n1\n");
    assert_eq!(join("patient_id", "conditions"), "n\n1\n");
}
