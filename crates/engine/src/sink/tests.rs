use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray},
    datatypes::{DataType, Field},
};
use datafusion::datasource::MemTable;
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    file::reader::{FileReader, SerializedFileReader},
};
use sutura_core::{ColumnMeta, PhiClass};

use super::*;
use crate::EngineOptions;

fn field(name: &str, data_type: DataType, phi: Option<PhiClass>, deid: Option<&str>) -> Field {
    let meta =
        ColumnMeta { phi, deid: deid.map(str::to_owned), unit: (name == "value").then(|| "mg/dL".to_owned()), ..ColumnMeta::default() };
    meta.apply(Field::new(name, data_type, true))
}

/// A table `t` of `rows` rows in three parts: name (identifying), id (treated), kind (a..d and null), value.
fn engine(rows: usize) -> Engine {
    let engine = Engine::new(EngineOptions { target_partitions: 3, ..EngineOptions::default() }).unwrap();
    let schema = Arc::new(Schema::new(vec![
        field("name", DataType::Utf8View, Some(PhiClass::Name), None),
        field("id", DataType::Utf8View, Some(PhiClass::Mrn), Some("pseudonym@p/1")),
        field("kind", DataType::Utf8View, Some(PhiClass::Clinical), None),
        field("value", DataType::Int64, Some(PhiClass::Clinical), None),
        field("mystery", DataType::Utf8View, None, None),
    ]));
    let parts: Vec<Vec<RecordBatch>> = (0..3)
        .map(|part| {
            let of_part: Vec<usize> = (0..rows).filter(|row| row % 3 == part).collect();
            let text = |make: &dyn Fn(usize) -> Option<String>| {
                Arc::new(of_part.iter().map(|&row| make(row)).collect::<StringViewArray>()) as ArrayRef
            };
            let columns = vec![
                text(&|row| Some(format!("Patient Number {row}"))),
                text(&|row| Some(format!("a long pseudonym {row}"))),
                text(&|row| (row % 5 < 4).then(|| ["a", "b/c", "d=é", ""][row % 5].to_owned())),
                Arc::new(of_part.iter().map(|&row| (row % 7 != 0).then_some(row as i64)).collect::<Int64Array>()),
                text(&|_| Some("?".to_owned())),
            ];
            vec![RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()]
        })
        .collect();
    engine.session().register_table("t", Arc::new(MemTable::try_new(schema, parts).unwrap())).unwrap();
    engine
}

async fn frame(engine: &Engine, query: &str) -> DataFrame {
    engine.session().sql(query).await.unwrap()
}

fn spec(format: SinkFormat, folder: &Path) -> SinkSpec {
    SinkSpec::new(format, folder.to_str().unwrap())
}

/// Every file and folder below, relative, folders with a slash.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(current) = pending.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.push(relative + "/");
                pending.push(path);
            } else {
                found.push(relative);
            }
        }
    }
    found.sort();
    found
}

fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_holds_rows_classes_and_facts() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let engine = engine(1000);
    let mut spec = spec(SinkFormat::Parquet, &target);
    spec.metadata.insert("sutura.policy".into(), "p/1".into());
    let report = write(&engine, frame(&engine, "select id, kind, value from t").await, spec).await.unwrap();
    assert_eq!((report.rows, report.files.len()), (1000, 3));
    assert_eq!(
        tree(folder.path()),
        ["out/", "out/_manifest.json", "out/part-00000.parquet", "out/part-00001.parquet", "out/part-00002.parquet"]
    );

    let mut rows = 0;
    for written in &report.files {
        let bytes = fs::read(target.join(&written.path)).unwrap();
        assert_eq!(bytes.len() as u64, written.bytes);
        assert_eq!(sutura_core::Sha256Hash::of(&bytes).to_string(), written.sha256);
        let batches = read_parquet(&target.join(&written.path));
        rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let schema = batches[0].schema();
        let meta = |name: &str| ColumnMeta::from_field(schema.field_with_name(name).unwrap());
        assert_eq!((meta("id").phi, meta("id").deid.as_deref()), (Some(PhiClass::Mrn), Some("pseudonym@p/1")));
        assert_eq!((meta("value").phi, meta("value").unit.as_deref()), (Some(PhiClass::Clinical), Some("mg/dL")));
        assert_eq!(*schema.field(0).data_type(), DataType::Utf8, "views are stored as plain text");
        let reader = SerializedFileReader::new(File::open(target.join(&written.path)).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(pairs.iter().any(|pair| pair.key == "sutura.policy" && pair.value.as_deref() == Some("p/1")));
    }
    assert_eq!(rows, 1000);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(target.join(MANIFEST)).unwrap()).unwrap();
    assert_eq!(manifest["rows"], 1000);
    assert_eq!(manifest["columns"][0]["phi"], "mrn");
    assert_eq!(manifest["files"][1]["sha256"], report.files[1].sha256.as_str());

    let again = engine
        .session()
        .read_parquet(target.to_str().unwrap(), datafusion::prelude::ParquetReadOptions::default().skip_metadata(false))
        .await;
    let metas = lineage::column_meta(again.unwrap().logical_plan());
    assert_eq!(metas[0].deid.as_deref(), Some("pseudonym@p/1"), "our own output reads back classified");
}

#[tokio::test]
async fn identifying_and_unclassified_columns_are_refused_together() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let engine = engine(10);
    let query = "select upper(name) as n, id, value, mystery from t";
    let error = write(&engine, frame(&engine, query).await, spec(SinkFormat::Csv, &target)).await.unwrap_err();
    let EngineError::IdentifyingColumns { columns, .. } = &error else { panic!("{error}") };
    assert_eq!(columns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["n (name)", "mystery (unclassified)"]);
    assert!(error.to_string().contains("allow_phi"), "{error}");
    assert!(tree(folder.path()).is_empty(), "nothing was written");

    let mut allowed = spec(SinkFormat::Parquet, &target);
    allowed.allow_phi = Some(Purpose { text: "  ".into() });
    assert!(matches!(write(&engine, frame(&engine, query).await, allowed.clone()).await, Err(EngineError::BadOutput { .. })));
    allowed.allow_phi = Some(Purpose { text: "treatment".into() });
    let report = write(&engine, frame(&engine, query).await, allowed).await.unwrap();
    assert_eq!(report.allowed_columns.len(), 2);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(target.join(MANIFEST)).unwrap()).unwrap();
    assert_eq!(manifest["allow_phi"]["purpose"], "treatment");
    assert_eq!(manifest["allow_phi"]["columns"][0]["name"], "n");
}

#[tokio::test]
async fn partitions_become_encoded_folders() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let engine = engine(100);
    let mut by_kind = spec(SinkFormat::Ndjson, &target);
    by_kind.partition_by = vec!["kind".into()];
    by_kind.layout = Layout::Single;
    by_kind.limits.open_files = 2;
    let report = write(&engine, frame(&engine, "select kind, id, value from t order by value").await, by_kind.clone()).await.unwrap();
    assert_eq!(report.rows, 100);
    let folders: Vec<String> = tree(&target).into_iter().filter(|path| path.ends_with('/')).collect();
    assert_eq!(folders, ["kind=/", "kind=__HIVE_DEFAULT_PARTITION__/", "kind=a/", "kind=b%2Fc/", "kind=d%3D%C3%A9/"]);
    assert!(report.files.iter().any(|file| file.path.ends_with("/part-00000.ndjson")), "{:?}", report.files);
    let first = fs::read_to_string(target.join("kind=a/part-00000.ndjson")).unwrap();
    assert!(first.lines().all(|line| line.starts_with("{\"id\":") && !line.contains("kind")), "{first}");

    by_kind.overwrite = true;
    by_kind.limits.partitions = 3;
    let error = write(&engine, frame(&engine, "select kind, id from t").await, by_kind).await.unwrap_err();
    assert!(error.to_string().contains("more than 3 partitions"), "{error}");
    assert_eq!(tree(folder.path()).iter().filter(|path| path.starts_with(".tmp")).count(), 0);
    assert!(target.join("kind=a/part-00000.ndjson").exists(), "the earlier output is still there");

    let mut by_name = spec(SinkFormat::Parquet, &folder.path().join("names"));
    by_name.partition_by = vec!["name".into()];
    by_name.allow_phi = Some(Purpose { text: "treatment".into() });
    let error = write(&engine, frame(&engine, "select name, value from t").await, by_name).await.unwrap_err();
    assert!(error.to_string().contains("whatever the purpose"), "{error}");
}

#[tokio::test]
async fn every_format_and_compression_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(50);
    let query = "select id, kind, value from t order by value nulls first, id";
    let expected = frame(&engine, query).await.collect().await.unwrap();
    let expected_rows: usize = expected.iter().map(RecordBatch::num_rows).sum();
    for (format, compression, suffix) in [
        (SinkFormat::Parquet, Compression::Snappy, "parquet"),
        (SinkFormat::Parquet, Compression::None, "parquet"),
        (SinkFormat::Csv, Compression::None, "csv"),
        (SinkFormat::Csv, Compression::Gzip, "csv.gz"),
        (SinkFormat::Ndjson, Compression::Zstd, "ndjson.zst"),
        (SinkFormat::Arrow, Compression::None, "arrow"),
        (SinkFormat::Arrow, Compression::Zstd, "arrow"),
    ] {
        let target = folder.path().join(format!("{format:?}-{compression:?}.{suffix}"));
        let mut spec = spec(format, &target);
        spec.layout = Layout::File;
        spec.compression = Some(compression);
        let report = write(&engine, frame(&engine, query).await, spec.clone()).await.unwrap();
        assert_eq!((report.rows as usize, report.files.len()), (expected_rows, 1), "{target:?}");
        let bytes = fs::read(&target).unwrap();
        assert_eq!(sutura_core::Sha256Hash::of(&bytes).to_string(), report.files[0].sha256);
        let plain = match compression {
            Compression::Gzip => std::io::read_to_string(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap().into_bytes(),
            Compression::Zstd if format == SinkFormat::Ndjson => zstd::decode_all(bytes.as_slice()).unwrap(),
            _ => bytes,
        };
        let (rows, values): (usize, i64) = match format {
            SinkFormat::Parquet => sum(&read_parquet(&target)),
            SinkFormat::Files => unreachable!("a folder, tested below"),
            SinkFormat::Arrow => {
                let reader = arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(plain), None).unwrap();
                assert_eq!(ColumnMeta::from_field(reader.schema().field(0)).phi, Some(PhiClass::Mrn));
                sum(&reader.map(Result::unwrap).collect::<Vec<_>>())
            }
            SinkFormat::Csv => {
                let text = String::from_utf8(plain).unwrap();
                assert!(text.starts_with("id,kind,value\n"), "{text}");
                let values = text.lines().skip(1).filter_map(|line| line.rsplit(',').next()?.parse::<i64>().ok());
                (text.lines().count() - 1, values.sum())
            }
            SinkFormat::Ndjson => {
                let lines: Vec<serde_json::Value> = plain
                    .split(|b| *b == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(|line| serde_json::from_slice(line).unwrap())
                    .collect();
                assert!(lines[0].as_object().unwrap().contains_key("value"), "null is written");
                (lines.len(), lines.iter().filter_map(|line| line["value"].as_i64()).sum())
            }
        };
        assert_eq!((rows, values), sum(&expected), "{target:?}");
        assert!(matches!(write(&engine, frame(&engine, query).await, spec.clone()).await, Err(EngineError::OutputExists { .. })));
        spec.overwrite = true;
        assert!(write(&engine, frame(&engine, query).await, spec).await.is_ok());
    }
    assert!(!tree(folder.path()).iter().any(|path| path.contains(".tmp")));
}

fn sum(batches: &[RecordBatch]) -> (usize, i64) {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let values = batches
        .iter()
        .flat_map(|batch| batch["value"].as_primitive::<arrow::datatypes::Int64Type>().iter().flatten().collect::<Vec<_>>())
        .sum();
    (rows, values)
}

#[tokio::test]
async fn an_output_is_replaced_only_when_asked_and_only_if_ours() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let engine = engine(30);
    let mut out = spec(SinkFormat::Parquet, &target);
    write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap();
    let error = write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap_err();
    assert!(matches!(error, EngineError::OutputExists { .. }), "{error}");
    out.overwrite = true;
    out.layout = Layout::Single;
    let report = write(&engine, frame(&engine, "select id, value from t where value < 10").await, out.clone()).await.unwrap();
    assert_eq!(tree(folder.path()), ["out/", "out/_manifest.json", "out/part-00000.parquet"]);
    assert_eq!(report.rows, 8);

    fs::write(target.join("notes.txt"), "mine").unwrap();
    let error = write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(fs::read_to_string(target.join("notes.txt")).unwrap(), "mine");

    out.location = folder.path().to_str().unwrap().to_owned();
    let error = write(&engine, frame(&engine, "select id from t").await, out).await.unwrap_err();
    assert!(error.to_string().contains("not written by a Sutura sink"), "{error}");
}

#[tokio::test]
async fn an_output_without_rows_still_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(10);
    for (format, name) in [(SinkFormat::Parquet, "p"), (SinkFormat::Csv, "c"), (SinkFormat::Arrow, "a")] {
        let target = folder.path().join(name);
        let report =
            write(&engine, frame(&engine, "select id, value from t where value > 100").await, spec(format, &target)).await.unwrap();
        assert_eq!((report.rows, report.files.len()), (0, 1));
        if format == SinkFormat::Csv {
            assert_eq!(fs::read_to_string(target.join("part-00000.csv")).unwrap(), "id,value\n");
        }
    }
}

#[tokio::test]
async fn a_failing_query_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(1000);
    let query = "select id, 10 / (value - 500) as x from t";
    let error = write(&engine, frame(&engine, query).await, spec(SinkFormat::Parquet, &folder.path().join("out"))).await.unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    assert!(tree(folder.path()).is_empty(), "{:?}", tree(folder.path()));
}

#[tokio::test]
async fn what_a_killed_run_left_is_swept_and_a_live_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let stage = |name: &str| -> PathBuf {
        let stage = folder.path().join(name);
        fs::create_dir_all(stage.join("data/kind=a")).unwrap();
        fs::write(stage.join("data/kind=a/part-00000.parquet"), "half").unwrap();
        stage
    };
    let dead = stage(".tmp-out-1-2-3");
    File::create(dead.join("lock")).unwrap();
    let live = stage(".tmp-out-4-5-6");
    let lock = File::create(live.join("lock")).unwrap();
    lock.lock().unwrap();
    let starting = stage(".tmp-out-7-8-9");
    let other = stage(".tmp-out-of-range-1-2-3");
    File::create(other.join("lock")).unwrap();

    let engine = engine(10);
    let report = write(&engine, frame(&engine, "select id from t").await, spec(SinkFormat::Parquet, &target)).await.unwrap();
    assert_eq!(report.rows, 10);
    assert!(!dead.exists(), "nobody held its lock");
    assert!(live.exists() && starting.exists() && other.exists());
    assert!(tree(&target).iter().all(|path| !path.contains("kind=a")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_whole_and_the_manifest_last() {
    use futures::TryStreamExt;
    use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path as ObjectPath};

    let engine = engine(300);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    engine.session().register_object_store(&url::Url::parse("s3://clinic").unwrap(), Arc::clone(&store));
    let objects = async || {
        let mut found: Vec<String> = store.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        found.sort();
        found
    };
    let mut out = SinkSpec::new(SinkFormat::Parquet, "s3://clinic/lake/t/");
    out.partition_by = vec!["kind".into()];
    out.layout = Layout::Single;
    let report = write(&engine, frame(&engine, "select id, kind, value from t").await, out.clone()).await.unwrap();
    assert_eq!((report.rows, report.files.len()), (300, 5));
    let names = objects().await;
    assert!(
        names.iter().any(|name| name.starts_with("lake/t/kind=b%2Fc/part-00000-sutura-"))
            && names.contains(&"lake/t/_manifest.json".to_owned()),
        "{names:?}"
    );
    let file = &report.files[4];
    let bytes = store.get(&ObjectPath::parse(format!("lake/t/{}", file.path)).unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!((bytes.len() as u64, sutura_core::Sha256Hash::of(&bytes).to_string()), (file.bytes, file.sha256.clone()));

    assert!(matches!(
        write(&engine, frame(&engine, "select id, kind from t").await, out.clone()).await,
        Err(EngineError::OutputExists { .. })
    ));
    out.overwrite = true;
    out.partition_by.clear();
    // A run that died before its manifest was there.
    let left = ObjectPath::from("lake/t/part-00000-sutura-1-2-3.parquet");
    store.put(&left, "half".into()).await.unwrap();
    let report = write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap();
    assert_eq!(objects().await, ["lake/t/_manifest.json".to_owned(), format!("lake/t/{}", report.files[0].path)]);

    // Held back, it changes nothing; published, it is what the manifest names.
    let before = objects().await;
    for publish in [false, true] {
        let held = HeldOutputs::default();
        out.hold = Some(held.clone());
        write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap();
        assert_eq!(objects().await, before);
        if publish {
            held.publish(|manifest| manifest["records"] = 7.into()).await.unwrap();
        } else {
            held.abandon().await;
            assert_eq!(objects().await, before);
        }
    }
    out.hold = None;
    let after = objects().await;
    assert!(after.len() == 2 && after[1] != before[1], "{after:?}");
    let manifest = store.get(&ObjectPath::from("lake/t/_manifest.json")).await.unwrap().bytes().await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["records"], 7);
    assert_eq!(format!("lake/t/{}", manifest["files"][0]["path"].as_str().unwrap()), after[1]);

    store.put(&ObjectPath::from("lake/t/notes.txt"), "mine".into()).await.unwrap();
    let error = write(&engine, frame(&engine, "select id from t").await, out.clone()).await.unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");

    out.location = "s3://clinic/other".into();
    write(&engine, frame(&engine, "select id, 10 / (value - 250) as x from t").await, out.clone()).await.unwrap_err();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!objects().await.iter().any(|name| name.starts_with("other")), "{:?}", objects().await);

    out.location = "s3://clinic/one.csv".into();
    out.format = SinkFormat::Csv;
    out.layout = Layout::File;
    write(&engine, frame(&engine, "select id from t").await, out).await.unwrap();
    assert!(objects().await.contains(&"one.csv".to_owned()));
}

#[tokio::test]
async fn files_are_rolled_and_row_groups_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let engine = engine(1000);
    let mut rolled = spec(SinkFormat::Parquet, &target);
    rolled.layout = Layout::Single;
    rolled.limits.rows_per_file = Some(300);
    rolled.limits.row_group_rows = 100;
    let report = write(&engine, frame(&engine, "select id, value from t").await, rolled).await.unwrap();
    assert_eq!(report.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [300, 300, 300, 100]);
    assert_eq!(report.files[1].path, "part-00000_00001.parquet");
    let reader = SerializedFileReader::new(File::open(target.join("part-00000_00002.parquet")).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3);
}

#[tokio::test]
async fn settings_that_do_not_fit_are_named() {
    let engine = engine(1);
    let folder = tempfile::tempdir().unwrap();
    let base = spec(SinkFormat::Csv, &folder.path().join("x"));
    let failure = async |query: &str, spec: SinkSpec| write(&engine, frame(&engine, query).await, spec).await.unwrap_err().to_string();
    let with = |change: &dyn Fn(&mut SinkSpec)| {
        let mut spec = base.clone();
        change(&mut spec);
        spec
    };
    assert!(failure("select [id] as ids from t", base.clone()).await.contains("nested"));
    assert!(failure("select id from t", with(&|spec| spec.compression = Some(Compression::Snappy))).await.contains("snappy"));
    assert!(
        failure("select id, value from t", with(&|spec| spec.partition_by = vec!["kind".into()])).await.contains("there are id, value")
    );
    assert!(failure("select id from t", with(&|spec| spec.partition_by = vec!["id".into()])).await.contains("no column is left"));
    assert!(failure("select id from t", with(&|spec| spec.location = "ftp://x/y".into())).await.contains("s3://"));
    assert!(failure("select a.id, b.id from t a, t b", base.clone()).await.contains("another name"));
}

#[test]
fn file_names_tell_the_format() {
    assert_eq!(SinkFormat::from_file_name("a.PARQUET"), Some((SinkFormat::Parquet, None)));
    assert_eq!(SinkFormat::from_file_name("a.b.csv.gz"), Some((SinkFormat::Csv, Some(Compression::Gzip))));
    assert_eq!(SinkFormat::from_file_name("a.jsonl"), Some((SinkFormat::Ndjson, None)));
    assert_eq!(SinkFormat::from_file_name("a.xlsx"), None);
    assert_eq!(SinkFormat::from_file_name("csv"), None);
}

#[tokio::test]
async fn results_print_in_every_form_and_masked() {
    let engine = engine(3);
    let df = frame(&engine, "select name, value from t order by value nulls first").await;
    let schema = lineage::classified_schema(&df);
    let batches = df.collect().await.unwrap();
    let print = |format, most| {
        let mut out = Vec::new();
        let masked: Vec<RecordBatch> = batches.iter().map(|batch| mask_identifying(&schema, batch).unwrap()).collect();
        let mut printer = Printer::new(&mut out, format, masked[0].schema(), most).unwrap();
        for batch in &masked {
            printer.write(batch).unwrap();
        }
        assert_eq!(printer.finish().unwrap(), 3);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(print(DisplayFormat::Csv, 0), "name,value\n‹name›,\n‹name›,1\n‹name›,2\n");
    assert_eq!(print(DisplayFormat::Ndjson, 0).lines().next().unwrap(), r#"{"name":"‹name›","value":null}"#);
    assert!(print(DisplayFormat::Json, 0).starts_with(r#"[{"name":"‹name›","value":null},"#));
    let table = print(DisplayFormat::Table, 2);
    assert!(table.contains("| ‹name› | 1     |") && table.contains("... 1 more rows"), "{table}");
}

#[tokio::test]
async fn rows_become_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let engine = engine(90);
    let query = "select id || '.txt' as file, 'content of ' || id as content, value from t";
    let report = write(&engine, frame(&engine, query).await, spec(SinkFormat::Files, &out)).await.unwrap();
    assert_eq!((report.rows, report.files.len()), (90, 90));
    assert_eq!(fs::read_to_string(out.join("a long pseudonym 17.txt")).unwrap(), "content of a long pseudonym 17");
    assert_eq!(tree(&out).len(), 91, "and the manifest");

    // Names in folders; two rows of one name and content are one file.
    let twice = "select 'a/' || id as file, 'x' as content from t where value < 5 union all select 'a/' || id, 'x' from t where value < 3";
    let out = folder.path().join("twice");
    let report = write(&engine, frame(&engine, twice).await, spec(SinkFormat::Files, &out)).await.unwrap();
    assert_eq!((report.rows, tree(&out).len()), (4, 6));

    let refused = [
        ("select name as file, 'x' as content from t", "cannot name files"),
        ("select id as file, value as content from t", "neither text nor bytes"),
        ("select id as file from t", "no column"),
        ("select 'same' as file, id as content from t", "same name"),
        ("select '../' || id as file, id as content from t", "relative path"),
        ("select kind as file, id as content from t where kind is null", "no file name"),
    ];
    for (query, why) in refused {
        let out = folder.path().join("refused");
        let error = write(&engine, frame(&engine, query).await, spec(SinkFormat::Files, &out)).await.unwrap_err();
        assert!(error.to_string().contains(why), "{query}: {error}");
        assert!(!out.exists(), "nothing is left of {query}");
    }
    let identifying = write(
        &engine,
        frame(&engine, "select id as file, name as content from t").await,
        spec(SinkFormat::Files, &folder.path().join("no")),
    )
    .await;
    assert!(matches!(identifying, Err(EngineError::IdentifyingColumns { .. })));
}
