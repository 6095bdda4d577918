//! The tables of docs/src/reference/terminology.md are written from the tables that are compiled in.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use sutura_terminology::{Terminology, lab};

/// Rows of a table file, without its notes.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn lab_table() -> String {
    let mut page =
        String::from("| LOINC | analyte | unit | molar mass, g/mol | charges | source |\n| --- | --- | --- | --- | --- | --- |\n");
    // Codes of one analyte stand together.
    let mut groups: Vec<(&lab::Rule, Vec<&str>)> = Vec::new();
    for rule in lab::rules() {
        match groups.last_mut() {
            Some((first, codes)) if first.analyte == rule.analyte && first.unit == rule.unit => codes.push(rule.loinc),
            _ => groups.push((rule, vec![rule.loinc])),
        }
    }
    for (rule, codes) in groups {
        let valence = rule.valence.filter(|charges| *charges > 1).map(|charges| charges.to_string()).unwrap_or_default();
        writeln!(
            page,
            "| {} | {} | `{}` | {} | {valence} | {} |",
            codes.join(", "),
            rule.analyte,
            rule.unit,
            rule.molar_mass.unwrap_or(""),
            rule.source
        )
        .unwrap();
    }
    page
}

fn map_table() -> String {
    let mut maps: Vec<_> = Terminology::builtin().concept_maps().collect();
    maps.sort_by(|one, other| one.key().cmp(other.key()));
    let mut page = String::from("| key | from | to | rows |\n| --- | --- | --- | --- |\n");
    for map in maps {
        let mut systems: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (source, _, target) in map.rows() {
            let targets = systems.entry(source).or_default();
            if !target.system.is_empty() && !targets.contains(&target.system) {
                targets.push(target.system);
            }
        }
        let short = |url: &str| format!("`{}`", url.rsplit('/').next().unwrap_or(url));
        let sources: Vec<String> = systems.keys().map(|url| short(url)).collect();
        let mut targets: Vec<String> = systems.values().flatten().map(|url| short(url)).collect();
        targets.sort();
        targets.dedup();
        writeln!(page, "| `{}` | {} | {} | {} |", map.key(), sources.join(", "), targets.join(", "), map.len()).unwrap();
    }
    page
}

fn oid_table() -> String {
    let mut page = String::from("| OID | URI | what |\n| --- | --- | --- |\n");
    for row in rows(include_str!("../data/oids.tsv")) {
        writeln!(page, "| {} | `{}` | {}{} |", row[0], row[1], row[3], if row[2] == "id" { " (identifiers)" } else { "" }).unwrap();
    }
    page
}

fn coding_system_table() -> String {
    let mut by_uri: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows(include_str!("../data/v2_coding_systems.tsv")) {
        match by_uri.iter_mut().find(|(uri, _)| *uri == row[1]) {
            Some((_, names)) => names.push(row[0]),
            None => by_uri.push((row[1], vec![row[0]])),
        }
    }
    let mut page = String::from("| CWE-3 | URI |\n| --- | --- |\n");
    for (uri, names) in by_uri {
        writeln!(page, "| {} | `{uri}` |", names.join(", ")).unwrap();
    }
    page
}

fn spelling_table() -> String {
    let mut by_code: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows(include_str!("../data/common_units.tsv")) {
        let sent = format!("`{}`", row[0]);
        match by_code.iter_mut().find(|(code, _)| *code == row[1]) {
            Some((_, spellings)) => spellings.push(sent),
            None => by_code.push((row[1], vec![sent])),
        }
    }
    let mut page = String::from("| UCUM | as sent |\n| --- | --- |\n");
    for (code, spellings) in by_code {
        writeln!(page, "| `{code}` | {} |", spellings.join(", ")).unwrap();
    }
    page
}

fn counts() -> String {
    let all = Terminology::builtin();
    let systems: Vec<_> = all.code_systems().collect();
    let concepts: usize = systems.iter().map(|system| system.len()).sum();
    let is_v2 = |url: &str| url.contains("/CodeSystem/v2-");
    let is_v3 = |url: &str| url.contains("/CodeSystem/v3-");
    let v2 = systems.iter().filter(|system| is_v2(system.url())).count();
    let v3 = systems.iter().filter(|system| is_v3(system.url())).count();
    let mappings: usize = all.concept_maps().map(|map| map.len()).sum();
    let mut page = String::from("| what | how many |\n| --- | --- |\n");
    writeln!(page, "| code systems | {} ({v2} HL7 v2 tables, {v3} of v3, {} of FHIR and THO) |", systems.len(), systems.len() - v2 - v3)
        .unwrap();
    writeln!(page, "| concepts | {concepts} |").unwrap();
    writeln!(page, "| value sets | {} |", all.value_sets().count()).unwrap();
    writeln!(page, "| concept maps | {} with {mappings} rows |", all.concept_maps().count()).unwrap();
    page
}

#[test]
fn the_reference_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/terminology.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let mut page = old.clone();
    for (name, table) in [
        ("counts", counts()),
        ("lab", lab_table()),
        ("maps", map_table()),
        ("oids", oid_table()),
        ("coding-systems", coding_system_table()),
        ("spellings", spelling_table()),
    ] {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = page.find(&begin).unwrap_or_else(|| panic!("the page has no marker {name}")) + begin.len();
        let to = page.find(&end).unwrap();
        page.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("SUTURA_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    } else {
        assert!(page == old, "docs/src/reference/terminology.md is not current; run this test with SUTURA_WRITE_REFERENCE=1");
    }
}
