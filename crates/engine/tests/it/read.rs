//! `read_<format>` and `rejects` over files.

use std::{fs, io::Write, path::Path, sync::Arc};

use proptest::prelude::*;
use sutura_core::phi::KEY_PHI;
use sutura_engine::{
    Engine, EngineOptions,
    arrow::{array::RecordBatch, util::pretty::pretty_format_batches},
};

use crate::toy::{Toy, lines};

pub(crate) fn engine(options: EngineOptions) -> Engine {
    let engine = Engine::new(options).unwrap();
    engine.register_format(Arc::new(Toy));
    engine
}

/// Many tiny ranges and blocks.
pub(crate) fn tiny(workers: usize, range: u64, block: usize) -> EngineOptions {
    EngineOptions { target_partitions: workers, batch_rows: 7, min_range_bytes: range, block_bytes: block, ..EngineOptions::default() }
}

pub(crate) async fn rows(engine: &Engine, query: &str) -> Vec<RecordBatch> {
    engine.sql(query).await.unwrap().collect().await.unwrap()
}

pub(crate) async fn text(engine: &Engine, query: &str) -> String {
    pretty_format_batches(&rows(engine, query).await).unwrap().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(path: &Path) -> String {
    format!("read_toy('{}')", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_over_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deeper")).unwrap();
    let all = lines(3000, 10);
    let (first, rest) = all.split_at(all[..4000].rfind('\n').unwrap() + 1);
    let (second, third) = rest.split_at(rest[..9000].rfind('\n').unwrap() + 1);
    fs::write(folder.path().join("a.toy"), first).unwrap();
    // Two gzip members in one file.
    let half = second[..second.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(folder.path().join("deeper/b.toy.gz"), [gzip(&second.as_bytes()[..half]), gzip(&second.as_bytes()[half..])].concat())
        .unwrap();
    fs::write(folder.path().join("c.toy.zst"), zstd::encode_all(third.as_bytes(), 3).unwrap()).unwrap();
    fs::write(folder.path().join("empty.toy"), "").unwrap();
    fs::write(folder.path().join("ignored.pdf"), "k=1\n").unwrap();
    let engine = engine(EngineOptions::default());
    let from = read(folder.path());

    let counts = text(&engine, &format!("select count(*) n, sum(number) s, count(distinct _source) f from {from}")).await;
    let sum: usize = (0..3000).filter(|number| number % 10 != 9).sum();
    assert!(counts.contains("2700") && counts.contains(&sum.to_string()) && counts.contains("| 3 "), "{counts}");
    let rejects = text(&engine, &format!("select count(*) n, min(code) c from rejects('{}', 'toy')", folder.path().display())).await;
    assert!(rejects.contains("300") && rejects.contains("toy-bad"), "{rejects}");
    let sizes = text(&engine, &format!("select min(size) a from read_toy('{}', 'sizes')", folder.path().display())).await;
    assert!(sizes.contains("| 4 "), "{sizes}");
    let shout = format!("select min(key) k from read_toy('{}', null, '{{\"shout\": true}}')", folder.path().display());
    assert!(text(&engine, &shout).await.contains("K0"));
    // Columns out of order, twice, and computed.
    let columns = text(&engine, &format!("select number + 1 as n, _length, key, key as again from {from} order by number limit 1")).await;
    assert!(columns.contains("| 1 | 4       | k0  | k0 "), "{columns}");
}

#[tokio::test]
async fn the_schema_carries_classes_and_the_plan_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toy"), lines(10, 100)).unwrap();
    let engine = engine(EngineOptions::default());
    let from = read(folder.path());
    let frame = engine.sql(&format!("select key, number from {from} where number > 3")).await.unwrap();
    assert_eq!(frame.schema().field(0).metadata().get(KEY_PHI).map(String::as_str), Some("mrn"));
    let batches = frame.collect().await.unwrap();
    assert_eq!(batches[0].schema().field(0).metadata().get(KEY_PHI).map(String::as_str), Some("mrn"));
    let plan = text(&engine, &format!("explain format indent select number from {from}")).await;
    assert!(plan.contains("projection=[number], file_type=toy, table=lines"), "{plan}");
}

#[tokio::test]
async fn mistakes_are_explained() {
    let engine = engine(EngineOptions::default());
    let fails = async |query: &str| match engine.sql(query).await {
        Err(error) => error.to_string(),
        Ok(frame) => sutura_engine::EngineError::from(frame.collect().await.unwrap_err()).to_string(),
    };
    assert!(fails("select * from read_toy('/no/such/file.toy')").await.contains("nothing there"));
    assert!(fails("select * from read_toy('x', 'nonsense')").await.contains("lines, sizes"));
    assert!(fails("select * from read_toy('x', null, '{\"a\": 1}')").await.contains("shout"));
    assert!(fails("select * from read_toy('x', null, 'no json')").await.contains("not JSON"));
    assert!(fails("select * from read_toy()").await.contains("read_toy('path'"));
    assert!(fails("select * from rejects('x', 'hl8')").await.contains("hl8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_stops_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    // Ten times the same 100 MB, packed to almost nothing: reading it all would take long.
    let one = zstd::encode_all(&lines(20_000, 1_000_000).into_bytes()[..], 3).unwrap();
    fs::write(folder.path().join("big.toy.zst"), one.repeat(500)).unwrap();
    let engine = engine(EngineOptions::default());
    let started = std::time::Instant::now();
    let batches = rows(&engine, &format!("select key from {} limit 3", read(folder.path()))).await;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_archive_is_rows_and_a_reject() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(EngineOptions::default());
    let packed = gzip(lines(50_000, 1_000_000).as_bytes());
    for (name, bytes) in [("a.toy.gz", &packed[..packed.len() / 2]), ("b.toy.gz", b"no gzip at all".as_slice()), ("c.toy.zst", b"nor zstd")]
    {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let rejects = text(&engine, &format!("select code, count(*) n from rejects('{}', 'toy') group by code", path.display())).await;
        assert!(rejects.contains("damaged-compression | 1 "), "{name}\n{rejects}");
        let count: usize = rows(&engine, &format!("select key from {}", read(&path))).await.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(count > 1000, name == "a.toy.gz", "{name}: {count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However a file is cut into ranges and blocks, the rows and rejects are the same.
    #[test]
    fn any_split_gives_the_same_rows(content in "([a-z]{0,5}=[0-9]{1,3}\n|!x[a-z]{0,9}\n|\n|#BTS 3\n){0,40}[a-z]{0,4}", workers in 2usize..6, range in 1u64..40, block in 1usize..30) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.toy");
        fs::write(&path, &content).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (split, whole) = runtime.block_on(async {
            let query = format!("select _offset, _length, _sha256, key from {} order by _offset", read(&path));
            let rejects = format!("select _offset, bytes from rejects('{}', 'toy') order by _offset", path.display());
            let (many, one) = (engine(tiny(workers, range, block)), engine(tiny(1, 1 << 30, 1 << 20)));
            ((text(&many, &query).await, text(&many, &rejects).await), (text(&one, &query).await, text(&one, &rejects).await))
        });
        prop_assert_eq!(split, whole);
    }
}
