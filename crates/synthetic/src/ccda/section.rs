//! Sections: narrative and entries side by side, and the account of both.

use std::cell::Cell;

use crate::rng::Rng;

use super::{
    odd::Oddity,
    record::Coded,
    style::{Codes, Layout, Style, Templates},
    truth::SectionTruth,
    xml::Xml,
};

/// Roots that no guide has, for the style whose templates are wrong.
const WRONG: &str = "1.2.840.99999.3";

/// What a section is, for the reader and for the truth.
pub(super) struct Definition {
    /// As the table of sections names it.
    pub(super) kind: &'static str,
    pub(super) template: &'static str,
    pub(super) extension: &'static str,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) header: &'static [&'static str],
}

/// A section while it is written.
pub(super) struct Section<'s> {
    pub(super) style: &'static Style,
    pub(super) definition: &'s Definition,
    pub(super) entries: Xml,
    rows: Vec<Vec<String>>,
    pub(super) truth: SectionTruth,
    /// What is odd: the number of the entry, and what.
    pub(super) odd: Vec<(usize, Oddity)>,
    /// What is odd about the entry that is open, and whether it has shown yet.
    current: Option<Oddity>,
    has_shown: Cell<bool>,
    odd_percent: u32,
    rng: &'s mut Rng,
}

impl<'s> Section<'s> {
    pub(super) fn new(style: &'static Style, definition: &'s Definition, odd_percent: u32, rng: &'s mut Rng) -> Self {
        Self {
            style,
            definition,
            entries: Xml::new(style, 5),
            rows: Vec::new(),
            truth: SectionTruth { sections: 1, ..SectionTruth::default() },
            odd: Vec::new(),
            current: None,
            has_shown: Cell::new(false),
            odd_percent,
            rng,
        }
    }

    /// Begins an entry. Draws whether it is odd.
    pub(super) fn entry(&mut self, type_code: &str) {
        self.truth.entries += 1;
        self.current = Oddity::draw(self.rng, self.odd_percent);
        self.has_shown.set(false);
        self.entries.open("entry", &[("typeCode", type_code)]);
    }

    pub(super) fn end_entry(&mut self) {
        self.entries.close();
        // An entry without times cannot have a wrong one.
        if let Some(oddity) = self.current.take().filter(|_| self.has_shown.get()) {
            self.odd.push((self.truth.entries as usize, oddity));
        }
    }

    /// Whether the entry is odd in that way; asked where it shows.
    fn is_odd(&self, oddity: Oddity) -> bool {
        let is_odd = self.current == Some(oddity);
        self.has_shown.set(self.has_shown.get() || is_odd);
        is_odd
    }

    /// A row of the narrative; its ID.
    pub(super) fn row(&mut self, cells: &[&str]) -> String {
        self.rows.push(cells.iter().map(|cell| (*cell).to_owned()).collect());
        format!("{}{}", self.definition.kind.replace('-', ""), self.rows.len())
    }

    /// The template ids of a statement of the entry.
    pub(super) fn templates(&mut self, root: &str, extension: &str) {
        if self.style.templates != Templates::Wrong && self.is_odd(Oddity::NoTemplate) {
            return;
        }
        templates(&mut self.entries, self.style, root, extension);
    }

    /// A reference to a row, where the style has them.
    pub(super) fn text_reference(&mut self, row: &str) {
        if self.style.has_references {
            let target = self.target(row);
            self.entries.open("text", &[]).empty("reference", &[("value", &target)]).close();
        }
    }

    fn target(&self, row: &str) -> String {
        if self.is_odd(Oddity::BadReference) { format!("#gone-{row}") } else { format!("#{row}") }
    }

    /// The code of a fact, with the row that it stands in. Counted, unless it is left out on purpose.
    pub(super) fn fact_code(&mut self, element: &'static str, xsi_type: &str, coded: Coded<'_>, row: &str) {
        self.truth.facts += 1;
        let is_missing = self.is_odd(Oddity::NoCode);
        if !is_missing {
            *self.truth.codes.entry(coded.code.to_owned()).or_default() += 1;
        }
        let (oid, name) = coded.oid();
        let code = [("code", coded.code), ("displayName", coded.display), ("codeSystem", oid), ("codeSystemName", name)];
        // A code that the value set of the template has not.
        let is_translated = self.style.codes == Codes::Translation && name == "ICD-10-CM";
        let target = if self.style.has_references { self.target(row) } else { String::new() };
        let original = |xml: &mut Xml, has_references: bool| {
            if has_references {
                xml.open("originalText", &[]).empty("reference", &[("value", &target)]).close();
            } else {
                xml.leaf("originalText", &[], coded.display);
            }
        };
        let xml = &mut self.entries;
        if is_missing {
            xml.open(element, &[("xsi:type", xsi_type), ("nullFlavor", "UNK")]);
            original(xml, self.style.has_references);
            xml.close();
        } else if is_translated {
            xml.open(element, &[("xsi:type", xsi_type), ("nullFlavor", "OTH")]);
            original(xml, self.style.has_references);
            xml.empty("translation", &code).close();
        } else {
            let mut attributes = vec![("xsi:type", xsi_type)];
            attributes.extend(code);
            xml.open(element, &attributes);
            original(xml, self.style.has_references);
            xml.close();
        }
    }

    /// A code that is not counted.
    pub(super) fn code(&mut self, element: &str, xsi_type: &str, coded: Coded<'_>) {
        let (oid, name) = coded.oid();
        let attributes =
            [("xsi:type", xsi_type), ("code", coded.code), ("displayName", coded.display), ("codeSystem", oid), ("codeSystemName", name)];
        self.entries.empty(element, &attributes);
    }

    /// A point in time, or a date that is none where the entry is odd so.
    pub(super) fn time(&self, fhir: &str) -> String {
        if self.is_odd(Oddity::BadTime) {
            return "unknown".to_owned();
        }
        super::record::time(fhir, self.style.time_digits)
    }

    /// An interval; what is not stated is null where the style says so.
    pub(super) fn interval(&mut self, low: &str, high: &str) {
        let (low, high) = (self.time(low), if high.is_empty() { String::new() } else { self.time(high) });
        let xml = &mut self.entries;
        xml.open("effectiveTime", &[("xsi:type", "IVL_TS")]).empty("low", &[("value", &low)]);
        if !high.is_empty() {
            xml.empty("high", &[("value", &high)]);
        } else if self.style.has_nulls {
            xml.empty("high", &[("nullFlavor", "UNK")]);
        }
        xml.close();
    }

    /// The section as a component of the body.
    pub(super) fn write(&self, body: &mut Xml) {
        let definition = self.definition;
        let is_empty = self.truth.entries == 0;
        body.open("component", &[]);
        body.open("section", &[("nullFlavor", if is_empty && self.style.has_nulls { "NI" } else { "" })]);
        templates(body, self.style, definition.template, definition.extension);
        body.empty(
            "code",
            &[
                ("code", definition.code),
                ("codeSystem", "2.16.840.1.113883.6.1"),
                ("codeSystemName", "LOINC"),
                ("displayName", definition.title),
            ],
        );
        body.leaf("title", &[], definition.title);
        self.narrative(body);
        body.append(&self.entries.text);
        body.close_all(2);
    }

    fn narrative(&self, body: &mut Xml) {
        if self.rows.is_empty() {
            body.leaf("text", &[], "No information");
            return;
        }
        let id = |position: usize| format!("{}{}", self.definition.kind.replace('-', ""), position + 1);
        body.open("text", &[]);
        match self.style.layout {
            Layout::Table => {
                body.open("table", &[("border", "1")]).nest(&["thead", "tr"]);
                for name in self.definition.header {
                    body.leaf("th", &[], name);
                }
                body.close_all(2).open("tbody", &[]);
                for (position, row) in self.rows.iter().enumerate() {
                    body.open("tr", &[]);
                    for (column, cell) in row.iter().enumerate() {
                        if column == 0 {
                            body.open("td", &[]).leaf("content", &[("ID", &id(position))], cell).close();
                        } else {
                            body.leaf("td", &[], cell);
                        }
                    }
                    body.close();
                }
                body.close_all(2);
            }
            Layout::List => {
                body.open("list", &[]);
                for (position, row) in self.rows.iter().enumerate() {
                    let rest = row[1..].iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(", ");
                    body.open("item", &[]).leaf("content", &[("ID", &id(position))], &row[0]).leaf("content", &[], &rest).close();
                }
                body.close();
            }
            Layout::Paragraphs => {
                for row in &self.rows {
                    body.leaf("paragraph", &[], &row.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(": "));
                }
            }
        }
        body.close();
    }
}

/// Template ids as the style writes them.
pub(super) fn templates(xml: &mut Xml, style: &Style, root: &str, extension: &str) {
    match style.templates {
        Templates::Both => {
            xml.empty("templateId", &[("root", root)]);
            if !extension.is_empty() {
                xml.empty("templateId", &[("root", root), ("extension", extension)]);
            }
        }
        Templates::ExtensionOnly => {
            xml.empty("templateId", &[("root", root), ("extension", extension)]);
        }
        Templates::RootOnly => {
            xml.empty("templateId", &[("root", root)]);
        }
        Templates::Wrong => {
            let last = root.rsplit("22.").next().unwrap_or(root);
            xml.empty("templateId", &[("root", &format!("{WRONG}.{last}"))]);
        }
    }
}
