//! The `segments` table: every value of every field, one a row.

use std::{collections::HashMap, fmt::Write as _};

use sutura_core::{DecodedSink, FormatError};

use super::{Context, Facts, Work};
use crate::{
    escape,
    tables::{columns::Cell, plan::TablePlan, spec::Computed},
    validate::shown_name,
};

impl Work {
    /// Every value of every field, as the `segments` table has it.
    pub(super) fn long_form(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        facts: &mut Facts,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.fill(context, table, facts, self.whole_message(), 0);
        let wanted = |computed| table.computed.iter().find(|(known, _)| *known == computed).map(|(_, place)| *place);
        let places = LongColumns {
            segment: wanted(Computed::LongSegment),
            ordinal: wanted(Computed::LongOrdinal),
            field: wanted(Computed::LongField),
            repetition: wanted(Computed::LongRepetition),
            component: wanted(Computed::LongComponent),
            subcomponent: wanted(Computed::LongSubcomponent),
            path: wanted(Computed::LongPath),
            value: wanted(Computed::LongValue),
            state: wanted(Computed::LongState),
        };
        let mut ordinals: HashMap<&str, i64> = HashMap::new();
        for at in 0..self.segs.len() {
            let seg = self.segs[at];
            let raw = &context.text[seg.start as usize..seg.end as usize];
            let name = raw.split(char::from(context.delimiters.field)).next().unwrap_or("").trim();
            // A wrapped line or junk has no segment name: what stands there may say anything, so it is a value (field 0), not a name.
            let shown = if is_short_z_name(name) { name } else { shown_name(name) };
            let ordinal = ordinals.entry(shown).or_default();
            *ordinal += 1;
            let ordinal = *ordinal;
            let kept = self.scratch.len();
            let name_cell = self.keep(shown);
            self.put(context, table, places.segment, name_cell);
            self.put(context, table, places.ordinal, Cell::Integer(ordinal));
            if shown != name && !name.is_empty() {
                let row_start = self.scratch.len();
                let place = LongPlace { name: shown, ordinal, field: 0, repetition: 1, component: 1, subcomponent: 1 };
                self.long_row(context, table, places, &place, name, false, out)?;
                self.scratch.truncate(row_start);
            }
            let is_header = matches!(name, "MSH" | "FHS" | "BHS");
            let mut fields = raw.split(char::from(context.delimiters.field));
            fields.next();
            for (position, field) in fields.enumerate() {
                let number = position + if is_header { 2 } else { 1 };
                let atomic = is_header && number == 2;
                let delimiter = |byte: Option<u8>| byte.filter(|_| !atomic);
                for (repetition, part) in parts(field, delimiter(context.delimiters.repetition)) {
                    for (component, part) in parts(part, delimiter(Some(context.delimiters.component))) {
                        for (subcomponent, part) in parts(part, delimiter(context.delimiters.subcomponent)) {
                            if part.is_empty() {
                                continue;
                            }
                            let row_start = self.scratch.len();
                            let place = LongPlace { name: shown, ordinal, field: number, repetition, component, subcomponent };
                            self.long_row(context, table, places, &place, part, atomic, out)?;
                            self.scratch.truncate(row_start);
                        }
                    }
                }
            }
            self.scratch.truncate(kept);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn long_row(
        &mut self,
        context: &Context<'_>,
        table: &mut TablePlan,
        places: LongColumns,
        place: &LongPlace<'_>,
        raw: &str,
        atomic: bool,
        out: &mut dyn DecodedSink,
    ) -> Result<(), FormatError> {
        self.put(context, table, places.field, Cell::Integer(place.field as i64));
        self.put(context, table, places.repetition, Cell::Integer(place.repetition as i64));
        self.put(context, table, places.component, Cell::Integer(place.component as i64));
        self.put(context, table, places.subcomponent, Cell::Integer(place.subcomponent as i64));
        if places.path.is_some() {
            let start = self.scratch.len();
            place.write(&mut self.scratch);
            self.put(context, table, places.path, self.scratch_from(start));
        }
        let deletes = raw == "\"\"";
        self.put(context, table, places.state, Cell::Static(if deletes { &"null" } else { &"value" }));
        if places.value.is_some() {
            let start = self.scratch.len();
            if atomic {
                self.scratch.push_str(raw);
            } else {
                escape::unescape_into(raw, &context.delimiters, &mut self.scratch, None);
            }
            self.put(context, table, places.value, if deletes { Cell::Null } else { self.scratch_from(start) });
        }
        Self::end_row(table, out)
    }

    /// Sets a column that is wanted. The scratch buffer is cut back after every row: what stands there now is always something new.
    fn put(&self, context: &Context<'_>, table: &mut TablePlan, column: Option<usize>, cell: Cell) {
        if let Some(column) = column {
            table.columns.set_anew(column, cell, (context.text, &self.scratch));
        }
    }
}

/// Where the long form's columns go.
#[derive(Debug, Clone, Copy)]
struct LongColumns {
    segment: Option<usize>,
    ordinal: Option<usize>,
    field: Option<usize>,
    repetition: Option<usize>,
    component: Option<usize>,
    subcomponent: Option<usize>,
    path: Option<usize>,
    value: Option<usize>,
    state: Option<usize>,
}

/// Where a value of the long form stands.
#[derive(Debug)]
struct LongPlace<'a> {
    name: &'a str,
    ordinal: i64,
    field: usize,
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

impl LongPlace<'_> {
    /// The path, with an index only where it is not the first.
    fn write(&self, out: &mut String) {
        out.push_str(self.name);
        if self.ordinal > 1 {
            let _ = write!(out, "[{}]", self.ordinal);
        }
        let _ = write!(out, "-{}", self.field);
        if self.repetition > 1 {
            let _ = write!(out, "[{}]", self.repetition);
        }
        if self.component > 1 || self.subcomponent > 1 {
            let _ = write!(out, ".{}", self.component);
        }
        if self.subcomponent > 1 {
            let _ = write!(out, ".{}", self.subcomponent);
        }
    }
}

/// The parts between a delimiter, numbered from 1; without a delimiter the whole is the only one.
fn parts(text: &str, delimiter: Option<u8>) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let (part, left) = match delimiter.and_then(|byte| text.split_once(char::from(byte))) {
            Some((part, left)) => (part, Some(left)),
            None => (text, None),
        };
        rest = left;
        Some((number, part))
    })
}

/// A site's own segment with a name of two characters (`Z1`): not what the standard asks for, but nobody's name.
fn is_short_z_name(name: &str) -> bool {
    matches!(name.as_bytes(), [b'Z', second] if second.is_ascii_digit() || second.is_ascii_uppercase())
}
