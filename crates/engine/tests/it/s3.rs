//! Reading from and writing to an S3 server over a real connection: s3s-fs, installed by `make test` into `target/tools`.
//!
//! The engine takes its S3 settings from the environment, which a test cannot change for itself: the test starts the
//! server, then itself again with the environment set.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use object_store::ObjectStoreExt;
use sutura_engine::{
    Engine, EngineError, EngineOptions,
    pass::{PassOptions, SharedPass, SourceSpec},
    sink::{self, Layout, SinkFormat, SinkSpec},
};

use crate::{
    read::{engine, text, tiny},
    toy::lines,
};

const SECRET: &str = "not-a-secret-test-server-only";

/// The server's binary: beside the build (`target/tools/bin`), else on the path.
fn server_binary() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let built = test.ancestors().map(|folder| folder.join("tools/bin/s3s-fs")).find(|binary| binary.is_file());
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("s3s-fs")).find(|binary| binary.is_file());
    built.or_else(on_path)
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(binary: &Path, root: &Path) -> (Server, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(binary)
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--access-key", "test", "--secret-key", SECRET])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child);
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "the S3 server does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    (server, port)
}

#[test]
fn s3_over_a_real_connection() {
    let Some(binary) = server_binary() else {
        println!("SKIPPED: S3 server s3s-fs not found in target/tools/bin or on the path; `make test` installs it");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let bucket = root.path().join("feed-bucket");
    fs::create_dir_all(bucket.join("in/day 1")).unwrap();
    fs::write(bucket.join("in/a.toy"), lines(20_000, 10)).unwrap();
    fs::write(bucket.join("in/ignored.pdf"), "x").unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(lines(1000, 10).as_bytes()).unwrap();
    fs::write(bucket.join("in/day 1/b.toy.gz"), packed.finish().unwrap()).unwrap();

    let (server, port) = start(&binary, root.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "s3::inside_the_environment", "--ignored", "--nocapture"])
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")])
        .env_remove("AWS_ALLOW_HTTP")
        .output()
        .unwrap();
    drop(server);
    let told = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by s3_over_a_real_connection"]
async fn inside_the_environment() {
    // Small ranges: many requests, each with one byte of look-back and a tail.
    let engine = engine(tiny(4, 20_000, 5000));
    let count = async |location: &str| text(&engine, &format!("select count(*) n, sum(number) s from read_toy('{location}')")).await;
    assert!(count("s3://feed-bucket/in/").await.contains("| 18900 |"));
    assert!(count("s3://feed-bucket/in").await.contains("| 18900 |"));
    assert!(count("s3://feed-bucket/in/a.toy").await.contains("| 18000 |"));
    assert!(count("s3://feed-bucket/in/**/*.gz").await.contains("| 900 "));
    let source = text(&engine, "select distinct _source from read_toy('s3://feed-bucket/in/*.toy')").await;
    assert!(source.contains("| s3://feed-bucket/in/a.toy |"), "{source}");
    let rejects = text(&engine, "select count(*) n from rejects('s3://feed-bucket/in', 'toy')").await;
    assert!(rejects.contains("| 2100 |"), "{rejects}");

    let missing = engine.files("s3://feed-bucket/nothing", &["toy"]).await.unwrap_err();
    assert!(matches!(missing, EngineError::NotFound { .. }), "{missing}");
    let none = engine.files("s3://feed-bucket/in/ignored", &["toy"]).await.unwrap_err();
    assert!(matches!(none, EngineError::NotFound { .. } | EngineError::NoFiles { .. }), "{none}");

    for options in [tiny(4, 20_000, 5000), EngineOptions::default()] {
        let engine = crate::read::engine(options);
        let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "toy", "s3://feed-bucket/in")]).await.unwrap();
        let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
        assert!(report.balances());
        assert_eq!((report.totals().records, report.totals().rejected), (21_000, 2100));
        let [cut, packed] = &report.files[..] else { panic!("{:?}", report.files) };
        let (cut, packed) = if cut.compression == "none" { (cut, packed) } else { (packed, cut) };
        assert!(packed.sha256.is_some());
        assert_eq!(cut.sha256.is_some(), cut.ranges == 1, "a cut object has its version mark instead");
    }

    outputs(&engine).await;
}

/// What a sink wrote there is whole, hashed, replaced only when asked, and read back as it was.
async fn outputs(engine: &Engine) {
    let query = "select value, case value % 3 when 0 then 'b/c' when 1 then 'd=e' end as kind from generate_series(1, 90000)";
    let mut out = SinkSpec::new(SinkFormat::Parquet, "s3://feed-bucket/out/numbers");
    out.partition_by = vec!["kind".into()];
    out.layout = Layout::Single;
    out.compression = Some(sink::Compression::None);
    let report = sink::write(engine, engine.sql(query).await.unwrap(), out.clone()).await.unwrap();
    assert_eq!((report.rows, report.files.len()), (90_000, 3));
    let store = engine.s3_store("feed-bucket").unwrap();
    for file in &report.files {
        let key = object_store::path::Path::parse(format!("out/numbers/{}", file.path)).unwrap();
        let bytes = store.get(&key).await.unwrap().bytes().await.unwrap();
        assert_eq!((bytes.len() as u64, sutura_core::Sha256Hash::of(&bytes).to_string()), (file.bytes, file.sha256.clone()));
    }
    let again = sink::write(engine, engine.sql(query).await.unwrap(), out.clone()).await;
    assert!(matches!(again, Err(EngineError::OutputExists { .. })));
    out.overwrite = true;
    out.partition_by.clear();
    out.format = SinkFormat::Csv;
    // About 18 MB: several parts of a multipart upload.
    let large = "select value, repeat('x', 200) as filler from generate_series(1, 90000)";
    let report = sink::write(engine, engine.sql(large).await.unwrap(), out).await.unwrap();
    assert!(report.bytes > 16 << 20, "{}", report.bytes);
    let names: Vec<_> = engine.files("s3://feed-bucket/out", &["parquet", "csv", "json"]).await.unwrap();
    let names: Vec<&str> = names.iter().map(|file| &*file.uri).collect();
    let written = format!("s3://feed-bucket/out/numbers/{}", report.files[0].path);
    assert_eq!(names, ["s3://feed-bucket/out/numbers/_manifest.json", &*written]);

    // Rows as objects of their own, under the names they were given; a new run replaces those of the one before.
    let mut files = SinkSpec::new(SinkFormat::Files, "s3://feed-bucket/out/files");
    files.overwrite = true;
    for rows in [40, 30] {
        let query = format!("select 'p/' || value || '.txt' as file, 'row ' || value as content from generate_series(1, {rows})");
        let report = sink::write(engine, engine.sql(&query).await.unwrap(), files.clone()).await.unwrap();
        assert_eq!((report.rows, report.files.len()), (rows, rows as usize));
        let key = object_store::path::Path::parse("out/files/p/7.txt").unwrap();
        assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), "row 7");
        assert_eq!(engine.files("s3://feed-bucket/out/files", &["txt"]).await.unwrap().len(), rows as usize);
    }
}
