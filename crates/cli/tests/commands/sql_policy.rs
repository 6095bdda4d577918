//! `sql --policy`: tables, texts and records under a policy are those of the other commands.

use std::{fs, path::Path};

use crate::{expect, folder, run, stderr, stdout};

/// Arguments that bind a policy, after a query.
const KEYS: [&str; 8] = ["--key-file", "study.key", "--project", "lung", "--domain", "research", "--vault", "study.vault"];

fn sql(folder: &Path, policy: &str, query: &str, more: &[&str]) -> std::process::Output {
    let arguments = [&["sql", query, "--policy", policy], &KEYS[..], more].concat();
    run(folder, &arguments)
}

#[test]
fn tables_and_records_are_those_of_jobs_and_files() {
    let folder = folder();
    let at = folder.path();
    expect(&run(at, &["keys", "new", "study.key"]), 0);
    for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised"] {
        // The job, on its own.
        let job = format!(
            "[job]\nname = \"j\"\nproject = \"lung\"\ndomain = \"research\"\noutput = \"{policy}\"\n[privacy]\npolicy = \"{policy}\"\nkey = {{ file = \"study.key\" }}\nvault = \"study.vault\"\n\
             [[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n\
             [[step]]\ntype = \"deidentify\"\nname = \"released\"\ninput = \"feed.patients\"\n\
             [[step]]\ntype = \"sql\"\nname = \"asked\"\nquery = \"select * from deidentified(feed.patients)\"\n\
             [[sink]]\ninput = \"released\"\nformat = \"csv\"\n[[sink]]\ninput = \"asked\"\nformat = \"csv\"\n"
        );
        fs::write(at.join("job.toml"), job).unwrap();
        let ran = run(at, &["run", "job.toml"]);
        assert!(matches!(ran.status.code(), Some(0 | 3)), "{}", stderr(&ran));
        let (released, asked) = (csv(&at.join(policy), "released"), csv(&at.join(policy), "asked"));
        assert_eq!(released, asked, "{policy}");
        assert!(released.lines().count() == 3 && !released.contains("CANARY"), "{policy}: {released}");

        let query = "select * from deidentified(read_hl7v2('feed.hl7', 'patients'))";
        let printed = sql(at, policy, query, &["--format", "csv"]);
        expect(&printed, 0);
        assert_eq!(sorted(&stdout(&printed)), sorted(&released), "{policy}");
        expect(&sql(at, policy, query, &["-o", "patients.parquet", "--overwrite"]), 0);

        // The same messages as files.
        let files = format!("{policy}-files");
        let arguments = [&["deidentify", "feed.hl7", files.as_str(), "--policy", policy, "--free-text", "scrub"], &KEYS[..]].concat();
        let ran = run(at, &arguments);
        assert!(matches!(ran.status.code(), Some(0 | 3)), "{}", stderr(&ran));
        let file = fs::read_to_string(at.join(files).join("hl7v2/000001.hl7")).unwrap();
        let query = "select deid_hl7v2(text) as message from read_hl7v2('feed.hl7', 'raw') order by _offset";
        let printed = sql(at, policy, query, &["--format", "ndjson", "--free-text", "scrub"]);
        expect(&printed, 0);
        let messages: Vec<String> = stdout(&printed)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(messages.len(), 2);
        for message in &messages {
            assert!(file.contains(message.trim()), "{policy}\n{message}\n{file}");
        }
        let shown = sql(at, policy, query, &["--format", "table"]);
        assert!(!stdout(&shown).contains("CANARYMRN") && !stderr(&shown).contains("identifying"), "{}", stderr(&shown));
    }
}

fn csv(output: &Path, name: &str) -> String {
    let file = output.join(name).with_extension("csv");
    let file = if file.is_file() { file } else { output.join(name).join("part-00000.csv") };
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn options_without_what_they_need_say_so() {
    let folder = folder();
    let at = folder.path();
    expect(&run(at, &["keys", "new", "study.key"]), 0);
    let query = "select * from deidentified(read_hl7v2('feed.hl7', 'patients'))";
    for (arguments, part) in [
        (vec![], "--policy"),
        (vec!["--policy", "gdpr-pseudonymised"], "--project"),
        (vec!["--policy", "gdpr-pseudonymised", "--project", "p"], "--key-file"),
        (vec!["--policy", "gdpr-pseudonymised", "--project", "p", "--key-file", "study.key"], "domain"),
        (vec!["--policy", "hipaa-safe-harbor", "--project", "p", "--key-file", "study.key"], "--vault"),
        (vec!["--policy", "hipaa", "--project", "p", "--key-file", "study.key"], "hipaa"),
        (vec!["--policy", "limited-data-set", "--project", "p", "--key-file", "study.key", "--legal", "who=x"], "--legal"),
        (vec!["--language", "en"], "--policy"),
        (
            vec!["--policy", "gdpr-pseudonymised", "--project", "p", "--domain", "d", "--key-file", "study.key", "--language", "xx"],
            "language",
        ),
    ] {
        let output = run(at, &[&["sql", query][..], &arguments].concat());
        expect(&output, 2);
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
    // A stated fact makes the profile whole.
    let facts = ["--legal", "agreement=DUA 7", "--legal", "recipient=University", "--legal", "purpose=research", "--vault", "study.vault"];
    let arguments = [&["sql", query, "--policy", "limited-data-set", "--project", "p", "--key-file", "study.key"], &facts[..]].concat();
    expect(&run(at, &arguments), 0);
}

#[test]
fn spans_are_shown_without_text_unless_a_purpose_is_stated() {
    let folder = folder();
    let at = folder.path();
    let note = "MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1||77||Zorka\rOBR|1\rNTE|1||Seen 03/14/2018 by Dr. Stevens.\r";
    fs::write(at.join("note.hl7"), note).unwrap();
    let places = "select class, start, \"end\", rule from deid_spans(read_hl7v2('note.hl7', 'notes'), 'note_text')";
    let printed = run(at, &["sql", places, "--format", "csv"]);
    expect(&printed, 0);
    let lines: Vec<String> = stdout(&printed).lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "class,start,end,rule");
    assert!(lines[1].starts_with("date,5,15,") && lines[2].starts_with("name,23,30,"), "{lines:?}");
    let values = "select class, value from deid_spans(read_hl7v2('note.hl7', 'notes'), 'note_text', '{\"values\": true}')";
    let refused = run(at, &["sql", values, "--format", "csv"]);
    expect(&refused, 2);
    assert!(stderr(&refused).contains("value (free-text)"), "{}", stderr(&refused));
    let masked = run(at, &["sql", values]);
    assert!(!stdout(&masked).contains("Stevens"), "{}", stdout(&masked));
    let allowed = run(at, &["sql", values, "--format", "csv", "--allow-phi", "--purpose", "looking at the rules"]);
    expect(&allowed, 0);
    assert!(stdout(&allowed).contains("name,Stevens"), "{}", stdout(&allowed));
}
