//! Every kind of mistake in a job file is found, all of them at once, each with its line, key and nearest right word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::datatypes::DataType;
use sutura_core::{BlockDecoder, ColumnDef, DecoderSpec, Format, FormatError, PhiClass, TableDef};
use sutura_jobs::{ConfigProblem, Job, LoadOptions};

/// A format with two tables and one option, so that these tests do not depend on a real reader.
#[derive(Debug)]
struct Toy(Vec<TableDef>);

impl Toy {
    fn new() -> Self {
        let column = |name: &str| ColumnDef::new(name, DataType::Utf8View, "", PhiClass::Operational, "a column");
        Self(["messages", "observations"].map(|name| TableDef::new(name, "a table", vec![column("id"), column("value")])).to_vec())
    }
}

impl Format for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &["toy"]
    }
    fn tables(&self) -> &[TableDef] {
        &self.0
    }
    fn splittable(&self) -> bool {
        false
    }
    fn check_options(&self, options: &serde_json::Value) -> Result<(), FormatError> {
        match options.as_object().and_then(|options| options.keys().find(|key| *key != "zone")) {
            Some(key) => Err(FormatError::BadOption { format: "toy", option: key.clone(), reason: "unknown; there is zone".into() }),
            None => Ok(()),
        }
    }
    fn decoder(&self, _: DecoderSpec) -> Result<Box<dyn BlockDecoder>, FormatError> {
        Err(FormatError::UnknownTable { format: "toy", table: String::new(), known: String::new() })
    }
}

const GOOD: &str = r#"[job]
name = "demo"
output = "${OUT}/x"

[[source]]
name = "feed"
format = "toy"
path = "data"

[privacy]
policy = "hipaa-safe-harbor"
key = { file = "demo.key" }
vault = "demo.vault"

[[step]]
type = "sql"
name = "one_row"
query = "select id, value from feed.messages"

[[step]]
type = "deidentify"
name = "one_row_deid"
input = "one_row"

[[sink]]
input = "one_row_deid"

[rejects]
"#;

fn options() -> LoadOptions {
    LoadOptions {
        set: Vec::new(),
        environment: Some(BTreeMap::from([("OUT".to_owned(), "/tmp/out".to_owned())])),
        formats: vec![Arc::new(Toy::new())],
    }
}

fn problems(text: &str) -> Vec<ConfigProblem> {
    Job::parse(Path::new("jobs/demo.toml"), text, &options()).err().unwrap_or_default()
}

#[test]
fn a_good_job_loads_and_its_paths_start_at_the_job_file() {
    let job = Job::parse(Path::new("jobs/demo.toml"), GOOD, &options()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(job.spec.sources[0].path, "jobs/data");
    assert_eq!(job.spec.job.output, "/tmp/out/x");
    assert_eq!(job.spec.sinks[0].path(), "/tmp/out/x/one_row_deid");
    assert_eq!(job.spec.privacy.as_ref().unwrap().key.as_ref().unwrap().file.as_deref(), Some("jobs/demo.key"));
    assert_eq!(job.hash.len(), 64);
    let again = Job::parse(Path::new("jobs/demo.toml"), &format!("# a comment\n{GOOD}"), &options()).unwrap();
    assert_eq!(job.hash, again.hash, "comments do not change a job");
    let other = Job::parse(Path::new("jobs/demo.toml"), &GOOD.replace("select id,", "select"), &options()).unwrap();
    assert_ne!(job.hash, other.hash);
}

/// Text to replace in the good job, replacement, and the problem it makes: line, key, part of the message, suggestion.
type Case = (&'static str, &'static str, usize, &'static str, &'static str, Option<&'static str>);

#[test]
fn every_mistake_names_its_line_its_key_and_the_nearest_word() {
    let cases: &[Case] = &[
        ("input = \"one_row\"\n", "inptu = \"one_row\"\ninput = \"one_row\"\n", 23, "step[2].inptu", "unknown key", Some("input")),
        ("[privacy]", "[privcy]\nx = 1\n[privacy]", 10, "privcy", "unknown key", Some("privacy")),
        ("type = \"deidentify\"", "type = \"deidentfy\"", 21, "step[2].type", "unknown type", Some("deidentify")),
        ("type = \"sql\"\n", "", 15, "step[1]", "`type` is missing", None),
        ("name = \"demo\"\n", "", 1, "job.name", "missing", None),
        ("name = \"demo\"", "name = 7", 2, "job.name", "must be text, not a whole number", None),
        ("name = \"demo\"", "name = \"Demo!\"", 2, "job.name", "lower-case letters", None),
        ("format = \"toy\"", "format = \"toi\"", 7, "source[1].format", "unknown format", Some("toy")),
        ("path = \"data\"", "path = \"${NOWHERE}/data\"", 8, "source[1].path", "NOWHERE is not set", None),
        ("path = \"data\"", "path = \"data\"\noptions = { zon = \"x\" }", 9, "source[1].options.zon", "unknown", None),
        ("from feed.messages", "from feed.mesages", 18, "step[1].query", "makes the table \"feed.mesages\"", Some("feed.messages")),
        ("from feed.messages", "from read_toy('x')", 18, "step[1].query", "declare a [[source]]", None),
        ("select id, value from feed.messages", "selec 1", 18, "step[1].query", "cannot be parsed", None),
        ("select id, value from feed.messages", "drop table x", 18, "step[1].query", "only SELECT", None),
        ("query = \"select id, value from feed.messages\"\n", "", 15, "step[1].query", "missing (or `query_file`)", None),
        ("input = \"one_row\"\n", "input = \"one_rov\"\n", 23, "step[2].input", "no source or step", Some("one_row")),
        ("input = \"one_row\"\n", "input = \"one_row_deid\"\n", 23, "step[2].input", "circle", None),
        ("name = \"one_row_deid\"", "name = \"one_row\"", 22, "step[2].name", "is called \"one_row\" already", None),
        (
            "input = \"one_row_deid\"\n",
            "input = \"one_row_deid\"\nformat = \"parket\"\n",
            27,
            "sink[1].format",
            "unknown word",
            Some("parquet"),
        ),
        ("input = \"one_row_deid\"\n", "input = \"one_row_deid\"\nallow_phi = true\n", 25, "sink[1].purpose", "needs a purpose", None),
        ("input = \"one_row_deid\"\n", "input = \"one_row_deid\"\npath = \"../x\"\n", 27, "sink[1].path", "below job.output", None),
        (
            "input = \"one_row_deid\"\n",
            "input = \"one_row_deid\"\nformat = \"csv\"\ncompression = \"zstd\"\n",
            28,
            "sink[1].compression",
            "cannot",
            None,
        ),
        ("name = \"demo\"", "name = \"demo\"\nworkers = 100000", 3, "job.workers", "between 0 and 1024", None),
        ("name = \"demo\"", "name = \"demo\"\nbatch_rows = 0", 3, "job.batch_rows", "between 1 and 1048576", None),
        ("name = \"demo\"", "name = \"demo\"\nmemory_mib = 17592186044416", 3, "job.memory_mib", "between 0 and 16777216", None),
        ("name = \"demo\"", "name = \"demo\"\nworkers = -1", 3, "job.workers", "between 0 and 1024", None),
        (
            "input = \"one_row_deid\"\n",
            "input = \"one_row_deid\"\npath = \"/tmp/../tmp/out\"\n",
            27,
            "sink[1].path",
            "below job.output",
            None,
        ),
        ("path = \"data\"", "path = \"/tmp/out/../out/x/one_row_deid/in\"", 25, "sink[1].path", "into the source", None),
        ("[rejects]\n", "[rejects]\npath = \"../x/./one_row_deid\"\n", 25, "sink[1].path", "inside that of [rejects]", None),
        ("vault = \"demo.vault\"", "vault = \"/tmp/out/x/one_row_deid/../one_row_deid/v\"", 25, "sink[1].path", "holds the vault", None),
        ("input = \"one_row_deid\"\n", "input = \"one_row_deid\"\npath = \"file:///x\"\n", 27, "sink[1].path", "no place to write", None),
        ("key = { file = \"demo.key\" }\n", "", 10, "privacy.key", "missing", None),
        ("key = { file = \"demo.key\" }", "key = { file = \"a\", env = \"B\" }", 12, "privacy.key", "exactly one", None),
        ("key = { file = \"demo.key\" }", "key = { value = \"0123\" }", 12, "privacy.key.value", "unknown key", None),
        ("[rejects]\n", "[gates]\nrejects_max_share = 3\n", 29, "gates.rejects_max_share", "between 0 and 1", None),
    ];
    assert!(problems(GOOD).is_empty());
    for (from, to, line, key, message, suggestion) in cases {
        assert!(GOOD.contains(from), "the good job has no {from:?}");
        let found = problems(&GOOD.replacen(from, to, 1));
        let hit = found.iter().find(|problem| problem.key == *key && problem.message.contains(message));
        let hit = hit.unwrap_or_else(|| panic!("{from:?} -> {to:?}: wanted {key}: {message}; got {found:#?}"));
        assert_eq!(hit.line, Some(*line), "{to:?}: {hit}");
        assert_eq!(hit.suggestion.as_deref(), *suggestion, "{to:?}: {hit}");
    }
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text =
        GOOD.replace("format = \"toy\"", "formt = \"toy\"").replace("vault =", "valut =").replace("type = \"deidentify\"", "type = \"x\"");
    let found = problems(&text);
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["source[1].format", "source[1].formt", "privacy.valut", "step[2].type"], "{found:#?}");
    assert_eq!(
        found[1].to_string(),
        "jobs/demo.toml:7: source[1].formt: unknown key; known keys here: allow_empty, format, name, options, path, views; did you mean \"format\"?"
    );
}

#[test]
fn syntax_errors_have_lines() {
    let found = problems("[job]\nname = \"x\n");
    assert!(found.iter().any(|problem| problem.line == Some(2) && problem.message.contains("not valid TOML")), "{found:#?}");
}

#[test]
fn values_from_the_command_line_are_checked_too() {
    let with = |set: &str| Job::parse(Path::new("demo.toml"), GOOD, &LoadOptions { set: vec![set.to_owned()], ..options() });
    assert_eq!(with("source.feed.path=/elsewhere").unwrap().spec.sources[0].path, "/elsewhere");
    let found = with("sink.one_row_deid.formt=csv").unwrap_err();
    assert_eq!((found[0].line, found[0].key.as_str(), found[0].suggestion.as_deref()), (None, "sink[1].formt", Some("format")));
    assert!(with("nonsense").unwrap_err()[0].message.contains("key=value"));
}

#[test]
fn files_and_lists_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.toml");
    std::fs::write(&file, format!("{GOOD}#{}\n", "x".repeat(4 << 20))).unwrap();
    let found = Job::load_with(&file, &options()).unwrap_err();
    assert!(found[0].message.contains("larger than 4 MiB"), "{found:#?}");
    std::fs::write(folder.path().join("q.sql"), format!("select 1 -- {}", "x".repeat(4 << 20))).unwrap();
    std::fs::write(&file, GOOD.replace("query = \"select id, value from feed.messages\"", "query_file = \"q.sql\"")).unwrap();
    let found = Job::load_with(&file, &options()).unwrap_err();
    assert!(found[0].key == "step[1].query_file" && found[0].message.contains("larger than 4 MiB"), "{found:#?}");
    let many = (0..1001).map(|index| format!("[[sink]]\ninput = \"one_row_deid\"\nname = \"s{index}\"\n")).collect::<Vec<_>>().concat();
    let found = problems(&format!("{GOOD}{many}"));
    assert_eq!((found.len(), found[0].key.as_str()), (1, "sink"), "{found:#?}");
    assert!(found[0].message.contains("at most 1000"), "{found:#?}");
}
