use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray},
    compute::{cast, concat_batches},
    datatypes::{DataType, Field, Int64Type, Schema},
    util::pretty::pretty_format_batches,
};
use datafusion::datasource::MemTable;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_deid::{DocumentDeidentifier, Ledger, Treatment, ccda::CcdaDeidentifier, fhir::FhirDeidentifier, hl7v2::Hl7v2Deidentifier};
use sutura_privacy::{Deidentifier, KeyRing, MemoryVault, Policy, Scope};

use crate::{BoundPolicy, Engine, EngineError, EngineOptions, FreeText, deidentify, lineage, query::tables_of};

const NOTE: &str = "Zorka seen 03/14/2018 by Dr. Stevens, MRN: 257475. BP 120/80.";

/// Keeps dates apart by days, and free text without what identifies.
const SCRUBBING: &str =
    "name = \"scrubbing\"\nversion = \"1\"\nextends = \"gdpr-pseudonymised\"\n[classes]\nfree-text = \"scrub\"\ndate = \"shift-date\"\n";

fn scrubbing() -> Policy {
    Policy::from_toml(SCRUBBING, "scrubbing.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn privacy(policy: Policy) -> Deidentifier {
    let vault = Arc::new(MemoryVault::new().unwrap());
    Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("project", "domain"), Some(vault)).unwrap()
}

fn bound(privacy: &Deidentifier) -> Arc<BoundPolicy> {
    Arc::new(BoundPolicy::new(privacy.clone(), FreeText::Scrub, Vec::new()))
}

/// An engine with the table `notes`.
fn engine(policy: Option<Arc<BoundPolicy>>) -> Engine {
    let engine = Engine::new(EngineOptions { policy, target_partitions: 2, ..EngineOptions::default() }).unwrap();
    let field = |name: &str, data_type, class| {
        ColumnMeta { patient: name == "mrn", ..ColumnMeta::of(class) }.apply(Field::new(name, data_type, true))
    };
    let schema = Arc::new(Schema::new(vec![
        field("_source", DataType::Utf8View, PhiClass::OtherId),
        field("_offset", DataType::Int64, PhiClass::OtherId),
        field("mrn", DataType::Utf8View, PhiClass::Mrn),
        field("name", DataType::Utf8View, PhiClass::Name),
        field("seen", DataType::Utf8View, PhiClass::Date),
        field("code", DataType::Utf8View, PhiClass::Clinical),
        field("text", DataType::Utf8View, PhiClass::FreeText),
    ]));
    let view = |values: [Option<&str>; 3]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
    let columns = vec![
        view([Some("file:///a.txt"), Some("file:///b.txt"), None]),
        Arc::new(Int64Array::from(vec![Some(0), Some(7), None])) as ArrayRef,
        view([Some("m1"), Some("m2"), None]),
        view([Some("Zorka"), Some("Bob"), None]),
        view([Some("2018-03-14"), Some("2019"), None]),
        view([Some("718-7"), Some("718-7"), None]),
        view([Some(NOTE), Some("Nothing to say."), None]),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    engine.session().register_table("notes", Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
    engine
}

async fn rows(engine: &Engine, query: &str) -> RecordBatch {
    let frame = engine.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{query}: {error}"));
    concat_batches(&batches.first().map_or(schema, RecordBatch::schema), &batches).unwrap()
}

async fn shown(engine: &Engine, query: &str) -> String {
    pretty_format_batches(&[rows(engine, query).await]).unwrap().to_string()
}

async fn texts(engine: &Engine, query: &str) -> Vec<Option<String>> {
    let text = cast(rows(engine, query).await.column(0), &DataType::Utf8).unwrap();
    text.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}

async fn failure(engine: &Engine, query: &str) -> EngineError {
    match engine.sql(query).await {
        Err(error) => error,
        Ok(frame) => match frame.collect().await {
            Err(error) => error.into(),
            Ok(_) => panic!("{query} is answered"),
        },
    }
}

#[tokio::test]
async fn a_table_is_treated_as_the_step_of_a_job_treats_it() {
    for policy in [Policy::builtin("hipaa-safe-harbor").unwrap(), Policy::builtin("gdpr-pseudonymised").unwrap(), scrubbing()] {
        let privacy = privacy(policy);
        let engine = engine(Some(bound(&privacy)));
        let frame = engine.sql("select * from notes").await.unwrap();
        let plan = Arc::new(privacy.plan_table(Some("notes"), &lineage::classified_schema(&frame)).unwrap());
        let step = deidentify(frame, &plan).unwrap();
        let expected = lineage::classified_schema(&step);
        let step = pretty_format_batches(&step.collect().await.unwrap()).unwrap().to_string();
        assert!(!step.contains("m1") && !step.contains("Zorka seen 03"), "{step}");
        for query in [
            "select * from deidentified((select * from notes), 'notes')",
            "select * from deidentified(notes)",
            "select d.* from deidentified((with n as (select * from notes) select * from n)) as d",
            "with d as (select * from deidentified(public.notes)) select * from d",
            "select * from DEIDENTIFIED(Notes)",
        ] {
            let frame = engine.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
            let schema = lineage::classified_schema(&frame);
            assert_eq!(schema.fields(), expected.fields(), "{query}");
            assert!(schema.fields().iter().all(|field| !ColumnMeta::from_field(field).must_refuse()), "{query}");
            assert_eq!(shown(&engine, query).await, step, "{query}");
        }
        engine.sql("create view released as select * from deidentified(notes)").await.unwrap().collect().await.unwrap();
        assert_eq!(shown(&engine, "select * from released").await, step);
    }
}

#[tokio::test]
async fn rules_of_one_table_hold_where_its_name_is_given() {
    let policy = "name = \"p\"\nversion = \"1\"\nextends = \"gdpr-pseudonymised\"\n[tables.notes.columns]\ncode = \"redact\"\n";
    let privacy = privacy(Policy::from_toml(policy, "p.toml").unwrap());
    let engine = engine(Some(bound(&privacy)));
    for (from, code) in [
        ("notes", None),
        ("(select * from notes), 'notes'", None),
        ("(select * from notes)", Some("718-7")),
        ("notes, 'others'", Some("718-7")),
    ] {
        let query = format!("select code from deidentified({from}) order by code nulls last");
        assert_eq!(texts(&engine, &query).await[0].as_deref(), code, "{from}");
    }
}

#[tokio::test]
async fn calls_that_cannot_be_say_what_to_do() {
    let without = engine(None);
    for query in ["select * from deidentified(notes)", "select scrub(text) from notes", "select deid_hl7v2(text) from notes"] {
        let error = failure(&without, query).await;
        assert!(error.is_configuration() && error.to_string().contains("--policy"), "{query}: {error}");
    }
    let privacy = privacy(Policy::builtin("hipaa-safe-harbor").unwrap());
    let engine = engine(Some(bound(&privacy)));
    let plain = RecordBatch::try_from_iter([("a", Arc::new(StringViewArray::from(vec!["x"])) as ArrayRef)]).unwrap();
    engine.session().register_batch("plain", plain).unwrap();
    for (query, part) in [
        ("select * from deidentified()", "write deidentified("),
        ("select * from deidentified('notes')", "write deidentified("),
        ("select * from deidentified(notes, text)", "write deidentified("),
        ("select * from deidentified(nothing)", "nothing"),
        ("select * from deidentified((select mrn as a, upper(mrn) || name as b, 1 as c from notes) , 'a', 'b')", "write deidentified("),
        ("select * from deidentified((select a, mrn from plain, notes))", "no PHI class"),
        ("select * from deid_spans(notes)", "write deid_spans("),
        ("select * from deid_spans(notes, 'txt')", "it has _source"),
        ("select * from deid_spans(notes, '_offset')", "no column of text"),
        ("select * from deid_spans(notes, 'text', '{\"column\": []}')", "unknown field"),
        ("select * from deid_spans(notes, 'text', '{\"columns\": [\"x\"]}')", "no column \"x\""),
        ("select * from deid_spans(notes, 'text', '{\"classes\": [\"x\"]}')", "unknown class"),
        ("select * from deid_spans(notes, 'text', '{\"languages\": [\"x\"]}')", "language"),
        ("select scrub()", "scrub"),
        ("select scrub([text]) from notes", "nested"),
        ("select pseudonym(mrn) from notes", "164.514(c)(1)"),
        ("select shift_date(seen, mrn) from notes", "does not permit shift-date"),
    ] {
        let error = failure(&engine, query).await;
        assert!(error.is_configuration() && error.to_string().contains(part), "{query}: {error}");
        assert!(!error.to_string().contains("Zorka"), "{query}: {error}");
    }
    // What the law permits is there.
    assert_eq!(texts(&engine, "select vault_code(mrn) from notes").await.iter().flatten().count(), 2);
    let anonymous = "name = \"a\"\nversion = \"1\"\nextends = \"gdpr-anonymous\"\n[legal]\nassessment = \"a\"\nsingling_out = \"s\"\nlinkability = \"l\"\ninference = \"i\"\n";
    let anonymous = self::privacy(Policy::from_toml(anonymous, "a.toml").unwrap());
    let error = failure(&self::engine(Some(bound(&anonymous))), "select scrub(text) from notes").await;
    assert!(error.to_string().contains("WP216"), "{error}");
}

#[tokio::test]
async fn texts_alone_and_in_tables_are_scrubbed_alike() {
    let privacy = privacy(scrubbing());
    let engine = engine(Some(bound(&privacy)));
    // In a table what the other columns say of the patient is looked for.
    let in_table = texts(&engine, "select text from deidentified(notes)").await;
    assert_eq!(texts(&engine, "select scrub(text, mrn, mrn, name, _source) from notes").await, in_table);
    let moved = privacy.context().shift_date("2018-03-14", "m1", 182).unwrap();
    let moved = format!("{}/{}/{}", &moved[5..7], &moved[8..], &moved[..4]);
    assert_eq!(in_table[0].as_deref(), Some(format!("[NAME] seen {moved} by Dr. [NAME], MRN: [MRN]. BP 120/80.").as_str()));
    assert_eq!(in_table[1..], [Some("Nothing to say.".to_owned()), None]);
    let in_table = texts(&engine, "select text from deidentified((select mrn, text from notes))").await;
    assert_eq!(texts(&engine, "select scrub(text, mrn) from notes").await, in_table);
    assert!(in_table[0].as_ref().unwrap().starts_with("Zorka seen"), "{in_table:?}");
    // Nobody's dates do not move; what is known of the patient is found.
    assert!(texts(&engine, "select scrub(text) from notes").await[0].as_ref().unwrap().starts_with("Zorka seen [DATE]"));
    let known = texts(&engine, "select scrub(text, mrn, name) from notes").await;
    assert!(known[0].as_ref().unwrap().starts_with("[NAME] seen"), "{known:?}");
    let known = texts(&engine, "select scrub(text, null, 'zorka ' || code) from notes").await;
    assert!(known[0].as_ref().unwrap().starts_with("[NAME] seen [DATE]"), "{known:?}");
    assert_eq!(texts(&engine, "select scrub('Dr. Stevens')").await, [Some("Dr. [NAME]".to_owned())]);
    for (expression, class, mark) in [
        ("scrub(text)", "free-text", Some("scrub")),
        ("scrub(text, mrn, name)", "free-text", Some("scrub")),
        ("scrub(name)", "name", None),
        ("scrub(code)", "clinical", None),
    ] {
        let frame = engine.sql(&format!("select {expression} from notes")).await.unwrap();
        let meta = lineage::column_meta(frame.logical_plan()).remove(0);
        assert_eq!((meta.phi.unwrap().as_str().as_ref(), meta.deid.as_deref()), (class, mark), "{expression}");
    }
}

#[tokio::test]
async fn spans_are_places_without_text() {
    // Without a policy too.
    for policy in [None, Some(bound(&privacy(Policy::builtin("gdpr-pseudonymised").unwrap())))] {
        let engine = engine(policy);
        let found = rows(&engine, "select * from deid_spans(notes, 'text')").await;
        let names: Vec<&str> = found.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["_source", "_offset", "class", "start", "end", "rule", "score", "language"]);
        let classes = found.column_by_name("class").unwrap().as_string_view().iter().flatten().collect::<Vec<_>>();
        assert_eq!(classes, ["date", "name", "mrn"]);
        let place = |name: &str, row: usize| found.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row) as usize;
        assert_eq!(&NOTE[place("start", 0)..place("end", 0)], "03/14/2018");
        assert_eq!(&NOTE[place("start", 2)..place("end", 2)], "257475");
        assert_eq!((place("_offset", 0), found.column_by_name("language").unwrap().as_string_view().value(0)), (0, "en"));
        assert!(!pretty_format_batches(&[found]).unwrap().to_string().contains("257475"));
    }
    let engine = engine(None);
    let frame = engine.sql("select * from deid_spans(notes, 'text', '{\"values\": true}')").await.unwrap();
    let schema = lineage::classified_schema(&frame);
    let refused: Vec<&str> =
        schema.fields().iter().filter(|field| ColumnMeta::from_field(field).must_refuse()).map(|field| field.name().as_str()).collect();
    assert_eq!(refused, ["_source", "_offset", "value"]);
    for (options, column, expected) in [
        (r#"{"values": true}"#, "value", vec!["03/14/2018", "Stevens", "257475"]),
        (r#"{"values": true, "known": ["name", "mrn"]}"#, "value", vec!["Zorka", "03/14/2018", "Stevens", "257475"]),
        (r#"{"classes": ["date", "mrn"]}"#, "class", vec!["date", "mrn"]),
        (r#"{"classes": ["all"], "languages": ["en", "es"]}"#, "distinct language", vec!["en+es"]),
        (r#"{"columns": ["mrn"]}"#, "distinct mrn", vec!["m1"]),
    ] {
        let found = texts(&engine, &format!("select {column} from deid_spans(notes, 'text', '{options}')")).await;
        assert_eq!(found.iter().flatten().collect::<Vec<_>>(), expected, "{options}");
    }
    let counted = "select count(*) from deid_spans((select text from notes), 'text') where class = 'date' and score > 0.5";
    assert_eq!(texts(&engine, counted).await, [Some("1".to_owned())]);
}

/// Spans of a table under the policy: the record has its code, the places stay.
#[tokio::test]
async fn spans_are_a_table_like_any_other() {
    let privacy = privacy(scrubbing());
    let engine = engine(Some(bound(&privacy)));
    let query = "select mrn, class, \"start\", \"end\", rule from deidentified(deid_spans((select * from notes), 'text', '{\"columns\": [\"mrn\"]}'))";
    let found = rows(&engine, query).await;
    assert_eq!(found.num_rows(), 3);
    assert_eq!(found.column(0).as_string_view().value(0), privacy.context().pseudonym("mrn", "m1").unwrap());
    assert_eq!(found.column(1).as_string_view().value(2), "mrn");
}

const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|||20240301101500||ORU^R01|1|P|2.5\rPID|1||A-17^^^HOSP^MR||M\u{FC}ller^Jane||19800517|F\r\
                       OBR|1|||85025^CBC^C4|||20240301101500\rOBX|1|NM|718-7^Hgb^LN||13.5|g/dL|||||F|||20240301101500\r\
                       OBX|2|TX|11506-3^Note^LN||Ms. M\u{FC}ller was seen 03/14/2018.||||||F\r";
const RESOURCE: &str = r#"{"resourceType":"Patient","id":"A-17","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"A-17"}],"name":[{"family":"Müller"}],"gender":"female"}"#;
const DOCUMENT: &str = "<?xml version='1.0' encoding='ISO-8859-1'?><ClinicalDocument xmlns='urn:hl7-org:v3'><code code='34133-9' \
                        codeSystem='2.16.840.1.113883.6.1'/><recordTarget><patientRole><id root='1.2.3' extension='A-17'/><patient><name>\
                        <family>M\u{FC}ller</family></name></patient></patientRole></recordTarget></ClinicalDocument>";

#[tokio::test]
async fn records_are_those_of_the_files_with_one_code_for_a_patient() {
    let privacy = privacy(scrubbing());
    let engine = engine(Some(bound(&privacy)));
    let bound = BoundPolicy::new(privacy.clone(), FreeText::Scrub, Vec::new());
    let treatment: Treatment = bound.documents().unwrap().clone();
    let code = privacy.context().pseudonym("mrn", "A-17").unwrap();
    let declared = MESSAGE.replacen("|2.5\r", "|2.5||||||UNICODE UTF-8\r", 1);
    let marked = format!("\u{FEFF}{DOCUMENT}");
    let formats: [(&str, &str, &str, Box<dyn DocumentDeidentifier>); 3] = [
        ("deid_hl7v2", MESSAGE, &declared, Box::new(Hl7v2Deidentifier::new(treatment.clone()))),
        ("deid_fhir", RESOURCE, RESOURCE, Box::new(FhirDeidentifier::new(treatment.clone()))),
        ("deid_ccda", DOCUMENT, &marked, Box::new(CcdaDeidentifier::new(treatment))),
    ];
    for (function, text, file, deidentifier) in formats {
        let mut released = Vec::new();
        deidentifier.deidentify(file.as_bytes(), &mut released, &mut Ledger::new()).unwrap();
        let literal = text.replace('\'', "''");
        let given = texts(&engine, &format!("select {function}(x) from (values ('{literal}'), ('nothing'), (null)) t(x)")).await;
        assert_eq!(given[0].as_deref(), Some(String::from_utf8(released).unwrap().as_str()), "{function}");
        assert_eq!(given[1..], [None, None], "{function}");
        let given = given[0].as_deref().unwrap();
        assert!(given.contains(&code) && !given.contains("ller") && !given.contains("A-17"), "{function}: {given}");
        let frame = engine.sql(&format!("select {function}(text) from notes")).await.unwrap();
        let meta = lineage::column_meta(frame.logical_plan()).remove(0);
        assert!(!meta.must_refuse() && meta.deid.as_deref() == Some("document@scrubbing/1"), "{meta:?}");
    }
    // The date in the message moved as the function moves it.
    let literal = MESSAGE.replace('\'', "''");
    let moved =
        texts(&engine, &format!("select hl7_timestamp(hl7(deid_hl7v2('{literal}'), 'OBR-7')) = shift_date('2024-03-01T10:15:00', 'A-17')"))
            .await;
    assert_eq!(moved, [Some("true".to_owned())]);
}

#[test]
fn tables_inside_are_among_those_of_a_query() {
    let tables = |query: &str| tables_of(query).unwrap();
    assert_eq!(tables("select * from deidentified(feed.patients)"), ["feed.patients"]);
    assert_eq!(tables("select * from deid_spans((select * from a join b.c on true), 'text')"), ["a", "b.c"]);
    assert_eq!(tables("select * from deidentified(deid_spans(deidentified(read_hl7v2('x')), 'text'))"), ["read_hl7v2"]);
    assert_eq!(tables("select * from deidentified join deid_spans on true"), ["deid_spans", "deidentified"]);
}
