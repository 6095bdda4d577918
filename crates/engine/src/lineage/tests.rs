//! Attempts to launder an identifying column, and what legitimate queries must keep.

use std::sync::Arc;

use datafusion::{datasource::MemTable, prelude::SessionContext};

use super::*;
use crate::{Engine, EngineOptions};

fn field(name: &str, data_type: DataType, phi: &str, deid: Option<&str>) -> Field {
    let meta = ColumnMeta {
        phi: phi.parse().ok(),
        path: Some(format!("PATH-{name}")),
        patient: name == "mrn",
        deid: deid.map(str::to_owned),
        ..ColumnMeta::default()
    };
    meta.apply(Field::new(name, data_type, true))
}

fn register(session: &SessionContext, table: &str, fields: Vec<Field>) {
    let provider = MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]]).unwrap();
    session.register_table(table, Arc::new(provider)).unwrap();
}

fn engine() -> Engine {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let item = Arc::new(Field::new("item", DataType::Utf8View, true));
    let parts = vec![field("given", DataType::Utf8View, "name", None), Field::new("other", DataType::Utf8View, true)];
    register(
        engine.session(),
        "p",
        vec![
            field("mrn", DataType::Utf8View, "mrn", None),
            field("name", DataType::Utf8View, "name", None),
            field("phone", DataType::Utf8View, "phone", None),
            field("birth", DataType::Utf8View, "date", None),
            field("sex", DataType::Utf8View, "quasi", None),
            field("age", DataType::Int64, "age", None),
            field("aliases", DataType::List(item), "name", None),
            field("mystery", DataType::Utf8View, "", None),
            field("packed", DataType::Struct(parts.into()), "clinical", None),
            field("pseudo", DataType::Utf8View, "mrn", Some("pseudonym@p/1")),
            field("zip", DataType::Utf8View, "geography", Some("zip3@p/1")),
            field("zip_raw", DataType::Utf8View, "geography", None),
        ],
    );
    register(
        engine.session(),
        "o",
        vec![
            field("mrn", DataType::Utf8View, "mrn", None),
            field("code", DataType::Utf8View, "clinical", None),
            field("value", DataType::Float64, "clinical", None),
            field("rows", DataType::Int64, "operational", None),
        ],
    );
    engine
}

/// `class` or `class!mark`, `?` for unclassified; for each column.
async fn classes(engine: &Engine, query: &str) -> String {
    let df = match engine.session().sql(query).await {
        Ok(df) => df,
        Err(error) => return error.to_string(),
    };
    let metas = column_meta(df.logical_plan());
    assert_eq!(metas.len(), df.schema().fields().len(), "{query}");
    let word = |meta: &ColumnMeta| {
        let class = meta.phi.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        meta.deid.as_ref().map_or(class.clone(), |mark| format!("{class}!{mark}"))
    };
    metas.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_query_keeps_the_class_of_what_went_in() {
    let engine = engine();
    let mut wrong = Vec::new();
    for (query, expected) in [
        // Plain references.
        ("select mrn, name n, sex from p", "mrn name quasi"),
        ("select * from o", "mrn clinical clinical operational"),
        ("select p.name from p join o on p.mrn = o.mrn where o.value > 3", "name"),
        (
            "select * from o join p using (mrn) limit 0",
            "mrn clinical clinical operational name phone date quasi age name ? name mrn!pseudonym@p/1 geography!zip3@p/1 geography",
        ),
        ("select o.code, p.sex from o left join p on p.mrn = o.mrn order by p.name limit 3", "clinical quasi"),
        ("select mrn from p where exists (select 1 from o where o.mrn = p.mrn)", "mrn"),
        ("select distinct name from p", "name"),
        ("select distinct on (sex) name from p order by sex", "name"),
        ("select x.name from (select name from p) as x", "name"),
        ("with c as (select name as a, sex as b from p) select b, a from c", "quasi name"),
        // Literals and counts.
        ("select 1, 'x', now(), null from p", "operational operational operational operational"),
        ("select count(*), count(name), count(distinct name) from p", "operational operational operational"),
        ("select sex, count(*) from p group by sex", "quasi operational"),
        ("select row_number() over (order by name), ntile(3) over () from p", "operational operational"),
        ("values (1, 'a'), (2, 'b')", "operational operational"),
        // Expressions over one column.
        ("select name || '' from p", "name"),
        ("select substr(name, 1, 1), upper(name), length(name), reverse(name) from p", "name name name name"),
        ("select encode(cast(name as bytea), 'hex'), md5(name), digest(mrn, 'sha256') from p", "name name mrn"),
        ("select cast(mrn as bigint) a, try_cast(mrn as int) b, mrn::varchar c from p", "mrn mrn mrn"),
        ("select coalesce(name, ''), nullif(name, 'x'), coalesce(null, name, sex) from p", "name name name"),
        (
            "select name = 'x', name like 'J%', name in ('a', 'b'), name is null, name between 'a' and 'b' from p",
            "name name name name name",
        ),
        ("select case when name = 'x' then 1 else 0 end from p", "name"),
        ("select case sex when 'F' then name else '' end from p", "name"),
        ("select not (name = 'x') from p", "name"),
        ("select regexp_replace(name, '(.*)', 'a\\1'), split_part(name, ' ', 1), ascii(name) from p", "name name name"),
        ("select date_part('year', cast(birth as date)), date_trunc('year', cast(birth as timestamp)) from p", "date date"),
        ("select age + 0, -age, age % 10 from p", "age age age"),
        ("select mystery, mystery || name, sex || mystery from p", "? ? ?"),
        // Several columns.
        ("select name || phone from p", "free-text"),
        ("select concat(sex, name), sex || code from p, o", "name quasi"),
        ("select case when name = 'x' then phone end from p", "free-text"),
        ("select greatest(name, sex) from p", "name"),
        // Packing and unpacking.
        ("select struct(name, sex), named_struct('a', name)['a'], [name, sex], [sex][1] from p", "name name name quasi"),
        ("select unnest(aliases), aliases[1], array_to_string(aliases, ',') from p", "name name name"),
        ("select unnest([sex, name]) from p", "name"),
        ("select unnest(make_array(name)) as x, sex from p", "name quasi"),
        ("select packed, packed['given'], packed['other'] from p", "name name name"),
        ("select map([sex], [name]) from p", "name"),
        // Aggregates.
        (
            "select min(name), max(mrn), first_value(name order by sex), array_agg(name), string_agg(name, ',') from p",
            "name mrn name name name",
        ),
        ("select sum(value), avg(value), stddev(value), median(value) from o", "clinical clinical clinical clinical"),
        ("select avg(age), sum(age), max(age) from p", "age age age"),
        ("select sum(case when name = 'x' then 1 else 0 end) from p", "name"),
        ("select sum(1) filter (where name = 'x'), max(1) from p", "name operational"),
        ("select bool_or(name = 'x') from p", "name"),
        ("select max(sex) from p group by name having max(name) > 'a'", "quasi"),
        ("select substr(name, 1, 3), count(*) from p group by substr(name, 1, 3)", "name operational"),
        ("select sex, name, count(*), grouping(name) from p group by grouping sets ((sex), (sex, name))", "quasi name operational name"),
        ("select name, count(*) from p group by rollup (name)", "name operational"),
        // Windows.
        ("select lag(name) over (order by sex), lead(mrn, 1, '') over (order by sex), first_value(name) over () from p", "name mrn name"),
        ("select rank() over (order by name), sum(value) over (partition by p.mrn) from p, o", "name clinical"),
        ("select count(*) over (partition by name), max(name) over () from p", "operational name"),
        // Subqueries.
        ("select (select max(name) from p) from o", "name"),
        ("select (select max(p.name) from p where p.mrn = o.mrn) || code from o", "name"),
        ("select (select 1 from p where p.name = 'x' limit 1) from o", "name"),
        ("select exists (select 1 from p where p.mrn = o.mrn and p.name = 'x') from o", "name"),
        ("select exists (select 1 from p where p.mrn = o.mrn) from o", "operational"),
        ("select code in (select name from p) from o", "name"),
        ("select code in (select code from o where mrn = 'x') from o", "mrn"),
        ("select (select o.mrn || x.c from (select 'a' as c) x) from o", "mrn"),
        // Unions.
        ("select sex from p union all select name from p", "name"),
        ("select 'x' union all select name from p", "name"),
        ("select name from p union select phone from p", "free-text"),
        ("select mrn from p union all select mrn from o", "mrn"),
        ("select sex from p except select name from p", "quasi"),
        ("select sex from p intersect select name from p", "quasi"),
        ("select sex from p union all select mystery from p", "?"),
        // Recursion.
        (
            "with recursive r as (select name as n, 1 as i from p union all select n, i + 1 from r where i < 3) select n, i from r",
            "name operational",
        ),
        (
            "with recursive r as (select sex as a, name as b, 1 as i from p union all select b, a, i + 1 from r where i < 3) select a, b from r",
            "name name",
        ),
        // Treatment.
        ("select pseudo, zip from p", "mrn!pseudonym@p/1 geography!zip3@p/1"),
        ("select upper(pseudo), pseudo || '-' || sex, min(pseudo) over () from p", "mrn!pseudonym@p/1 mrn!pseudonym@p/1 mrn!pseudonym@p/1"),
        ("select pseudo || zip from p", "free-text!pseudonym@p/1+zip3@p/1"),
        ("select pseudo || name, coalesce(pseudo, mrn), case when name = 'x' then pseudo end from p", "free-text mrn free-text"),
        ("select pseudo from p union all select mrn from p", "mrn"),
        ("select zip from p union all select zip_raw from p", "geography"),
        ("select coalesce(pseudo, mystery) from p", "?"),
        // About the query.
        ("select value, value % 3, case value % 3 when 0 then 'b' end from generate_series(1, 3)", "operational operational operational"),
        ("select value, name from generate_series(1, 3), p", "operational name"),
        ("explain select name from p", "operational operational"),
        ("select table_name from information_schema.tables", "operational"),
    ] {
        let found = classes(&engine, query).await;
        if found != expected {
            wrong.push(format!("{query}\n   found {found}\n  wanted {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn only_plain_references_keep_path_and_patient_mark() {
    let engine = engine();
    let df = engine
        .session()
        .sql("select p.mrn, p.mrn as id, upper(p.mrn), min(p.mrn) over (), x.mrn from p cross join (select mrn from o) x")
        .await;
    let metas = column_meta(df.unwrap().logical_plan());
    assert_eq!(metas.iter().map(|meta| meta.patient).collect::<Vec<_>>(), [true, true, false, false, true]);
    assert_eq!(metas[1].path.as_deref(), Some("PATH-mrn"));
    assert_eq!(metas[2].path, None);
}

#[tokio::test]
async fn views_and_their_optimised_plans_keep_classes() {
    let engine = engine();
    engine.session().sql("create view v as select upper(name) as n, sex || '' as s from p").await.unwrap().collect().await.unwrap();
    assert_eq!(classes(&engine, "select s, n from v").await, "quasi name");
    let df = engine.session().sql("select n from v where s = 'F' order by s limit 2").await.unwrap();
    let optimised = df.clone().into_optimized_plan().unwrap();
    assert_eq!(column_meta(&optimised)[0].phi, Some(PhiClass::Name));
    let schema = classified_schema(&df);
    assert_eq!(ColumnMeta::from_field(schema.field(0)).phi, Some(PhiClass::Name));
}

/// Planning and dropping such a query needs a large stack (DataFusion's); tracing it must not.
#[test]
fn very_deep_expressions_do_not_end_the_process() {
    let planning = std::thread::Builder::new().stack_size(512 << 20).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let deep = vec!["name"; 2000].join(" || ");
        let plan =
            runtime.block_on(async { engine().session().sql(&format!("select {deep} from p")).await.unwrap().logical_plan().clone() });
        let metas = std::thread::scope(|scope| {
            let tracing = std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, || column_meta(&plan));
            tracing.unwrap().join().unwrap()
        });
        assert_eq!(metas[0].phi, Some(PhiClass::Name));
    });
    planning.unwrap().join().unwrap();
}

#[tokio::test]
async fn statements_that_bypass_sinks_are_refused() {
    let engine = engine();
    let refused = async |query: &str| {
        let plan = engine.session().state().create_logical_plan(query).await.unwrap();
        refused_statement(&plan)
    };
    assert!(refused("copy (select name from p) to 'x.csv' stored as csv").await.unwrap().contains("COPY"));
    assert!(refused("create table t as select name from p").await.unwrap().contains("VIEW"));
    assert!(refused("explain analyze copy p to 'x.parquet' stored as parquet").await.is_some());
    assert!(refused("insert into p select * from p").await.is_some());
    assert!(refused("prepare q as insert into p select * from p").await.is_some());
    assert!(refused("create view w as select name from p").await.is_none());
    assert!(refused("select 1").await.is_none());
}
