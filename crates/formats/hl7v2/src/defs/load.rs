//! Parses the data files. They are part of the program: a test reads every line of them, so a line
//! that does not parse cannot ship; here it is left out.

use std::sync::OnceLock;

use sutura_core::PhiClass;

use super::{
    ComponentDef, DataTypeDef, Dictionary, FieldDef, SegmentDef, Shape, StructureDef, StructureForm, TableCheck, TableDef, Version,
    VersionSet, segment_key,
};

pub(super) const SEGMENTS: &str = include_str!("../../data/segments.tsv");
pub(super) const DATATYPES: &str = include_str!("../../data/datatypes.tsv");
pub(super) const TABLES: &str = include_str!("../../data/tables.tsv");
pub(super) const STRUCTURES: &str = include_str!("../../data/structures.tsv");
pub(super) const EVENTS: &str = include_str!("../../data/events.tsv");

/// The lines of a data file that are no comment.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut parts = line.split('\t');
    [(); N].map(|()| parts.next().unwrap_or(""))
}

pub(super) fn dictionary() -> Dictionary {
    let segments = segments();
    let structures = structures();
    let mut events: Vec<_> = lines(EVENTS)
        .filter_map(|line| {
            let [kind, event, name] = columns(line);
            Some((kind, event, structures.binary_search_by(|known: &StructureDef| known.name.cmp(name)).ok()?))
        })
        .collect();
    events.sort_unstable();
    Dictionary {
        segment_keys: segments.iter().map(|segment| segment_key(segment.name)).collect(),
        segments,
        datatypes: datatypes(),
        tables: tables(),
        structures,
        events,
    }
}

fn shape(datatype: &str) -> Shape {
    match datatype {
        "NM" => Shape::Number,
        "SI" => Shape::Sequence,
        "DT" => Shape::Date,
        "TM" => Shape::Time,
        "TS" | "DTM" => Shape::Timestamp,
        "ID" => Shape::Code,
        "IS" => Shape::UserCode,
        "CWE" | "CE" | "CNE" | "CF" => Shape::Coded,
        "ST" | "TX" | "FT" | "varies" | "SNM" | "GTS" | "" => Shape::Text,
        _ => Shape::Composite,
    }
}

fn table_number(text: &str) -> Option<u16> {
    text.parse().ok()
}

fn version_set(hex: &str) -> VersionSet {
    VersionSet::from_bits(u16::from_str_radix(hex, 16).unwrap_or(0))
}

fn segments() -> Vec<SegmentDef> {
    let mut segments: Vec<(&'static str, &'static str, Vec<FieldDef>)> = Vec::new();
    for line in lines(SEGMENTS) {
        let [name, number, title, datatype, defined, required, repeats, table, phi] = columns(line);
        if number == "0" {
            segments.push((name, title, Vec::new()));
        } else if let Some((_, _, fields)) = segments.last_mut() {
            fields.push(FieldDef {
                name: title,
                datatype,
                table: table_number(table.split('/').next().unwrap_or("")),
                older_table: table.split_once('/').and_then(|(_, older)| table_number(older)),
                defined: version_set(defined),
                required: version_set(required),
                repeats: version_set(repeats),
                phi: phi.parse().unwrap_or(PhiClass::FreeText),
                shape: shape(datatype),
            });
        }
    }
    let mut segments: Vec<_> =
        segments.into_iter().map(|(name, title, fields)| SegmentDef { name, title, fields: fields.into_boxed_slice() }).collect();
    segments.sort_unstable_by_key(|segment| segment_key(segment.name));
    segments
}

fn datatypes() -> Vec<DataTypeDef> {
    let mut types: Vec<(&'static str, Vec<ComponentDef>)> = Vec::new();
    for line in lines(DATATYPES) {
        let [name, number, title, datatype, table, phi] = columns(line);
        if number == "0" {
            types.push((name, Vec::new()));
        } else if let Some((_, components)) = types.last_mut() {
            let phi = (phi != "@").then(|| phi.parse().unwrap_or(PhiClass::FreeText));
            components.push(ComponentDef { name: title, datatype, table: table_number(table), phi, shape: shape(datatype) });
        }
    }
    let mut types: Vec<_> =
        types.into_iter().map(|(name, components)| DataTypeDef { name, components: components.into_boxed_slice() }).collect();
    types.sort_unstable_by_key(|known| known.name);
    types
}

fn tables() -> Vec<TableDef> {
    let mut tables: Vec<TableDef> = Vec::new();
    for line in lines(TABLES) {
        let [number, code, text, check] = columns(line);
        if code.is_empty() {
            let check = match check {
                "hl7" => TableCheck::Fixed,
                "user" => TableCheck::Suggested,
                _ => TableCheck::Open,
            };
            tables.extend(table_number(number).map(|number| TableDef { number, name: text, check, codes: Vec::new() }));
        } else if let Some(table) = tables.last_mut() {
            table.codes.push((code, text));
        }
    }
    for table in &mut tables {
        table.codes.sort_unstable();
    }
    tables.sort_unstable_by_key(|table| table.number);
    tables
}

fn structures() -> Vec<StructureDef> {
    let mut structures: Vec<StructureDef> = Vec::new();
    for line in lines(STRUCTURES) {
        let [name, first, last, text] = columns(line);
        let (Some(first), Some(last)) = (Version::parse(first), Version::parse(last)) else { continue };
        let form = StructureForm { first, last, text, grammar: OnceLock::new(), automaton: OnceLock::new() };
        match structures.last_mut() {
            Some(last) if last.name == name => last.forms.push(form),
            _ => structures.push(StructureDef { name, forms: vec![form], required: OnceLock::new() }),
        }
    }
    structures.sort_unstable_by_key(|structure| structure.name);
    structures
}
