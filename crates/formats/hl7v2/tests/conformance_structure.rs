//! Validation and the readable tree over every real message of the shared test data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sutura_core::Severity;
use sutura_hl7v2::{
    Message,
    charset::{self, Charset},
    inspect::tree,
    validate::{CODES, validate},
};

fn test_data() -> Option<PathBuf> {
    let folder = std::env::var_os("SUTURA_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    let folder = folder.join("hl7v2");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "hl7" || ext == "txt") {
            out.push(path);
        }
    }
}

/// The messages of a file, cut at lines that begin with MSH; this test is not about framing.
fn messages(bytes: &[u8]) -> Vec<String> {
    let mut findings = Vec::new();
    let text = charset::decode_message(bytes, Charset::Windows1252, &mut findings).text.into_owned();
    let mut out: Vec<String> = Vec::new();
    for line in text.split_inclusive(['\r', '\n']) {
        let line = line.trim_start_matches(['\u{FEFF}', '\u{B}']);
        if line.starts_with("MSH") {
            out.push(String::new());
        }
        if line.starts_with("FHS")
            || line.starts_with("BHS")
            || line.starts_with("BTS")
            || line.starts_with("FTS")
            || line.starts_with('\u{1C}')
        {
            continue;
        }
        if let Some(message) = out.last_mut() {
            message.push_str(line);
        }
    }
    out
}

#[test]
fn real_messages_have_sane_findings() {
    let Some(folder) = test_data() else { return };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let (mut count, mut with_errors, mut spent) = (0u32, 0, Duration::ZERO);
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &paths {
        for text in messages(&std::fs::read(path).unwrap()) {
            let Ok(message) = Message::parse(&text) else { continue };
            let mut findings = Vec::new();
            let begun = Instant::now();
            validate(&message, &mut findings);
            spent += begun.elapsed();
            let shown = tree(&message, &findings, false);
            assert_eq!(shown.matches("  ! ").count(), findings.len(), "{}", path.display());
            masks_the_patient(&message, &shown);
            assert!(
                !findings.iter().any(|finding| finding.code == "segment-unknown" && is_standard(&finding.location)),
                "{}",
                path.display()
            );
            count += 1;
            with_errors += usize::from(findings.iter().any(|finding| finding.severity == Severity::Error));
            for finding in &findings {
                if std::env::var_os("SUTURA_SHOW").is_some() {
                    println!(
                        "{}\t{}\t{}\t{}\t{}",
                        finding.code,
                        finding.severity,
                        finding.location,
                        finding.message,
                        path.strip_prefix(&folder).unwrap().display()
                    );
                }
                assert!(CODES.iter().any(|known| known.code == finding.code), "{}", finding.code);
                *by_code.entry(finding.code).or_default() += 1;
            }
        }
    }
    println!("{count} messages, {with_errors} with errors, {:?} a message: {by_code:?}", spent / count);
    assert!(count > 400, "{count}");
    // What deviates here deviates on purpose or in truth; these codes would show a dictionary that is wrong.
    assert!(by_code.get("segment-unknown").copied().unwrap_or(0) < 10, "{by_code:?}");
    assert!(by_code.get("segment-unexpected").copied().unwrap_or(0) < 60, "{by_code:?}");
    assert!(by_code.get("field-extra").copied().unwrap_or(0) < 20, "{by_code:?}");
}

/// No line of the patient's own segment shows a name, number or street.
fn masks_the_patient(message: &Message<'_>, shown: &str) {
    let Some(pid) = message.segment("PID") else { return };
    let lines: Vec<_> = shown.lines().filter(|line| line.trim_start().starts_with("PID-")).collect();
    for (field, component) in [(3, 1), (5, 1), (5, 2), (11, 1), (13, 1), (18, 1), (19, 1)] {
        let secret = pid.field(field).component(component).raw();
        if secret.len() < 5 || secret.contains(['&', '\\']) {
            continue;
        }
        for line in lines.iter().filter(|line| line.contains(&format!("PID-{field}"))) {
            let value = line.split_once(": ").map_or("", |(_, value)| value);
            assert!(!value.contains(secret), "PID-{field}.{component} is shown");
        }
    }
}

fn is_standard(location: &str) -> bool {
    location.get(..3).is_some_and(|name| sutura_hl7v2::defs::segment(name).is_some())
}
