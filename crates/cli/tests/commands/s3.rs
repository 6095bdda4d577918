//! A job whose sink is in an object store, against an S3 server over a real connection (s3s-fs, which `make test` installs).

use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::{expect, folder, stderr, sutura};

const SECRET: &str = "not-a-secret-test-server-only";

const JOB: &str = "[job]\nname = \"lake\"\n\n\
[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n\n\
[[step]]\ntype = \"sql\"\nname = \"types\"\nquery = \"select message_type, count(*) as n from feed.messages group by 1\"\n\n\
[[sink]]\ninput = \"types\"\npath = \"s3://lake/types\"\n";

fn server_binary() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let built = test.ancestors().map(|folder| folder.join("tools/bin/s3s-fs")).find(|binary| binary.is_file());
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("s3s-fs")).find(|binary| binary.is_file());
    built.or_else(on_path)
}

struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(binary: &Path, root: &Path) -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new(binary)
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--access-key", "test", "--secret-key", SECRET])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "the S3 server does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    Server { process, port }
}

/// What a reader of the bucket sees.
fn objects(root: &Path) -> BTreeSet<String> {
    let found = fs::read_dir(root.join("lake/types")).into_iter().flatten().flatten();
    found.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| !name.starts_with('.')).collect()
}

/// The files that the manifest names.
fn named(root: &Path) -> BTreeSet<String> {
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(root.join("lake/types/_manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["records"]["accepted"], 2);
    let names = manifest["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned());
    names.chain(["_manifest.json".to_owned()]).collect()
}

#[test]
fn an_output_in_a_store_is_replaced_at_once_and_only_when_the_gates_have_passed() {
    let Some(binary) = server_binary() else {
        println!("SKIPPED: S3 server s3s-fs not found in target/tools/bin or on the path; `make test` installs it");
        return;
    };
    let folder = folder();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("lake")).unwrap();
    let server = start(&binary, root.path());
    fs::write(folder.path().join("job.toml"), JOB).unwrap();
    let run_as = |secret: &str, arguments: &[&str]| -> Output {
        let mut command = sutura(folder.path());
        command.args(["run", "job.toml"]).args(arguments).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port));
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_REGION", "us-east-1")]);
        command.env_remove("AWS_ALLOW_HTTP").output().unwrap()
    };
    let run = |arguments: &[&str]| run_as(SECRET, arguments);

    // A gate stops the first run: nothing is there.
    let output = run(&["--set", "gates.min_records=100"]);
    expect(&output, 1);
    assert!(objects(root.path()).is_empty(), "{:?}", objects(root.path()));

    expect(&run(&[]), 0);
    let first = objects(root.path());
    assert_eq!(first, named(root.path()));
    assert!(first.len() >= 2 && first.iter().any(|name| name.starts_with("part-00000-sutura-")), "{first:?}");

    // A gate stops the second run: what was there stays as it was.
    let before = fs::read(root.path().join("lake/types/_manifest.json")).unwrap();
    expect(&run(&["--set", "gates.min_records=100"]), 1);
    assert_eq!(objects(root.path()), first);
    assert_eq!(fs::read(root.path().join("lake/types/_manifest.json")).unwrap(), before);

    // The third replaces it: other objects, and none of the old ones.
    expect(&run(&["--force"]), 0);
    let second = objects(root.path());
    assert_eq!(second, named(root.path()));
    assert_eq!(second.intersection(&first).collect::<Vec<_>>(), ["_manifest.json"]);

    // What the server says is told without the document around it.
    let output = run_as("a-wrong-secret", &["--force"]);
    expect(&output, 1);
    let said = stderr(&output);
    assert!(said.contains("SignatureDoesNotMatch") && !said.contains('<') && !said.contains("xml"), "{said}");
    assert_eq!(objects(root.path()), second);
}
