use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Schema},
};
use datafusion::datasource::MemTable;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::{Deidentifier, KeyRing, MemoryVault, Policy, PrivacyContext, Scope};

use crate::{Engine, EngineOptions, deidentify, lineage};

fn context() -> Arc<PrivacyContext> {
    let vault = Arc::new(MemoryVault::new().unwrap());
    Arc::new(PrivacyContext::new(&KeyRing::generate().unwrap(), Scope::new("project", "domain"), Some(vault)).unwrap())
}

fn engine(context: Option<Arc<PrivacyContext>>) -> Engine {
    let engine = Engine::new(EngineOptions { privacy: context, ..EngineOptions::default() }).unwrap();
    let field = |name: &str, data_type, class| {
        let meta = ColumnMeta { patient: name == "mrn", ..ColumnMeta::of(class) };
        meta.apply(Field::new(name, data_type, true))
    };
    let schema = Arc::new(Schema::new(vec![
        field("mrn", DataType::Utf8View, PhiClass::Mrn),
        field("name", DataType::Utf8, PhiClass::Name),
        field("birth", DataType::Utf8View, PhiClass::Date),
        field("zip", DataType::Utf8View, PhiClass::Geography),
        field("age", DataType::Int64, PhiClass::Age),
        field("code", DataType::Utf8View, PhiClass::Clinical),
    ]));
    let view = |values: [Option<&str>; 3]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            view([Some("m1"), Some(" m1 "), None]),
            Arc::new(StringArray::from(vec![Some("Ann"), Some("Bob"), None])),
            view([Some("1980-05-17"), Some("1980"), None]),
            view([Some("02139-4307"), Some("03601"), None]),
            Arc::new(Int64Array::from(vec![Some(17), Some(93), None])),
            view([Some("a"), Some("b"), None]),
        ],
    );
    let table = MemTable::try_new(schema, vec![vec![batch.unwrap()]]).unwrap();
    engine.session().register_table("p", Arc::new(table)).unwrap();
    engine
}

/// The first column as text.
async fn column(engine: &Engine, query: &str) -> Vec<Option<String>> {
    let batches = engine.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}")).collect().await.unwrap();
    let mut out = Vec::new();
    for batch in batches {
        let text = cast(batch.column(0), &DataType::Utf8).unwrap();
        out.extend(text.as_string::<i32>().iter().map(|value| value.map(str::to_owned)));
    }
    out
}

async fn one(engine: &Engine, expression: &str) -> Option<String> {
    column(engine, &format!("select {expression}")).await.remove(0)
}

async fn failure(engine: &Engine, query: &str) -> String {
    match engine.sql(query).await {
        Err(error) => error.to_string(),
        Ok(df) => crate::EngineError::from(df.collect().await.unwrap_err()).to_string(),
    }
}

#[tokio::test]
async fn functions_answer_on_columns_nulls_and_literals() {
    let engine = engine(Some(context()));
    let text = |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
    for (expression, expected) in [
        ("mask(name)", [Some("***"), Some("***"), None]),
        ("mask(age)", [Some("***"), Some("***"), None]),
        ("zip3(zip)", [Some("021"), Some("000"), None]),
        ("age_band(age)", [Some("paediatric"), Some("geriatric"), None]),
        ("age_band(age, 'ten-year')", [Some("10-19"), Some("90+"), None]),
        ("age_band(birth, '2000-05-16', 'ten-year')", [Some("10-19"), Some("20-29"), None]),
        ("age_band(cast(birth as varchar), date '2000-05-17')", [Some("adult"), Some("adult"), None]),
        ("age_years(birth, '2000-05-16')", [Some("19"), Some("20"), None]),
        ("date_year(birth)", [Some("1980"), Some("1980"), None]),
        ("hl7_timestamp(code)", [None, None, None]),
        ("decrypt(encrypt(name, 'name'), 'name')", [Some("Ann"), Some("Bob"), None]),
        ("pseudonym(mrn) = pseudonym('m1', 'mrn')", [Some("true"), Some("true"), None]),
        ("vault_code(mrn) = vault_code('m1', 'mrn')", [Some("true"), Some("true"), None]),
        ("length(shift_date(birth, mrn))", [Some("10"), None, None]),
    ] {
        assert_eq!(column(&engine, &format!("select {expression} from p")).await, text(expected), "{expression}");
    }
    for (expression, expected) in [
        ("age_band('47', 'top-code')", Some("47")),
        ("age_band('1936-01-01', '2026-01-01', 'top-code')", Some("90+")),
        ("age_band(date '2020-01-01', timestamp '2026-01-01T10:00:00')", Some("paediatric")),
        ("age_band(null)", None),
        ("age_years('2026', '1980')", None),
        ("date_year('1900-01-01') like '%-or-earlier'", Some("true")),
        ("date_year(date '2001-02-03')", Some("2001")),
        ("zip3(null)", None),
        ("hl7_timestamp('20260314150926.5-0500')", Some("2026-03-14T15:09:26.5-05:00")),
        ("hl7_timestamp('20261399')", None),
        (r"hl7_unescape('a\T\b \F\ \X41\')", Some("a&b | A")),
    ] {
        assert_eq!(one(&engine, expression).await.as_deref(), expected, "{expression}");
    }
}

#[tokio::test]
async fn values_of_messages_by_path() {
    let engine = engine(None);
    let message = r#"'MSH|^~\&|A|B|C|D|20260314||ADT^A01|1|P|2.5' || chr(13) || 'PID|1||7^^^X~8||O\T\H^Ann|""|19800517'"#;
    for (path, expected) in [
        ("PID-5.1", Some("O&H")),
        ("PID-3[2].1", Some("8")),
        ("PID-6", Some("")),
        ("PID-30", None),
        ("ZZZ-1", None),
        ("MSH-9.2", Some("A01")),
    ] {
        assert_eq!(one(&engine, &format!("hl7({message}, '{path}')")).await.as_deref(), expected, "{path}");
    }
    assert_eq!(one(&engine, "hl7('no message', 'PID-5')").await, None);
    let error = failure(&engine, "select hl7(code, 'PID') from p").await;
    assert!(error.contains("names no field"), "{error}");
    let paths = column(&engine, &format!("select hl7({message}, x) from (values ('PID-5.2'), ('PID-1'), (null)) t(x)")).await;
    assert_eq!(paths, [Some("Ann".to_owned()), Some("1".to_owned()), None]);
}

#[tokio::test]
async fn without_keys_the_error_says_how_to_get_them() {
    let engine = engine(None);
    for query in ["pseudonym(mrn)", "encrypt(name, 'name')", "shift_date(birth, mrn)", "vault_code(mrn)", "decrypt(name, 'name')"] {
        let error = failure(&engine, &format!("select {query} from p")).await;
        assert!(error.contains("sutura keys new"), "{query}: {error}");
    }
    assert_eq!(one(&engine, "mask('x')").await.as_deref(), Some("***"));
    engine.set_privacy(&context());
    assert_eq!(one(&engine, "length(pseudonym('x', 'mrn'))").await.as_deref(), Some("26"));
}

#[tokio::test]
async fn wrong_calls_say_how_to_call() {
    let engine = engine(Some(context()));
    for (expression, part) in [
        ("pseudonym(upper(name))", "pseudonym(value, 'mrn')"),
        ("pseudonym(name, code)", "in quotes"),
        ("encrypt(name, code)", "in quotes"),
        ("zip3(zip, 3)", "zip3(zip)"),
        ("age_band(age, 'decades')", "ten-year"),
        ("age_band(age, '2020-01-01', '2021-01-01')", "call it as age_band"),
        ("mask([name])", "nested"),
        ("decrypt(name, 'name')", "no ciphertext"),
        ("cast(name as bigint)", "try_cast"),
        ("to_timestamp(name)", "try_cast"),
        ("regexp_like('a', name || '(')", "withheld"),
    ] {
        let error = failure(&engine, &format!("select {expression} from p")).await;
        assert!(error.contains(part), "{expression}: {error}");
        assert!(!error.contains("Ann") && !error.contains("Bob"), "{error}");
    }
}

#[tokio::test]
async fn lineage_believes_the_functions_and_no_more() {
    let engine = engine(Some(context()));
    for (expression, class, mark) in [
        ("pseudonym(mrn)", "mrn", Some("pseudonym")),
        ("vault_code(name)", "name", Some("vault-code")),
        ("encrypt(name, 'n')", "name", Some("encrypt")),
        ("decrypt(encrypt(name, 'n'), 'n')", "name", None),
        ("decrypt(code, 'n')", "free-text", None),
        ("mask(name || mrn)", "free-text", Some("mask")),
        ("shift_date(birth, mrn)", "date", Some("shift-date")),
        ("date_year(birth)", "date", Some("year")),
        ("age_band(birth)", "age", Some("age-band")),
        ("age_years(birth, '2026-01-01')", "age", None),
        ("zip3(zip)", "geography", Some("zip3")),
        ("zip3(mrn)", "mrn", None),
        ("zip3(zip || mrn)", "free-text", None),
        ("upper(pseudonym(mrn))", "mrn", Some("pseudonym")),
        ("pseudonym(mrn) || name", "free-text", None),
        ("coalesce(pseudonym(mrn), mrn)", "mrn", None),
        ("case when name = 'Ann' then age_band(age) end", "free-text", None),
        ("hl7(name, 'PID-5')", "name", None),
        ("hl7_unescape(name)", "name", None),
    ] {
        let df = engine.sql(&format!("select {expression} as x from p")).await.unwrap();
        let meta = lineage::column_meta(df.logical_plan()).remove(0);
        assert_eq!((meta.phi.unwrap().as_str().as_ref(), meta.deid.as_deref()), (class, mark), "{expression}");
    }
}

#[tokio::test]
async fn a_policy_and_the_functions_give_the_same() {
    let context = context();
    let engine = engine(Some(Arc::clone(&context)));
    let policy = Policy::builtin("hipaa-safe-harbor").unwrap();
    let deidentifier = Deidentifier::with_context(policy, Arc::clone(&context)).unwrap();
    let df = engine.sql("select mrn, upper(name) as name, birth, zip, age, code, 1 as n from p").await.unwrap();
    let plan = Arc::new(deidentifier.plan(&lineage::classified_schema(&df)).unwrap());
    let other = engine.sql("select mrn from p").await.unwrap();
    assert!(deidentify(other, &plan).is_err());

    let treated = deidentify(df, &plan).unwrap();
    let metas = lineage::column_meta(treated.logical_plan());
    assert!(metas.iter().all(|meta| !meta.must_refuse()), "{metas:?}");
    let expected = plan.output_schema();
    let schema = lineage::classified_schema(&treated);
    assert_eq!(schema.fields(), expected.fields());
    let batches = treated.collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    let codes = batches[0].column_by_name("mrn").unwrap().as_string_view();
    assert_eq!((codes.value(0), codes.is_null(2)), (codes.value(1), true));
    assert_eq!(context.vault_code("mrn", "m1").unwrap().as_deref(), Some(codes.value(0)));
    let statistics = plan.statistics();
    assert_eq!((statistics[0].rows, statistics[0].nulls), (3, 1));
}

/// The plan sees a column at a time here, so what a rule needs beside it must come along.
#[tokio::test]
async fn an_age_among_results_goes_by_the_code_beside_it() {
    let context = context();
    let engine = engine(Some(Arc::clone(&context)));
    let field = |name: &str, data_type: DataType, path: &str| {
        ColumnMeta { path: Some(path.into()), ..ColumnMeta::of(PhiClass::Clinical) }.apply(Field::new(name, data_type, true))
    };
    let schema = Schema::new(vec![
        field("observation_code", DataType::Utf8View, "Observation.component.code.coding.code"),
        field("value_number", DataType::Float64, "Observation.component.valueQuantity.value"),
    ]);
    let codes: ArrayRef = Arc::new(StringViewArray::from(vec!["30525-0", "30525-0", "8480-6"]));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![97.0, 61.0, 120.0]));
    let df = engine.session().read_batch(RecordBatch::try_new(Arc::new(schema), vec![codes, numbers]).unwrap()).unwrap();
    let deidentifier = Deidentifier::with_context(Policy::builtin("hipaa-safe-harbor").unwrap(), context).unwrap();
    let plan = Arc::new(deidentifier.plan(&lineage::classified_schema(&df)).unwrap());
    let batches = deidentify(df, &plan).unwrap().collect().await.unwrap();
    let values: Vec<Option<f64>> = batches[0].column(1).as_primitive::<Float64Type>().iter().collect();
    assert_eq!(values, [None, Some(61.0), Some(120.0)]);
}

#[tokio::test]
async fn fhirpath_gives_text_json_or_nothing() {
    let engine = engine(None);
    let patient = r#"{"resourceType":"Patient","gender":"female","name":[{"family":"Doe","given":["A","B"]}],"birthDate":"1980"}"#;
    let given = async |expression: &str| {
        let expression = expression.replace('\'', "''");
        column(&engine, &format!("select fhirpath('{patient}', '{expression}')")).await.remove(0)
    };
    assert_eq!(given("gender").await.as_deref(), Some("female"));
    assert_eq!(given("name.given").await.as_deref(), Some(r#"["A","B"]"#));
    assert_eq!(given("name.first()").await.as_deref(), Some(r#"{"family":"Doe","given":["A","B"]}"#));
    assert_eq!(given("name.given.count() > 1").await.as_deref(), Some("true"));
    assert_eq!(given("deceased").await, None);
    assert_eq!(column(&engine, "select fhirpath('no json', 'gender')").await, [None]);
    let error = engine.sql(&format!("select fhirpath('{patient}', 'name.')")).await.unwrap_err().to_string();
    assert!(error.contains("fhirpath"), "{error}");
}

#[tokio::test]
async fn fhir_validate_names_the_place_and_no_value() {
    let engine = engine(None);
    let outcome = column(&engine, r#"select fhir_validate('{"resourceType":"Patient","gender":"SECRETVALUE"}')"#).await.remove(0).unwrap();
    assert!(outcome.contains("Patient.gender") && outcome.contains(r#""severity":"error""#), "{outcome}");
    assert!(!outcome.contains("SECRETVALUE"), "{outcome}");
    let good = column(&engine, r#"select fhir_validate('{"resourceType":"Patient","gender":"female"}')"#).await.remove(0).unwrap();
    assert!(!good.contains(r#""severity":"error""#), "{good}");
}

#[tokio::test]
async fn what_is_no_literal_is_no_expression_and_no_profile() {
    let engine = engine(None);
    for (expression, part) in [
        ("fhirpath('{}', name)", "fhirpath: the expression must be a text in quotes"),
        ("fhirpath('{}', name || '()')", "fhirpath: the expression must be a text in quotes"),
        ("fhirpath('{}', '%' || name)", "fhirpath: the expression must be a text in quotes"),
        ("fhirpath('{}', 1)", "fhirpath: the expression must be a text in quotes"),
        ("fhirpath('{}', (select max(name) from p))", "fhirpath: the expression must be a text in quotes"),
        ("fhir_validate('{}', name)", "fhir_validate: the profile must be a text in quotes"),
    ] {
        let error = failure(&engine, &format!("select {expression} from p")).await;
        assert!(error.contains(part), "{expression}: {error}");
        assert!(!error.contains("Ann") && !error.contains("Bob"), "{error}");
    }
    assert_eq!(column(&engine, "select fhirpath(name, null) from p").await, [None, None, None]);
    assert!(one(&engine, "fhir_validate('{}', null)").await.is_some());
}
