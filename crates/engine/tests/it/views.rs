//! Views as tables: in a query, in a pass, with filters that reach the scan.

use std::{fs, path::Path, sync::Arc};

use datafusion::{
    datasource::MemTable,
    physical_plan::{ExecutionPlan, collect},
};
use sutura_core::{Format, ViewText};
use sutura_engine::{
    Engine, EngineOptions,
    arrow::array::RecordBatch,
    datafusion,
    pass::{PassOptions, SharedPass, SourceSpec},
};
use sutura_fhir::read::Fhir;

use crate::{
    pass::consumer,
    read::{rows, text},
};

const COMPONENTS: &str = r#"{"resourceType":"ViewDefinition","name":"Components","resource":"Observation","select":[
    {"column":[{"name":"id","path":"getResourceKey()"},{"name":"patient","path":"subject.getReferenceKey(Patient)"},
        {"name":"final","path":"status = 'final'"},{"name":"parts","path":"component.count()"}]},
    {"forEachOrNull":"component","column":[{"name":"code","path":"code.coding.first().code"},
        {"name":"value","path":"value.ofType(Quantity).value"},{"name":"unit","path":"value.ofType(Quantity).unit"}]}]}"#;
const NAMES: &str =
    r#"{"name":"names","resource":"Patient","select":[{"column":[{"name":"id","path":"id"},{"name":"family","path":"name.family"}]}]}"#;

fn observation(n: usize) -> String {
    let part = |code: &str, value: usize| {
        format!(r#"{{"code":{{"coding":[{{"code":"{code}"}}]}},"valueQuantity":{{"value":{value}.5,"unit":"mm[Hg]"}}}}"#)
    };
    let parts = match n % 3 {
        0 => String::new(),
        1 => format!(r#","component":[{}]"#, part("8480-6", n % 90)),
        _ => format!(r#","component":[{},{}]"#, part("8480-6", 100 + n % 90), part("8462-4", 60 + n % 40)),
    };
    let status = if n.is_multiple_of(5) { "amended" } else { "final" };
    let subject = if n.is_multiple_of(7) { String::new() } else { format!(r#","subject":{{"reference":"Patient/p{}"}}"#, n % 11) };
    format!(r#"{{"resourceType":"Observation","id":"o{n}","status":"{status}"{subject}{parts}}}"#)
}

/// Every tenth has two families, which the view cannot show.
fn patient(n: usize) -> String {
    let second = if n.is_multiple_of(10) { r#",{"family":"B"}"# } else { "" };
    format!(r#"{{"resourceType":"Patient","id":"p{n}","name":[{{"family":"A"}}{second}]}}"#)
}

fn feed(folder: &Path) -> String {
    let lines: Vec<String> = (0..900).flat_map(|n| [observation(n), patient(n)]).collect();
    fs::write(folder.join("a.ndjson"), lines.join("\n")).unwrap();
    let entries: Vec<String> = (900..1000).map(|n| format!("{{\"resource\":{}}}", observation(n))).collect();
    fs::write(folder.join("b.json"), format!("{{\"resourceType\":\"Bundle\",\"entry\":[{}]}}", entries.join(","))).unwrap();
    for (name, view) in [("components.view", COMPONENTS), ("names.view", NAMES)] {
        fs::create_dir_all(folder.join("views")).unwrap();
        fs::write(folder.join(format!("views/{name}.json")), view).unwrap();
    }
    format!("{}/[ab].*json", folder.display())
}

/// Many ranges and batches.
fn engine() -> Engine {
    Engine::new(EngineOptions { min_range_bytes: 10_000, target_partitions: 4, batch_rows: 50, ..EngineOptions::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_a_table_of_read_fhir() {
    let folder = tempfile::tempdir().unwrap();
    let (path, engine) = (feed(folder.path()), engine());
    let view = folder.path().join("views/components.view.json");
    let query = "select count(*) as n, count(code) as codes, sum(value) as total, count(distinct patient) as patients from read_fhir";
    let of_file = text(&engine, &format!("{query}('{path}', '{}')", view.display())).await;
    let inline = text(&engine, &format!("{query}('{path}', '{}')", COMPONENTS.replace('\'', "''"))).await;
    assert_eq!(of_file, inline);
    // 334 without component give a row each, 333 with one, 333 with two.
    let components = "select count(*) as n, count(distinct patient_id) as patients from read_fhir";
    assert!(of_file.contains("| 1333 | 999   |"), "{of_file}");
    assert!(text(&engine, &format!("{components}('{path}', 'observation_components')")).await.contains("999"));
    // A resource type stands for its table.
    assert!(text(&engine, &format!("select count(*) as n from read_fhir('{path}', 'Patient')")).await.contains("900"));
    for (call, hint) in [
        (format!("read_fhir('{path}', '/no/such.json')"), "cannot be read"),
        (format!("read_fhir('{path}', '{{\"resource\":\"Pet\"}}')"), "no resource type"),
        (format!("read_fhir('{path}', 'pets')"), "observations"),
        (format!("read_hl7v2('{path}', '{}')", view.display()), "has no views"),
    ] {
        let error = engine.sql(&format!("select * from {call}")).await.unwrap_err();
        assert!(error.to_string().contains(hint) && error.is_configuration(), "{error}");
    }
}

/// Rows come in no particular order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// The rows of a table with a filter that the scan may apply are those of the same rows in memory, which DataFusion filters; and the
/// plan shows what went where.
async fn filter(engine: &Engine, table: &str, selects: &[&str], predicates: &[(&str, &[&str])]) {
    let all = rows(engine, &format!("select * from {table}")).await;
    let held = MemTable::try_new(all[0].schema(), vec![all]).unwrap();
    engine.session().register_table("held", Arc::new(held)).unwrap();
    for (kind, predicates) in predicates {
        for predicate in *predicates {
            for columns in selects {
                let query = |table: &str| format!("select {columns} from {table} where {predicate}");
                let (ours, theirs) = (text(engine, &query(table)).await, text(engine, &query("held")).await);
                assert!(sorted(&ours) == sorted(&theirs), "{columns} where {predicate}");
            }
            let plan = text(engine, &format!("explain select 1 from {table} where {predicate}")).await;
            assert_eq!(plan.contains("filter=["), *kind != "none", "{predicate}: {plan}");
            assert_eq!(plan.contains("FilterExec"), *kind != "exact", "{predicate}: {plan}");
        }
    }
    engine.session().deregister_table("held").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_reaches_the_scan_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, engine) = (feed(folder.path()), engine());
    let table = format!("read_fhir('{path}', '{}')", folder.path().join("views/components.view.json").display());
    let exact = [
        "code = '8480-6'",
        "code <> '8480-6'",
        "code is null",
        "code is not null and parts > 1",
        "code in ('8462-4', 'x')",
        "code in ('8462-4', 'x', 'y', 'z', '8480-6')",
        "final",
        "not final",
        "patient >= 'p3' and patient < 'p7'",
        "parts between 1 and 1 and final = true",
        "unit = 'mm[Hg]' and parts = 2 and id > 'o5'",
    ];
    let inexact = ["value > 100", "value <= 60.5 and code = '8480-6'"];
    let not_pushed = ["upper(code) = '8480-6'", "code like '84%'", "id = patient", "parts + 1 = 2", "code = '8480-6' or parts = 0"];
    let selects = ["*", "id", "count(*) as n, sum(value) as total", "parts, unit"];
    filter(&engine, &table, &selects, &[("exact", &exact), ("inexact", &inexact), ("none", &not_pushed)]).await;
    let first = rows(&engine, &format!("select id from {table} where final limit 3")).await;
    assert_eq!(first.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    // With an inexact filter the scan gives fewer rows, too.
    let frame = engine.sql(&format!("select id from {table} where value > 1000")).await.unwrap();
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    collect(Arc::clone(&plan), context).await.unwrap();
    let mut leaf: Arc<dyn ExecutionPlan> = plan;
    while let Some(child) = leaf.children().first() {
        leaf = Arc::clone(child);
    }
    assert_eq!(leaf.metrics().unwrap().output_rows(), Some(0), "the scan drops them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_reach_the_default_tables_too() {
    let folder = tempfile::tempdir().unwrap();
    let (path, engine) = (feed(folder.path()), engine());
    let selects = ["*", "_offset", "count(*) as n"];
    let table = |name: &str| format!("read_fhir('{path}', '{name}')");
    let exact = ["status = 'final'", "status <> 'final'", "patient_id = 'p3'", "patient_id is null", "patient_reference = 'Patient/p3'"];
    let not_pushed = ["_offset > 1000", "id like 'o1%'", "effective_datetime_utc is null"];
    filter(&engine, &table("observations"), &selects, &[("exact", &exact), ("none", &not_pushed)]).await;
    let exact = ["ordinal = 2", "ordinal > 1 and code_code = '8462-4'"];
    let inexact = ["value_number > 100", "value_number is not null and value_number < 62 and ordinal = 1"];
    filter(&engine, &table("observation_components"), &selects, &[("exact", &exact), ("inexact", &inexact)]).await;
    let exact = ["resource_type = 'Patient'", "resource_type in ('Patient', 'Observation')"];
    filter(&engine, &table("resources"), &selects, &[("exact", &exact), ("none", &["patient_id = 'p3'"])]).await;
}

fn with_views() -> Arc<dyn Format> {
    let view = |text: &str| ViewText { origin: "test".to_owned(), name: None, text: text.as_bytes().to_vec() };
    Fhir.with_views(&[view(COMPONENTS), view(NAMES)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_views_and_tables_in_one_pass_balance() {
    let folder = tempfile::tempdir().unwrap();
    let (path, engine) = (feed(folder.path()), engine());
    let source = SourceSpec { instance: Some(with_views()), ..SourceSpec::new("feed", "fhir", &path) };
    let pass = SharedPass::new(&engine, vec![source]).await.unwrap();
    let consumers = vec![
        consumer(&engine, "components", "select * from feed.components").await,
        consumer(&engine, "high", "select id from feed.components where code = '8480-6' and value > 150").await,
        consumer(&engine, "names", "select family from feed.names").await,
        consumer(&engine, "patients", "select id from feed.patients").await,
        consumer(&engine, "rejects", "select code, location from feed.rejects where code = 'view-refused'").await,
    ];
    let report = pass.run(consumers, PassOptions::default()).await.unwrap();
    assert!(report.balances() && report.consumers.iter().all(|consumer| !consumer.own_scan));
    let counts: Vec<usize> = report.consumers.iter().map(|consumer| consumer.output.num_rows()).collect();
    let alone = rows(&engine, "select count(*) as n from feed.components where code = '8480-6' and value > 150").await;
    let high =
        usize::try_from(alone[0].column(0).as_any().downcast_ref::<datafusion::arrow::array::Int64Array>().unwrap().value(0)).unwrap();
    assert_eq!(counts, [1333, high, 810, 810, 90], "what a view refuses is in no table");
    let stats = report.stats("feed");
    assert_eq!((stats.records, stats.accepted, stats.rejected), (1900, 1810, 90));
    assert_eq!(stats.rejects_by_code["view-refused"], 90);
}

/// A view that only a join reads is looked at by the pass too: what it refuses is in the account.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_refuses_is_counted_whoever_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, engine) = (feed(folder.path()), engine());
    let run = async |query: &str| {
        let source = SourceSpec { instance: Some(with_views()), ..SourceSpec::new("feed", "fhir", &path) };
        let pass = SharedPass::new(&engine, vec![source]).await.unwrap();
        let consumers = vec![consumer(&engine, "one", query).await];
        let report = pass.run(consumers, PassOptions::default()).await.unwrap();
        assert!(report.balances());
        (report.consumers[0].own_scan, report.consumers[0].output.num_rows(), report.stats("feed").rejected)
    };
    assert_eq!(run("select a.id from feed.names a join feed.names b on a.id = b.id where a.family = b.family").await, (true, 810, 90));
    assert_eq!(run("select id from feed.names").await, (false, 900, 0), "a column that nobody asks for is not evaluated");
    assert_eq!(run("select id from feed.names where family = 'A'").await, (false, 810, 90));
    assert_eq!(run("select id, family from feed.names where id = 'p20'").await, (false, 0, 1));
    assert_eq!(run("select id, family from feed.names where id = 'p21'").await, (false, 1, 0), "rows that nobody wants are not evaluated");
    // Outside of a pass the rejects of a view are asked for.
    let view = folder.path().join("views/names.view.json");
    let of_view = text(
        &engine,
        &format!("select code, count(*) as n, min(_offset) as first from rejects('{path}', '{}') group by 1", view.display()),
    )
    .await;
    assert!(of_view.contains("view-refused | 90 "), "{of_view}");
    assert!(!text(&engine, &format!("select code from rejects('{path}', 'fhir')")).await.contains("view-refused"));
}

#[test]
fn names_of_views_are_free_and_names() {
    let view = |origin: &str, text: &str| ViewText { origin: origin.to_owned(), name: None, text: text.as_bytes().to_vec() };
    let names = |views: &[ViewText]| {
        Fhir.with_views(views).map(|format| format.tables().last().unwrap().name.clone()).map_err(|error| error.to_string())
    };
    let nameless = NAMES.replace("\"name\":\"names\",", "");
    assert_eq!(names(&[view("x.json", COMPONENTS)]).unwrap(), "components");
    assert_eq!(names(&[view("views/Blood-Pressure 2.json", &nameless)]).unwrap(), "blood_pressure_2");
    for (views, hint) in [
        (vec![view("a.json", NAMES), view("b.json", NAMES)], "b.json: there is a table names already"),
        (vec![view("a.json", &NAMES.replace("\"names\"", "\"Patients\""))], "there is a table patients already"),
        (vec![view("a.json", &NAMES.replace("\"names\"", "\"1 x\""))], "must begin with a letter"),
        (vec![view("1.json", &nameless)], "give it a name"),
        (vec![view("a.json", "{")], "not valid JSON"),
    ] {
        let error = names(&views).unwrap_err();
        assert!(error.contains(hint), "{error}");
    }
}
