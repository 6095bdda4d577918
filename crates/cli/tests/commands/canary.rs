//! Nothing identifying on standard output or standard error, whatever is asked, unless a purpose is stated.

use std::fs;

use crate::{folder, sutura};

#[test]
fn no_command_shows_what_identifies() {
    let folder = folder();
    // A job that is wrong in several ways, and one that fails on rows.
    fs::write(
        folder.path().join("job.toml"),
        "[job]\nname = \"j\"\nproject = \"p\"\noutput = \"out\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n\
         [[step]]\ntype = \"sql\"\nname = \"s\"\nquery = \"select cast(observation_code || value_text as int) as n, message_type from feed.observations\"\n\
         [[sink]]\ninput = \"s\"\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("numbers.toml"),
        "[job]\nname = \"j\"\nproject = \"p\"\noutput = \"out2\"\n[[source]]\nname = \"feed\"\nformat = \"hl7v2\"\npath = \"feed.hl7\"\n\
         [[step]]\ntype = \"sql\"\nname = \"s\"\nquery = \"select cast(patient_id as int) as n from feed.messages\"\n\
         [[sink]]\ninput = \"s\"\nallow_phi = true\npurpose = \"a test\"\n",
    )
    .unwrap();
    let commands: &[&[&str]] = &[
        &["keys", "new", "k"],
        &["inspect", "feed.hl7", "--all"],
        &["inspect", "feed.hl7", "--all", "--json"],
        &["inspect", "feed.hl7", "--control-id", "none"],
        &["sql", "select * from read_hl7v2('feed.hl7')"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'patients')"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'observations')"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'segments')"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'notes')"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'findings')"],
        &["sql", "select * from rejects('feed.hl7')"],
        &["sql", "select * from read_hl7v2('feed.hl7')", "--format", "csv"],
        &["sql", "select * from read_hl7v2('feed.hl7', 'segments')", "-o", "out.parquet"],
        &["sql", "select upper(patient_id) || 'x' as a, length(patient_id) as b, max(patient_id) over () as c from read_hl7v2('feed.hl7')"],
        &["sql", "select cast(patient_id as int) from read_hl7v2('feed.hl7')"],
        &["sql", "select cast(patient_id as timestamp) from read_hl7v2('feed.hl7')"],
        &["sql", "select to_date(patient_id) from read_hl7v2('feed.hl7')"],
        &["sql", "select 1 / cast(value_text as int) from read_hl7v2('feed.hl7', 'observations')"],
        &["sql", "select regexp_replace('x', patient_id || '(', '') from read_hl7v2('feed.hl7')"],
        &["sql", "select arrow_cast(patient_id, 'Int64') from read_hl7v2('feed.hl7')"],
        &["sql", "explain analyze select * from read_hl7v2('feed.hl7') where patient_sex = 'F'"],
        &["sql", "select * from deidentified(read_hl7v2('feed.hl7', 'patients'))"],
        &["sql", "select * from deid_spans(read_hl7v2('feed.hl7', 'notes'), 'note_text', '{\"values\": true}')"],
        &["sql", "select * from deid_spans(read_hl7v2('feed.hl7', 'notes'), 'note_text', '{\"values\": true}')", "--format", "csv"],
        &[
            "sql",
            "select * from deidentified((select * from read_hl7v2('feed.hl7', 'patients')))",
            "--policy",
            "hipaa-safe-harbor",
            "--key-file",
            "k",
            "--project",
            "p",
            "--vault",
            "v",
        ],
        &[
            "sql",
            "select deid_hl7v2(text) from read_hl7v2('feed.hl7', 'raw')",
            "--policy",
            "hipaa-safe-harbor",
            "--key-file",
            "k",
            "--project",
            "p",
            "--vault",
            "v",
        ],
        &[
            "sql",
            "select deid_fhir(text), deid_ccda(text) from read_hl7v2('feed.hl7', 'raw')",
            "--policy",
            "hipaa-safe-harbor",
            "--key-file",
            "k",
            "--project",
            "p",
            "--vault",
            "v",
        ],
        &[
            "sql",
            "select scrub(note_text, patient_id, patient_id) from read_hl7v2('feed.hl7', 'notes') where message_type = 'none'",
            "--policy",
            "hipaa-safe-harbor",
            "--key-file",
            "k",
            "--project",
            "p",
            "--vault",
            "v",
        ],
        &["validate", "job.toml"],
        &["plan", "job.toml"],
        &["run", "job.toml"],
        &["run", "job.toml", "--json"],
        &["run", "numbers.toml"],
        &["run", "feed.hl7"],
        &["validate", "feed.hl7", "--json"],
        &["policy", "check", "feed.hl7"],
        &["keys", "show", "feed.hl7"],
        &["sql", "-f", "feed.hl7"],
        &["tables", "hl7v2"],
    ];
    for log in [None, Some("trace")] {
        for arguments in commands {
            let mut command = sutura(folder.path());
            if let Some(level) = log {
                command.env("SUTURA_LOG", level);
            }
            let output = command.args(*arguments).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("CANARY"), "{arguments:?} with log {log:?} showed a canary:\n{said}");
            assert!(output.status.code().is_some_and(|code| code <= 3), "{arguments:?} ended with {}:\n{said}", output.status);
            assert!(!said.contains("panicked"), "{arguments:?}:\n{said}");
        }
    }
}
