//! A clinical document as an outline: its sections, what their entries are, what is odd.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::json;
use sutura_ccda::{Document, Limits, Section};
use sutura_core::Finding;

use crate::{
    args::InspectArgs,
    failure::{CLEAN, Failure, Outcome},
    output,
};

/// Shows the document of a file. Titles are free text, and shown only where that is allowed.
pub(super) fn run(args: &InspectArgs, bytes: Vec<u8>, reveal: bool) -> Outcome {
    let file = &args.file;
    if args.message > 1 || args.control_id.is_some() {
        return Err(Failure::configuration(format!("{file}: this is one C-CDA document; leave out --message and --control-id")));
    }
    let length = bytes.len();
    match Document::parse(bytes, &Limits::default()) {
        Ok(document) if args.json => output::print_json(&as_json(&document, length, reveal))?,
        Ok(document) => output::print(&outline(&document, length, reveal))?,
        Err(error) => {
            let (code, offset, reason) = (error.kind.code(), error.offset, error.kind.to_string());
            if args.json {
                output::print_json(&json!({ "rejected": { "code": code, "offset": offset, "reason": reason } }))?;
            } else {
                output::print(&format!("document, {length} bytes: rejected\n  ! error {code}: byte {offset}: {reason}\n"))?;
            }
        }
    }
    Ok(CLEAN)
}

/// The entries of a section by kind.
fn entries(document: &Document, section: &Section) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for entry in section.entries(document) {
        *counts.entry(entry.kind.as_str()).or_default() += 1;
    }
    counts
}

fn title(document: &Document, section: &Section, reveal: bool) -> Option<String> {
    let title = section.title(document)?;
    Some(if reveal {
        title.trim().to_owned()
    } else {
        format!("<free-text, {}>", output::count(title.trim().chars().count(), "character"))
    })
}

fn outline(document: &Document, length: usize, reveal: bool) -> String {
    let (kind, by) = document.kind();
    let (release, encoding) = (document.release().as_str(), document.encoding());
    let mut out = format!("document, {length} bytes, {encoding}: {} (by {}), release {release}\n", kind.as_str(), by.as_str());
    let mut shown = vec![false; document.findings().len()];
    for section in document.sections() {
        let depth = std::iter::successors(section.parent, |&at| document.sections().get(at).and_then(|outer| outer.parent)).count();
        let indent = "  ".repeat(depth + 1);
        let _ = write!(out, "{indent}{} {} (by {})", section.location(), section.kind.as_str(), section.matched_by.as_str());
        if let Some(title) = title(document, section, reveal) {
            let _ = write!(out, " {title}");
        }
        out.push('\n');
        for (kind, count) in entries(document, section) {
            let _ = writeln!(out, "{indent}  {count} {kind}");
        }
        for (finding, shown) in document.findings().iter().zip(&mut shown) {
            let inside = finding.location.strip_prefix(&section.location()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if inside && !*shown {
                *shown = true;
                add_finding(&mut out, &indent, finding);
            }
        }
    }
    for (finding, _) in document.findings().iter().zip(shown).filter(|(_, shown)| !shown) {
        add_finding(&mut out, "", finding);
    }
    out
}

fn add_finding(out: &mut String, indent: &str, finding: &Finding) {
    let at = if finding.location.is_empty() { String::new() } else { format!("{}: ", finding.location) };
    let _ = writeln!(out, "{indent}  ! {} {}: {at}{}", finding.severity.as_str(), finding.code, finding.message);
}

fn as_json(document: &Document, length: usize, reveal: bool) -> serde_json::Value {
    let (kind, by) = document.kind();
    let section = |section: &Section| {
        json!({
            "location": section.location(), "kind": section.kind.as_str(), "kind_by": section.matched_by.as_str(),
            "title": title(document, section, reveal), "parent": section.parent.map(|at| at + 1), "entries": entries(document, section),
        })
    };
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code, "severity": finding.severity.as_str(), "location": finding.location, "message": finding.message,
        })
    };
    json!({
        "bytes": length, "encoding": document.encoding(), "kind": kind.as_str(), "kind_by": by.as_str(),
        "release": document.release().as_str(),
        "sections": document.sections().iter().map(section).collect::<Vec<_>>(),
        "findings": document.findings().iter().map(finding).collect::<Vec<_>>(),
    })
}
