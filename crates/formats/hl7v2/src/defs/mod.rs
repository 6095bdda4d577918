//! The HL7 v2 dictionary: segments, fields, data types, tables, message structures and PHI classes.
//!
//! One merged dictionary for versions 2.1 to 2.9: the latest definition of a field wins, with the
//! versions in which it is required or repeats. The facts live in `data/*.tsv`, derived from open
//! sources by `tools/derive-hl7v2` (see its README), and are parsed once, on first use, in about a
//! millisecond. Names, data types and codes are facts of the standard; no prose of it is here.

mod automaton;
mod grammar;
mod load;
mod phi;
mod version;

use std::sync::{LazyLock, OnceLock};

use sutura_core::PhiClass;

use automaton::Automaton;
pub(crate) use grammar::is_never_missing;
pub use grammar::{Grammar, Node, NodeKind};
pub use phi::{observation_value_class, phi_class, subcomponent_class};
pub use version::{Version, VersionSet};

/// One segment of the standard.
#[derive(Debug)]
pub struct SegmentDef {
    /// Its three-character name.
    pub name: &'static str,
    /// Its title (`Patient Identification`).
    pub title: &'static str,
    /// Its fields; the field with number `n` is at `n - 1`. Empty where the dictionary has only the
    /// segment's name.
    pub fields: Box<[FieldDef]>,
}

impl SegmentDef {
    /// A field by its HL7 number, from 1.
    pub fn field(&self, number: usize) -> Option<&FieldDef> {
        self.fields.get(number.checked_sub(1)?)
    }
}

/// One field of a segment.
#[derive(Debug)]
pub struct FieldDef {
    /// Its name; empty for a number the standard never used.
    pub name: &'static str,
    /// Its data type in the latest version that has it (`CWE`, `XPN`; `varies` for OBX-5).
    pub datatype: &'static str,
    /// The number of its table, if the standard binds one.
    pub table: Option<u16>,
    /// The table that an earlier version bound instead; its codes are taken too.
    pub older_table: Option<u16>,
    /// The versions that define it.
    pub defined: VersionSet,
    /// The versions in which it is required.
    pub required: VersionSet,
    /// The versions in which it may repeat.
    pub repeats: VersionSet,
    /// The PHI class of its main content. Components have their own: see [`phi_class`].
    pub phi: PhiClass,
    pub(crate) shape: Shape,
}

/// What the text of a primitive data type may look like; decided once, at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Anything.
    Text,
    /// NM: an optional sign, digits, at most one point.
    Number,
    /// SI: digits.
    Sequence,
    /// DT: a date.
    Date,
    /// TM: a time of day.
    Time,
    /// DTM and TS: a date with time and offset.
    Timestamp,
    /// ID: one code of an HL7 table.
    Code,
    /// IS: one code of a user table.
    UserCode,
    /// CWE, CE, CNE: the code is the first component.
    Coded,
    /// Any other type with components.
    Composite,
}

/// One composite data type.
#[derive(Debug)]
pub struct DataTypeDef {
    /// Its short name (`XPN`).
    pub name: &'static str,
    /// Its components; component `n` is at `n - 1`.
    pub components: Box<[ComponentDef]>,
}

impl DataTypeDef {
    /// A component by its HL7 number, from 1.
    pub fn component(&self, number: usize) -> Option<&ComponentDef> {
        self.components.get(number.checked_sub(1)?)
    }
}

/// One component of a composite data type.
#[derive(Debug)]
pub struct ComponentDef {
    /// Its name.
    pub name: &'static str,
    /// Its data type.
    pub datatype: &'static str,
    /// The number of its table, if the standard binds one.
    pub table: Option<u16>,
    /// Its PHI class; `None` where the class of the field that has this type stands.
    pub phi: Option<PhiClass>,
    pub(crate) shape: Shape,
}

/// How firmly the standard fixes the codes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableCheck {
    /// An HL7 table: other codes are a finding of severity warning.
    Fixed,
    /// A user-defined table with suggested codes: other codes are a finding of severity info.
    Suggested,
    /// Kept for its texts; never checked.
    Open,
}

/// One table of codes.
#[derive(Debug)]
pub struct TableDef {
    /// Its number (1 for table 0001).
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// How its codes are checked.
    pub check: TableCheck,
    /// Codes and texts (empty where unknown), sorted by code.
    codes: Vec<(&'static str, &'static str)>,
}

impl TableDef {
    /// Whether it has the code.
    pub fn contains(&self, code: &str) -> bool {
        self.find(code).is_some()
    }

    /// What the code means, where known.
    pub fn text(&self, code: &str) -> Option<&'static str> {
        self.find(code).filter(|text| !text.is_empty())
    }

    /// All codes with their texts (empty where unknown), sorted by code.
    pub fn codes(&self) -> &[(&'static str, &'static str)] {
        &self.codes
    }

    fn find(&self, code: &str) -> Option<&'static str> {
        let at = self.codes.binary_search_by(|(known, _)| (*known).cmp(code)).ok()?;
        Some(self.codes[at].1)
    }
}

/// One message structure (`ADT_A01`), in the forms it had over the versions.
#[derive(Debug)]
pub struct StructureDef {
    /// Its name, as in MSH-9.3.
    pub name: &'static str,
    forms: Vec<StructureForm>,
    required: OnceLock<Box<[&'static str]>>,
}

#[derive(Debug)]
struct StructureForm {
    first: Version,
    last: Version,
    text: &'static str,
    grammar: OnceLock<Grammar>,
    automaton: OnceLock<Automaton>,
}

impl StructureForm {
    fn grammar(&self) -> &Grammar {
        self.grammar.get_or_init(|| Grammar::parse(self.text))
    }
}

impl StructureDef {
    /// The segments of the structure as they were in a version. A version that does not have the
    /// structure (an event that had another one then) gets the next form, else the last one.
    pub fn grammar(&self, version: Version) -> &Grammar {
        self.form(version).grammar()
    }

    /// The form of a version as compact text: `[optional]`, `{repeating}`, `(group)`, `<choice>`.
    pub fn text(&self, version: Version) -> &'static str {
        self.form(version).text
    }

    /// What decides whether segments are exactly the structure as it was in a version.
    pub(crate) fn automaton(&self, version: Version) -> &Automaton {
        let form = self.form(version);
        form.automaton.get_or_init(|| Automaton::new(form.grammar()))
    }

    fn form(&self, version: Version) -> &StructureForm {
        self.forms.iter().find(|form| version <= form.last).unwrap_or(&self.forms[self.forms.len() - 1])
    }

    /// Whether any form has the segment.
    pub fn has_segment(&self, name: &str) -> bool {
        let key = segment_key(name);
        key != 0 && self.forms.iter().any(|form| form.grammar().keys().contains(&key))
    }

    /// The segments that every form since version 2.3 requires, in order.
    pub fn required_segments(&self) -> &[&'static str] {
        self.required.get_or_init(|| {
            let modern: Vec<_> = self.forms.iter().filter(|form| form.first >= Version::V2_3).collect();
            let forms: Vec<_> = if modern.is_empty() { self.forms.iter().collect() } else { modern };
            let mut required = forms.last().map(|form| form.grammar().required_segments()).unwrap_or_default();
            for form in &forms {
                let other = form.grammar().required_segments();
                required.retain(|name| other.contains(name));
            }
            required.into_boxed_slice()
        })
    }
}

/// Everything, parsed.
struct Dictionary {
    segments: Vec<SegmentDef>,
    segment_keys: Vec<u32>,
    datatypes: Vec<DataTypeDef>,
    tables: Vec<TableDef>,
    structures: Vec<StructureDef>,
    events: Vec<(&'static str, &'static str, usize)>,
}

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(load::dictionary);

/// A segment name as a number that sorts like the name; 0 when it has not three ASCII characters.
pub(crate) fn segment_key(name: &str) -> u32 {
    match name.as_bytes() {
        [a, b, c] if name.is_ascii() => u32::from_be_bytes([0, *a, *b, *c]),
        _ => 0,
    }
}

/// A segment by its name; `None` for Z segments and names the standard does not have.
pub fn segment(name: &str) -> Option<&'static SegmentDef> {
    let at = DICTIONARY.segment_keys.binary_search(&segment_key(name)).ok()?;
    Some(&DICTIONARY.segments[at])
}

/// All segments, sorted by name.
pub fn segments() -> &'static [SegmentDef] {
    &DICTIONARY.segments
}

/// A composite data type by its name; `None` for primitive types (ST, NM, ...) and unknown names.
pub fn datatype(name: &str) -> Option<&'static DataTypeDef> {
    let at = DICTIONARY.datatypes.binary_search_by(|known| known.name.cmp(name)).ok()?;
    Some(&DICTIONARY.datatypes[at])
}

/// All composite data types, sorted by name.
pub fn datatypes() -> &'static [DataTypeDef] {
    &DICTIONARY.datatypes
}

/// A table by its number (1 for table 0001).
pub fn table(number: u16) -> Option<&'static TableDef> {
    let at = DICTIONARY.tables.binary_search_by_key(&number, |table| table.number).ok()?;
    Some(&DICTIONARY.tables[at])
}

/// All tables, sorted by number.
pub fn tables() -> &'static [TableDef] {
    &DICTIONARY.tables
}

/// The structure of a message type and trigger event (`ADT`, `A04` gives `ADT_A01`).
pub fn structure(message_type: &str, trigger: &str) -> Option<&'static StructureDef> {
    let events = &DICTIONARY.events;
    if let Ok(at) = events.binary_search_by(|(kind, event, _)| (*kind, *event).cmp(&(message_type, trigger))) {
        return Some(&DICTIONARY.structures[events[at].2]);
    }
    // Acknowledgements answer any trigger.
    (message_type == "ACK").then(|| structure_by_name("ACK"))?
}

/// A structure by its own name (`ADT_A01`, as in MSH-9.3).
pub fn structure_by_name(name: &str) -> Option<&'static StructureDef> {
    let at = DICTIONARY.structures.binary_search_by(|known| known.name.cmp(name)).ok()?;
    Some(&DICTIONARY.structures[at])
}

/// All structures, sorted by name.
pub fn structures() -> &'static [StructureDef] {
    &DICTIONARY.structures
}

/// All message types: type, trigger event, name of the structure.
pub fn message_types() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    DICTIONARY.events.iter().map(|(kind, event, at)| (*kind, *event, DICTIONARY.structures[*at].name))
}

/// Whether the standard has this message type and trigger event.
pub fn known_message_type(message_type: &str, trigger: &str) -> bool {
    structure(message_type, trigger).is_some()
}

/// The segments a message of this type must have in every version since 2.3; `None` when the type
/// is not known.
pub fn required_segments(message_type: &str, trigger: &str) -> Option<&'static [&'static str]> {
    structure(message_type, trigger).map(StructureDef::required_segments)
}

#[cfg(test)]
mod tests;
