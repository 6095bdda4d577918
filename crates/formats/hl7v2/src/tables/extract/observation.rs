//! The typed value of an observation.

use super::{
    Context, Work,
    field::{Stretch, component, component_only, nth, number},
};
use crate::{
    escape,
    tables::{columns::Cell, spec::ObxPart},
};

impl Work {
    /// The typed value of an OBX (HL7 v2.9 chapter 7.4.2, value type in OBX-2).
    pub(super) fn observation(&mut self, context: &Context<'_>, row: u32) -> Observation {
        let mut seen = Observation::default();
        let Some(value) = self.field(context, row, 5) else { return seen };
        let value_type = self.field(context, row, 2).map_or("", |field| field.of(context.text).trim());
        let first = Self::repetition(context, value, false);
        let part = |work: &mut Self, at| component(context, first, at).map_or(Cell::Null, |part| work.text(context, part));
        match value_type {
            "NM" | "SI" => {
                seen.number = number(first.map_or("", |first| first.of(context.text))).map_or(Cell::Null, Cell::number);
                seen.text = self.all_text(context, value);
            }
            "SN" => {
                // Text in the place of the comparator is a sender's mistake and may say anything; it stays in the text column.
                let comparator = part(self, 1);
                seen.comparator = if is_comparator(self.cell_text(context, comparator)) { comparator } else { Cell::Null };
                let numeric = |at| component(context, first, at).and_then(|part| number(part.of(context.text)));
                seen.number = numeric(2).map_or(Cell::Null, Cell::number);
                seen.number_high = numeric(4).map_or(Cell::Null, Cell::number);
                seen.text = self.joined_components(context, value);
            }
            "CE" | "CWE" | "CNE" | "IS" | "ID" => {
                let (code, text) = (part(self, 1), part(self, 2));
                seen.text = if text == Cell::Null { code } else { text };
                // A code or its name is one sub-component; what follows may say anything and stays in the text column.
                let word = |work: &mut Self, at| {
                    let part = component(context, first, at).and_then(|part| match context.delimiters.subcomponent {
                        Some(delimiter) => nth(context, part, delimiter, 1),
                        None => Some(part),
                    });
                    part.map_or(Cell::Null, |part| work.text(context, part))
                };
                (seen.code, seen.code_text, seen.code_system) = (word(self, 1), word(self, 2), word(self, 3));
            }
            // Its second component is formatted text, not the name of a code.
            "CF" => {
                (seen.code, seen.code_system) = (part(self, 1), part(self, 3));
                let text = part(self, 2);
                seen.text = if text == Cell::Null { seen.code } else { text };
            }
            "DT" | "TM" | "TS" | "DTM" => {
                seen.datetime = self.iso(component_only(context, first.map_or("", |first| first.of(context.text))));
                seen.text = self.all_text(context, value);
            }
            "ED" => {
                let (kind, subtype) = (part(self, 2), part(self, 3));
                let (kind, subtype) = (self.cell_text(context, kind).to_owned(), self.cell_text(context, subtype).to_owned());
                seen.data_type = match (kind.as_str(), subtype.as_str()) {
                    ("", "") => Cell::Null,
                    (kind, "") => self.keep(kind),
                    (kind, subtype) => self.keep(&format!("{kind}/{subtype}")),
                };
                seen.data_encoding = part(self, 4);
                // Base64 and hexadecimal hold no escapes; what stands here is passed on as sent.
                seen.data = component(context, first, 5).map_or(Cell::Null, Stretch::cell);
            }
            "RP" => {
                seen.data_type = part(self, 3);
                seen.data = part(self, 1);
            }
            _ => seen.text = self.all_text(context, value),
        }
        seen
    }

    /// A structured value as people read it: its components without their separators.
    fn joined_components(&mut self, context: &Context<'_>, value: Stretch) -> Cell {
        let start = self.scratch.len();
        for part in value.of(context.text).split(char::from(context.delimiters.component)) {
            escape::unescape_into(part, &context.delimiters, &mut self.scratch, None);
        }
        if self.scratch.len() > start { self.scratch_from(start) } else { Cell::Null }
    }
}

/// The cells of a typed OBX-5.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    text: Cell,
    number: Cell,
    comparator: Cell,
    number_high: Cell,
    code: Cell,
    code_text: Cell,
    code_system: Cell,
    datetime: Cell,
    data_type: Cell,
    data_encoding: Cell,
    data: Cell,
}

impl Default for Observation {
    fn default() -> Self {
        let null = Cell::Null;
        Self {
            text: null,
            number: null,
            comparator: null,
            number_high: null,
            code: null,
            code_text: null,
            code_system: null,
            datetime: null,
            data_type: null,
            data_encoding: null,
            data: null,
        }
    }
}

impl Observation {
    pub(super) fn part(&self, part: ObxPart) -> Cell {
        match part {
            ObxPart::Text => self.text,
            ObxPart::Number => self.number,
            ObxPart::Comparator => self.comparator,
            ObxPart::NumberHigh => self.number_high,
            ObxPart::Code => self.code,
            ObxPart::CodeText => self.code_text,
            ObxPart::CodeSystem => self.code_system,
            ObxPart::DateTime => self.datetime,
            ObxPart::DataType => self.data_type,
            ObxPart::DataEncoding => self.data_encoding,
            ObxPart::Data => self.data,
        }
    }
}

/// Whether a text is a comparator of a structured number (SN.1).
fn is_comparator(text: &str) -> bool {
    matches!(text, ">" | "<" | ">=" | "<=" | "=" | "<>" | "≥" | "≤")
}
