//! Codes, mappings and members of value sets from CSV.

use std::{collections::HashMap, io};

use csv::{ReaderBuilder, StringRecord};

use super::{Batch, Limits};
use crate::{
    code_system::{CodeSystemBuilder, HierarchyMeaning},
    concept_map::{ConceptMapBuilder, Equivalence},
    error::{Result, TerminologyError},
    value_set::{ListedCode, Rule, ValueSet},
};

/// Code systems, maps or value sets that one file may name.
const MOST_NAMES: usize = 10_000;

struct Columns(HashMap<String, usize>);

impl Columns {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get<'r>(&self, row: &'r StringRecord, name: &str) -> &'r str {
        self.0.get(name).and_then(|at| row.get(*at)).map(str::trim).unwrap_or_default()
    }
}

fn wrong(row: u64, reason: &str) -> TerminologyError {
    TerminologyError::Format { what: "CSV", place: format!("row {row}"), reason: reason.to_owned() }
}

fn csv_error(error: &csv::Error) -> TerminologyError {
    match error.kind() {
        csv::ErrorKind::Io(error) => super::read_error("CSV", error),
        _ => wrong(error.position().map_or(0, csv::Position::record), "it is not UTF-8 CSV with the same number of fields in every row"),
    }
}

pub(super) fn read(name: &str, rows: impl io::Read, limits: &Limits, batch: &mut Batch) -> Result<()> {
    let mut reader = ReaderBuilder::new().from_reader(io::Read::take(rows, limits.total_bytes));
    let header = reader.headers().map_err(|error| csv_error(&error))?;
    let column = |(at, field): (usize, &str)| (field.trim().trim_start_matches('\u{feff}').to_ascii_lowercase(), at);
    let columns = Columns(header.iter().enumerate().map(column).collect());
    if columns.has("source_code") && columns.has("target_code") {
        return mappings(name, &mut reader, &columns, limits, batch);
    }
    if columns.has("value_set") && columns.has("code") {
        return members(&mut reader, &columns, limits, batch);
    }
    if columns.has("code") {
        return codes(name, &mut reader, &columns, limits, batch);
    }
    Err(wrong(0, "the header names the columns: code; source_code and target_code; or value_set and code"))
}

fn each_row(reader: &mut csv::Reader<impl io::Read>, mut take: impl FnMut(u64, &StringRecord) -> Result<()>) -> Result<()> {
    let mut row = StringRecord::new();
    let mut number = 0;
    while reader.read_record(&mut row).map_err(|error| csv_error(&error))? {
        number += 1;
        take(number, &row)?;
    }
    Ok(())
}

/// Finds or makes the part of a file that a row belongs to.
fn named<T>(list: &mut Vec<T>, index: &mut HashMap<String, usize>, key: &str, make: impl FnOnce() -> T) -> Result<usize> {
    if let Some(at) = index.get(key) {
        return Ok(*at);
    }
    if list.len() >= MOST_NAMES {
        return Err(TerminologyError::Limit { what: "code systems, maps or value sets in one CSV file", limit: MOST_NAMES as u64 });
    }
    list.push(make());
    index.insert(key.to_owned(), list.len() - 1);
    Ok(list.len() - 1)
}

fn codes(name: &str, reader: &mut csv::Reader<impl io::Read>, columns: &Columns, limits: &Limits, batch: &mut Batch) -> Result<()> {
    let (mut builders, mut index) = (Vec::new(), HashMap::new());
    let mut parents: Vec<(usize, u32, String)> = Vec::new();
    each_row(reader, |number, row| {
        let (system, version, code) = (columns.get(row, "system"), columns.get(row, "version"), columns.get(row, "code"));
        let system = if system.is_empty() { name } else { system };
        if system.is_empty() || code.is_empty() {
            return Err(wrong(number, "a row needs a system and a code"));
        }
        let at = named(&mut builders, &mut index, &format!("{system}|{version}"), || {
            CodeSystemBuilder::new(system).version(Some(version)).hierarchy(HierarchyMeaning::IsA)
        })?;
        let builder: &mut CodeSystemBuilder = &mut builders[at];
        let before = builder.len();
        batch.contradictions += usize::from(builder.has_other_display(code, columns.get(row, "display")));
        let concept = builder.add(code, columns.get(row, "display"))?;
        batch.concepts += (builder.len() - before) as u64;
        batch.check(limits)?;
        let definition = columns.get(row, "definition");
        if !definition.is_empty() {
            builder.set_definition(concept, definition)?;
        }
        if matches!(columns.get(row, "inactive").to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "y") {
            builder.set_inactive(concept);
        }
        let parent = columns.get(row, "parent");
        if !parent.is_empty() {
            if parents.len() as u64 >= limits.edges {
                return Err(TerminologyError::Limit { what: "parents", limit: limits.edges });
            }
            parents.push((at, concept, parent.to_owned()));
        }
        Ok(())
    })?;
    for (at, child, parent) in parents {
        if let Some(parent) = builders[at].find(&parent) {
            builders[at].add_parent(child, parent);
        }
    }
    batch.systems.extend(builders.into_iter().map(CodeSystemBuilder::finish));
    Ok(())
}

fn mappings(name: &str, reader: &mut csv::Reader<impl io::Read>, columns: &Columns, limits: &Limits, batch: &mut Batch) -> Result<()> {
    let (mut builders, mut index) = (Vec::new(), HashMap::new());
    each_row(reader, |number, row| {
        let get = |column| columns.get(row, column);
        let (key, code, target) = (get("map"), get("source_code"), get("target_code"));
        let key = if key.is_empty() { name } else { key };
        if key.is_empty() || code.is_empty() {
            return Err(wrong(number, "a row needs a map and a source_code"));
        }
        let equivalence = match get("equivalence") {
            "" if target.is_empty() => Equivalence::Unmatched,
            "" => Equivalence::Equivalent,
            stated => Equivalence::from_code(stated).ok_or_else(|| wrong(number, "the equivalence is not one of FHIR's"))?,
        };
        let at = named(&mut builders, &mut index, key, || ConceptMapBuilder::new(key))?;
        let builder: &mut ConceptMapBuilder = &mut builders[at];
        builder.add((get("source_system"), code), (get("target_system"), target), equivalence, get("display"), get("comment"))?;
        batch.mappings += 1;
        batch.check(limits)
    })?;
    batch.maps.extend(builders.into_iter().map(ConceptMapBuilder::finish));
    Ok(())
}

fn members(reader: &mut csv::Reader<impl io::Read>, columns: &Columns, limits: &Limits, batch: &mut Batch) -> Result<()> {
    let (mut sets, mut index) = (Vec::new(), HashMap::new());
    each_row(reader, |number, row| {
        let get = |column| columns.get(row, column);
        let (url, system, code) = (get("value_set"), get("system"), get("code"));
        if url.is_empty() || system.is_empty() || code.is_empty() {
            return Err(wrong(number, "a row needs a value_set, a system and a code"));
        }
        let at = named(&mut sets, &mut index, url, || ValueSet::new(url))?;
        let set: &mut ValueSet = &mut sets[at];
        let version = Some(get("version")).filter(|version| !version.is_empty());
        let rule = set.include.iter().position(|rule| rule.system.as_deref() == Some(system) && rule.version.as_deref() == version);
        let rule = rule.unwrap_or_else(|| {
            set.include.push(Rule { version: version.map(str::to_owned), ..Rule::system(system) });
            set.include.len() - 1
        });
        let display = Some(get("display")).filter(|display| !display.is_empty());
        set.include[rule].codes.push(ListedCode { code: code.to_owned(), display: display.map(str::to_owned) });
        batch.concepts += 1;
        batch.check(limits)
    })?;
    batch.sets.extend(sets);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExpandOptions, Subsumption, Terminology};

    #[test]
    fn each_kind_is_told_by_its_header() {
        let mut all = Terminology::empty();
        let limits = Limits::default();
        let codes = "\u{feff}System,Code,Display,Parent,Inactive\nurn:l,GLU,\"Glucose, blood\",LAB,\nurn:l,LAB,Laboratory,,\nurn:l,OLD,Old,LAB,yes\n";
        assert_eq!(all.load_csv("", codes.as_bytes(), &limits).unwrap().concepts, 3);
        assert_eq!(all.lookup("urn:l", "GLU").unwrap().display(), Some("Glucose, blood"));
        let twice = "system,code,display\nurn:t,A,One\nurn:t,A,Other\nurn:t,A,\nurn:t,A,One\n";
        assert_eq!(Terminology::empty().load_csv("", twice.as_bytes(), &limits).unwrap().contradictions, 1);
        assert_eq!(all.subsumes("urn:l", "LAB", "GLU"), Ok(Subsumption::Subsumes));
        assert!(all.lookup("urn:l", "OLD").unwrap().is_inactive());
        let maps = "source_system,source_code,target_system,target_code,equivalence\nurn:l,GLU,http://loinc.org,2345-7,\nurn:l,LAB,http://loinc.org,,\n";
        all.load_csv("lab-to-loinc", maps.as_bytes(), &limits).unwrap();
        assert_eq!(all.translate("lab-to-loinc", "urn:l", "GLU").unwrap().targets[0].code, "2345-7");
        assert!(all.translate("lab-to-loinc", "urn:l", "LAB").unwrap().known_unmatched);
        let sets = "value_set,system,code,display\nurn:v,urn:l,GLU,Sugar\nurn:v,urn:l,OLD,\n";
        all.load_csv("", sets.as_bytes(), &limits).unwrap();
        let found = all.expand("urn:v", &ExpandOptions { active_only: true, ..ExpandOptions::default() }).unwrap();
        assert_eq!((found.total, found.members[0].display.as_deref()), (1, Some("Sugar")));
    }

    #[test]
    fn mistakes_are_named() {
        let mut all = Terminology::empty();
        for broken in [
            "",
            "a,b\n1,2\n",
            "code\nx\n",
            "system,code\nurn:s,\n",
            "system,code\nurn:s\n",
            "source_code,target_code,equivalence\na,b,same\n",
        ] {
            assert!(matches!(all.load_csv("", broken.as_bytes(), &Limits::default()), Err(TerminologyError::Format { .. })), "{broken}");
        }
        let few = Limits { concepts: 1, ..Limits::default() };
        assert!(matches!(all.load_csv("s", "code\na\nb\n".as_bytes(), &few), Err(TerminologyError::Limit { .. })));
    }
}
