//! From requested columns to a plan: which segment and field each one comes from, grouped so that a
//! field is cut into components once.

use std::sync::Arc;

use arrow::datatypes::Schema;
use sutura_core::{FormatError, TableRequest};

use super::{
    columns::Columns,
    spec::{self, Computed, Kind, Rows},
};

/// A segment name as a number: three bytes.
pub(crate) type Tag = u32;

/// The tag of a name; names that are not three bytes long have tag 0.
pub(crate) const fn tag(name: &[u8]) -> Tag {
    if name.len() == 3 { ((name[0] as u32) << 16) | ((name[1] as u32) << 8) | name[2] as u32 } else { 0 }
}

/// Where the segment of a column stands, seen from the row's segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The row's own segment, when it has this name.
    Row(Tag),
    /// The first of that name in the message.
    First(Tag),
    /// The patient, visit, order or request in force at the row.
    Pid,
    Pv1,
    Orc,
    Obr,
    /// The first of that name after the row's segment, before the next row or order.
    Following(Tag),
}

/// Where one column's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub at: At,
    pub field: FieldSource,
}

/// A part of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldSource {
    /// Position among the separators: MSH counts one less.
    pub field: u16,
    /// Component from 1; 0 for the whole repetition.
    pub component: u8,
    /// Sub-component from 1; 0 for the whole component.
    pub subcomponent: u8,
    /// Prefer the repetition of identifier type MR.
    pub medical_record: bool,
    pub kind: Kind,
}

/// The columns that come from one segment, in field order.
#[derive(Debug)]
pub(crate) struct Group {
    pub at: At,
    pub columns: Vec<(FieldSource, usize)>,
    /// What the cells were last cut from.
    pub cut_from: CutFrom,
}

/// What the columns of a group hold now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutFrom {
    /// Something of a message before.
    Unknown,
    /// Nulls: the message has no such segment there.
    NoSegment,
    /// The values of this segment.
    Segment(u32),
}

/// One requested table.
#[derive(Debug)]
pub(crate) struct TablePlan {
    pub request: usize,
    pub rows: Rows,
    pub row_tags: Vec<Tag>,
    pub groups: Vec<Group>,
    /// Columns with several sources: the first that holds a value wins.
    pub choices: Vec<(Vec<Source>, usize)>,
    pub computed: Vec<(Computed, usize)>,
    pub columns: Columns,
}

impl TablePlan {
    /// Forgets what was cut for the rows so far: the text it points into is about to change.
    pub(crate) fn forget_cells(&mut self) {
        for group in &mut self.groups {
            group.cut_from = CutFrom::Unknown;
        }
        self.columns.forget();
    }
}

/// All requested tables.
#[derive(Debug)]
pub(crate) struct Plan {
    pub tables: Vec<TablePlan>,
}

impl Plan {
    /// Compiles the requests.
    pub(crate) fn compile(requests: &[TableRequest], batch_rows: usize) -> Result<Self, FormatError> {
        let tables = requests
            .iter()
            .enumerate()
            .map(|(request, wanted)| {
                let at = spec::tables().iter().position(|table| table.name == wanted.table).ok_or_else(|| FormatError::UnknownTable {
                    format: "hl7v2",
                    table: wanted.table.clone(),
                    known: spec::tables().iter().map(|table| table.name).collect::<Vec<_>>().join(", "),
                })?;
                compile_table(request, at, wanted.columns.as_deref(), batch_rows)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { tables })
    }

    /// The highest field any column looks at; those that every message is asked for are among the first 20.
    pub(crate) fn highest_field(&self) -> u16 {
        let grouped = self.tables.iter().flat_map(|table| &table.groups).flat_map(|group| &group.columns).map(|(source, _)| source.field);
        let chosen = self.tables.iter().flat_map(|table| &table.choices).flat_map(|(sources, _)| sources).map(|source| source.field.field);
        grouped.chain(chosen).max().unwrap_or(0).max(20)
    }

    /// Whether any requested column satisfies the test.
    pub(crate) fn computes(&self, wanted: impl Fn(Computed) -> bool) -> bool {
        self.tables.iter().flat_map(|table| &table.computed).any(|(computed, _)| wanted(*computed))
    }
}

fn compile_table(request: usize, at: usize, wanted: Option<&[usize]>, batch_rows: usize) -> Result<TablePlan, FormatError> {
    let (table, definition) = (&spec::tables()[at], &spec::definitions()[at]);
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let wanted = wanted.unwrap_or(&all);
    let row_tags: Vec<Tag> = match table.rows {
        Rows::Segments(names) => names.iter().map(|name| tag(name.as_bytes())).collect(),
        Rows::Immunizations => vec![tag(b"RXA")],
        Rows::Orders => vec![tag(b"ORC"), tag(b"OBR")],
        Rows::Message | Rows::LongForm | Rows::Findings => Vec::new(),
    };
    let (mut groups, mut choices, mut computed) = (Vec::<Group>::new(), Vec::new(), Vec::new());
    let mut fields = Vec::with_capacity(wanted.len());
    for (out, &index) in wanted.iter().enumerate() {
        let Some(column) = table.columns.get(index) else {
            return Err(FormatError::BadOption {
                format: "hl7v2",
                option: "columns".into(),
                reason: format!("table {} has no column {index}", table.name),
            });
        };
        fields.push(definition.columns[index].field());
        if let Kind::Computed(what) = column.kind {
            computed.push((what, out));
            continue;
        }
        let mut sources: Vec<Source> =
            column.path.split(" | ").filter_map(|path| source(path, column.kind, table.rows, &row_tags)).collect();
        // A code or word is one sub-component (of the first component, in a field that has no other); what a sender adds behind it belongs to no column (it is in `segments`).
        if column.kind == Kind::Text && !column.phi.is_identifying() {
            for source in sources.iter_mut().filter(|source| source.field.subcomponent == 0) {
                source.field.component = source.field.component.max(1);
                source.field.subcomponent = 1;
            }
        }
        match (sources.len(), sources.pop()) {
            (1, Some(only)) => match groups.iter_mut().find(|group| group.at == only.at) {
                Some(group) => group.columns.push((only.field, out)),
                None => groups.push(Group { at: only.at, columns: vec![(only.field, out)], cut_from: CutFrom::Unknown }),
            },
            (_, last) => {
                sources.extend(last);
                choices.push((sources, out));
            }
        }
    }
    for group in &mut groups {
        group.columns.sort_by_key(|(source, _)| (source.field, source.medical_record, source.component));
    }
    // Whoever takes whole messages makes more of them: of few at a time.
    let most = if computed.iter().any(|(computed, _)| *computed == Computed::MessageText) { 512 } else { 8192 };
    let columns = Columns::new(Arc::new(Schema::new(fields)), batch_rows.clamp(1, most));
    Ok(TablePlan { request, rows: table.rows, row_tags, groups, choices, computed, columns })
}

/// Reads `SEG-f[.c[.s]]`, optionally with `(MR)` after the field.
fn source(path: &str, kind: Kind, rows: Rows, row_tags: &[Tag]) -> Option<Source> {
    let (segment, rest) = path.split_once('-')?;
    let name = tag(segment.as_bytes());
    let medical_record = rest.contains("(MR)");
    let rest = rest.replace("(MR)", "");
    let mut numbers = rest.split('.').map(|number| number.parse::<u16>().ok());
    let field = numbers.next()??;
    let component = numbers.next().flatten().unwrap_or(0) as u8;
    let subcomponent = numbers.next().flatten().unwrap_or(0) as u8;
    let field = if segment == "MSH" { field.checked_sub(1)? } else { field };
    let at = if row_tags.contains(&name) && rows != Rows::Orders {
        At::Row(name)
    } else {
        match segment {
            "MSH" | "EVN" => At::First(name),
            _ if rows == Rows::Message => At::First(name),
            "PID" => At::Pid,
            "PV1" => At::Pv1,
            "ORC" => At::Orc,
            "OBR" => At::Obr,
            _ => At::Following(name),
        }
    };
    Some(Source { at, field: FieldSource { field, component, subcomponent, medical_record, kind } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_every_table_compiles() {
        for table in spec::tables() {
            for column in &table.columns {
                if matches!(column.kind, Kind::Computed(_)) {
                    continue;
                }
                for path in column.path.split(" | ") {
                    assert!(source(path, column.kind, table.rows, &[]).is_some(), "{}.{}: {path}", table.name, column.name);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_documented() {
        for table in spec::tables() {
            let mut names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.columns.len(), "{} repeats a column", table.name);
            assert!(table.columns.iter().all(|column| !column.doc.is_empty()));
        }
    }
}
