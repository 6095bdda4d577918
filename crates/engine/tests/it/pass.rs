//! One pass for many plans.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use proptest::prelude::*;
use sutura_core::Sha256Hash;
use sutura_engine::{
    Engine, EngineError, EngineOptions, SendableRecordBatchStream,
    arrow::{array::RecordBatch, compute::concat_batches, util::pretty::pretty_format_batches},
    pass::{AccountsHandler, Consumer, PassOptions, PassProgress, SharedPass, SinkError, SourceSpec},
};

use crate::{
    read::{engine, tiny},
    toy::lines,
};

async fn collect(stream: SendableRecordBatchStream) -> Result<RecordBatch, SinkError> {
    let schema = stream.schema();
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    Ok(concat_batches(&schema, &batches)?)
}

/// The rows as sorted lines of text: a pass promises no order.
fn sorted(batch: &RecordBatch) -> Vec<String> {
    let text = pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

pub(crate) async fn consumer(engine: &Engine, name: &str, query: &str) -> Consumer<RecordBatch> {
    Consumer::new(name, engine.sql(query).await.unwrap(), collect)
}

async fn pass_over(engine: &Engine, path: &Path) -> SharedPass {
    SharedPass::new(engine, vec![SourceSpec::new("feed", "toy", path.to_str().unwrap())]).await.unwrap()
}

const QUERIES: [(&str, &str, bool); 8] = [
    ("all", "select * from feed.lines", false),
    ("pruned", "select number, key as k from feed.lines where number % 3 = 0", false),
    ("count", "select count(*) n from feed.lines", false),
    ("grouped", "select number % 10 g, count(*) n, sum(number) s from feed.lines group by 1", false),
    ("other", "select sum(size) s from feed.sizes", false),
    ("rejects", "select _offset, code, bytes from feed.rejects", false),
    ("join", "select count(*) n from feed.lines a join feed.lines b on a.number = b.number + 1", true),
    ("union", "select key from feed.lines union all select code from feed.rejects", true),
];

#[tokio::test(flavor = "multi_thread")]
async fn many_consumers_get_what_separate_scans_give() {
    let folder = tempfile::tempdir().unwrap();
    let contents = [lines(20_000, 7), lines(100, 3), String::new(), format!("#BHS\n{}#BTS 4\n", lines(3, 10))];
    for (number, content) in contents.iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.toy")), content).unwrap();
    }
    let engine = engine(tiny(4, 5000, 700));
    let pass = pass_over(&engine, folder.path()).await;
    // A view counts as what is behind it.
    engine.sql("create view ninths as select number from feed.lines where number % 9 = 0").await.unwrap();
    let mut consumers = Vec::new();
    let mut expected = Vec::new();
    for (name, query, own_scan) in QUERIES.into_iter().chain([("view", "select max(number) from ninths", false)]) {
        consumers.push(consumer(&engine, name, query).await);
        // Outside of a run the tables are ordinary scans.
        let alone = engine.sql(query).await.unwrap();
        expected.push((name, own_scan, sorted(&collect(alone.execute_stream().await.unwrap()).await.unwrap())));
    }
    let progress = Arc::new(PassProgress::default());
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let options = PassOptions {
        progress: Some(Arc::clone(&progress)),
        on_reject: Some(Arc::new(move |source, reject| {
            assert_eq!((source, reject.code), ("feed", "toy-bad"));
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })),
        ..PassOptions::default()
    };
    let report = pass.run(consumers, options).await.unwrap();
    for (consumer, (name, own_scan, rows)) in report.consumers.iter().zip(&expected) {
        assert_eq!((consumer.name.as_str(), consumer.own_scan), (*name, *own_scan));
        assert_eq!(&sorted(&consumer.output), rows, "{name}");
    }

    let totals = report.totals();
    assert!(report.balances());
    assert_eq!((totals.files, totals.records), (4, 20_103));
    assert_eq!(totals.rejected, 20_000 / 7 + 33);
    assert_eq!(seen.load(Ordering::Relaxed), totals.rejected);
    assert_eq!(totals.bytes, contents.iter().map(|content| content.len() as u64).sum::<u64>());
    assert_eq!(progress.records.load(Ordering::Relaxed), totals.records);
    assert_eq!(progress.files_done.load(Ordering::Relaxed), 4);
    assert!(progress.bytes_read.load(Ordering::Relaxed) >= progress.bytes_total.load(Ordering::Relaxed));
    for (file, content) in report.files.iter().zip(&contents) {
        assert_eq!(file.sha256, Some(Sha256Hash::of(content.as_bytes())), "{}", file.uri);
    }
    assert!(report.files[0].ranges > 1);
    assert_eq!(report.files[3].findings[0].location, "BTS-1");
    assert_eq!(report.files[3].stats.findings.values().sum::<u64>(), 1);

    drop(pass);
    assert!(engine.sql("select * from feed.lines").await.is_err(), "the tables go with the pass");
}

#[tokio::test]
async fn without_consumers_it_only_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), lines(1000, 10)).unwrap();
    let engine = engine(tiny(2, 1000, 100));
    let pass = pass_over(&engine, folder.path()).await;
    let options = PassOptions { skip_hashes: true, ..PassOptions::default() };
    let report = pass.run::<()>(Vec::new(), options).await.unwrap();
    let stats = report.stats("feed");
    assert_eq!((stats.records, stats.accepted, stats.rejected), (1000, 900, 100));
    assert!(report.files[0].sha256.is_none() && report.balances());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_enough_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), lines(50_000, 10)).unwrap();
    let engine = engine(tiny(2, 10_000, 1000));
    let pass = pass_over(&engine, folder.path()).await;
    let consumers = vec![
        consumer(&engine, "few", "select key from feed.lines limit 3").await,
        Consumer::new("none", engine.sql("select key from feed.lines").await.unwrap(), |stream| async move {
            let schema = stream.schema();
            drop(stream);
            Ok(RecordBatch::new_empty(schema))
        }),
        consumer(&engine, "zero", "select key from feed.lines limit 0").await,
        consumer(&engine, "all", "select count(*) from feed.lines").await,
    ];
    let report = tokio::time::timeout(Duration::from_mins(1), pass.run(consumers, PassOptions::default())).await.unwrap().unwrap();
    let rows: Vec<usize> = report.consumers.iter().map(|consumer| consumer.output.num_rows()).collect();
    assert_eq!(rows, [3, 0, 0, 1]);
    assert!(sorted(&report.consumers[3].output).iter().any(|line| line.contains("45000")));
    assert_eq!(report.totals().records, 50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_reaches_every_consumer() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), lines(50_000, 10)).unwrap();
    let engine = engine(tiny(2, 10_000, 1000));
    let pass = pass_over(&engine, folder.path()).await;
    let others: Arc<Mutex<Option<String>>> = Arc::default();
    let heard = Arc::clone(&others);
    let consumers = || async {
        let heard = Arc::clone(&heard);
        let patient = Consumer::new("patient", engine.sql("select key from feed.lines").await.unwrap(), move |stream| async move {
            let result = collect(stream).await;
            *heard.lock().unwrap() = result.as_ref().err().map(ToString::to_string);
            result
        });
        let broken = Consumer::new("broken", engine.sql("select key from feed.lines").await.unwrap(), |mut stream| async move {
            stream.try_next().await?;
            Err(std::io::Error::other("disk full").into())
        });
        vec![patient, broken]
    };
    let error = pass.run(consumers().await, PassOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "broken: disk full");
    assert!(others.lock().unwrap().take().unwrap().contains("disk full"), "no sink takes a part for the whole");

    // A file that went away.
    fs::remove_file(folder.path().join("a.toy")).unwrap();
    let consumers = vec![consumer(&engine, "count", "select count(*) from feed.lines").await];
    let error = pass.run(consumers, PassOptions::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::Io { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_consumer_holds_the_pass_back_and_giving_up_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), lines(200_000, 1_000_000)).unwrap();
    let engine = engine(tiny(2, 100_000, 1000));
    let pass = pass_over(&engine, folder.path()).await;
    let progress = Arc::new(PassProgress::default());
    let options = PassOptions { progress: Some(Arc::clone(&progress)), ..PassOptions::default() };
    let waits = Consumer::new("waits", engine.sql("select key from feed.lines").await.unwrap(), |stream| async move {
        tokio::time::sleep(Duration::from_mins(10)).await;
        drop(stream);
        Ok(())
    });
    let started = Instant::now();
    let run = tokio::time::timeout(Duration::from_millis(500), pass.run(vec![waits], options)).await;
    assert!(run.is_err());
    assert!(progress.bytes_read.load(Ordering::Relaxed) < 200_000, "the decoders wait for it");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn sources_are_checked_first() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), "a=1\n").unwrap();
    let engine = engine(EngineOptions::default());
    let path = folder.path().to_str().unwrap();
    let spec = SourceSpec::new("feed", "toy", path);
    let options = SourceSpec { options: serde_json::json!({"x": 1}), ..spec.clone() };
    let nowhere = SourceSpec { locations: Vec::new(), ..spec.clone() };
    for (bad, hint) in [
        (vec![SourceSpec::new("feed", "hl8", path)], "hl8"),
        (vec![spec.clone(), spec.clone()], "another name"),
        (vec![options], "shout"),
        (vec![nowhere], "no location"),
        (vec![SourceSpec::new("feed", "toy", "/no/such/place")], "nothing there"),
    ] {
        let error = SharedPass::new(&engine, bad).await.unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
    }
    let twice = SourceSpec { locations: vec![path.to_owned(), format!("{path}/a.toy")], ..spec };
    let pass = SharedPass::new(&engine, vec![twice]).await.unwrap();
    assert_eq!(pass.files("feed").len(), 1, "a file named twice is read once");
    assert!(pass.provider("feed", "nonsense").unwrap_err().to_string().contains("lines, sizes"));
    assert!(pass.provider("food", "lines").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// However the work is cut, the account is the same.
    #[test]
    fn any_split_gives_the_same_account(content in "(a=[0-9]{1,3}\n|!x[a-z]{0,9}\n|\n|#BHS\n|#BTS 2\n|#FTS 1\n){0,40}[a-z]{0,4}", workers in 2usize..6, range in 1u64..40, block in 1usize..30) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f.toy"), &content).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let account = |options: EngineOptions| runtime.block_on(async {
            let engine = engine(options);
            let pass = pass_over(&engine, folder.path()).await;
            let consumers = vec![consumer(&engine, "all", "select _offset, key from feed.lines").await];
            let report = pass.run(consumers, PassOptions::default()).await.unwrap();
            assert!(report.balances());
            let file = &report.files[0];
            (file.stats.clone(), file.findings.clone(), file.sha256, sorted(&report.consumers[0].output))
        });
        prop_assert_eq!(account(tiny(workers, range, block)), account(tiny(1, 1 << 30, 1 << 20)));
    }
}

/// Sinks that wait for the account of the files get it, whatever their plans read, and an error when there will be none.
#[tokio::test(flavor = "multi_thread")]
async fn sinks_may_wait_for_the_account() {
    for bad in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.toy"), lines(20_000, 7)).unwrap();
        let engine = engine(tiny(2, 5000, 700));
        let pass = pass_over(&engine, folder.path()).await;
        let (sender, receiver) = tokio::sync::watch::channel(0);
        let mut consumers = Vec::new();
        for query in [
            "select number from feed.lines",
            "select number from feed.lines limit 3",
            "select number from feed.lines limit 0",
            "select a.number from feed.lines a join feed.lines b on a.number = b.number",
        ] {
            let mut receiver = receiver.clone();
            consumers.push(Consumer::new(query, engine.sql(query).await.unwrap(), move |stream| async move {
                collect(stream).await?;
                let waited = receiver.wait_for(|records| *records > 0).await;
                Ok(waited.map(|records| *records)?)
            }));
        }
        let on_accounted = AccountsHandler::new(move |files| {
            sender.send_replace(files.iter().map(|file| file.stats.records).sum());
        });
        let on_reject: Option<sutura_engine::pass::RejectHandler> = if bad { Some(Arc::new(|_, _| Err("no".into()))) } else { None };
        let options = PassOptions { on_accounted: Some(on_accounted), on_reject, ..PassOptions::default() };
        let report = tokio::time::timeout(Duration::from_mins(1), pass.run(consumers, options)).await.unwrap();
        match report {
            Ok(report) => assert!(!bad && report.consumers.iter().all(|consumer| consumer.output == 20_000)),
            Err(_) => assert!(bad),
        }
    }
}
