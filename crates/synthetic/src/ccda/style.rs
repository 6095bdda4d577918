//! How vendors write: six of them, none of which exists.

use serde::{Deserialize, Serialize};

/// Who writes the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CcdaStyle {
    /// One document after the other in another of the styles below.
    #[default]
    Mixed,
    /// C-CDA R2.1, templates with and without extension, tables, references into the narrative.
    Alder,
    /// C-CDA R2.1, templates with extension only, a prefix on every element, lists, times to the minute.
    Birch,
    /// C-CDA R1.1, byte order mark, every absent part with a nullFlavor, telephone numbers without scheme.
    Cedar,
    /// C-CDA R2.1 on one line, without XML declaration, paragraphs, local codes with translations.
    Dogwood,
    /// Template ids that nobody knows: only LOINC codes and structure tell what a section is.
    Elm,
    /// C-CDA R2.1 in ISO-8859-1 with numeric character references, sections within a section.
    Fir,
}

/// Which template ids stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Templates {
    Both,
    ExtensionOnly,
    RootOnly,
    Wrong,
}

/// How narrative is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Table,
    List,
    Paragraphs,
}

/// How telephone numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telephone {
    /// `tel:+1(617)555-0100`
    Uri,
    /// `tel:617-555-0100`
    Dashes,
    /// `(617)555-0100`
    Bare,
}

/// How codes of another system than the value set's are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codes {
    Direct,
    /// `nullFlavor="OTH"` and a translation.
    Translation,
}

/// The habits of one vendor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) id: CcdaStyle,
    pub(super) name: &'static str,
    pub(super) software: &'static str,
    pub(super) templates: Templates,
    /// R2.1, else R1.1.
    pub(super) is_later: bool,
    pub(super) prefix: &'static str,
    pub(super) indents: bool,
    pub(super) declaration: Option<&'static str>,
    pub(super) has_mark: bool,
    pub(super) is_latin: bool,
    pub(super) layout: Layout,
    pub(super) has_references: bool,
    pub(super) telephone: Telephone,
    pub(super) codes: Codes,
    pub(super) has_nulls: bool,
    /// Digits of a time that are written; more carry the offset.
    pub(super) time_digits: usize,
    pub(super) nests_sections: bool,
}

const UTF_8: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

const ALDER: Style = Style {
    id: CcdaStyle::Alder,
    name: "alder",
    software: "Alder Clinical 12.1",
    templates: Templates::Both,
    is_later: true,
    prefix: "",
    indents: true,
    declaration: Some(UTF_8),
    has_mark: false,
    is_latin: false,
    layout: Layout::Table,
    has_references: true,
    telephone: Telephone::Uri,
    codes: Codes::Direct,
    has_nulls: false,
    time_digits: 14,
    nests_sections: false,
};

const STYLES: [Style; 6] = [
    ALDER,
    Style {
        id: CcdaStyle::Birch,
        name: "birch",
        software: "Birch Chart",
        templates: Templates::ExtensionOnly,
        prefix: "cda:",
        layout: Layout::List,
        telephone: Telephone::Dashes,
        time_digits: 12,
        ..ALDER
    },
    Style {
        id: CcdaStyle::Cedar,
        name: "cedar",
        software: "CedarEHR 2013",
        templates: Templates::RootOnly,
        is_later: false,
        has_mark: true,
        telephone: Telephone::Bare,
        codes: Codes::Translation,
        has_nulls: true,
        time_digits: 8,
        ..ALDER
    },
    Style {
        id: CcdaStyle::Dogwood,
        name: "dogwood",
        software: "Dogwood Health Exchange",
        indents: false,
        declaration: None,
        layout: Layout::Paragraphs,
        has_references: false,
        codes: Codes::Translation,
        ..ALDER
    },
    Style {
        id: CcdaStyle::Elm,
        name: "elm",
        software: "Elm Practice Suite",
        templates: Templates::Wrong,
        has_references: false,
        telephone: Telephone::Dashes,
        ..ALDER
    },
    Style {
        id: CcdaStyle::Fir,
        name: "fir",
        software: "FIR/Records",
        declaration: Some("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\r\n"),
        is_latin: true,
        layout: Layout::List,
        has_nulls: true,
        nests_sections: true,
        ..ALDER
    },
];

impl CcdaStyle {
    /// The habits of whoever writes the document of that number.
    pub(super) fn of(self, number: u64) -> &'static Style {
        let at = STYLES.iter().position(|style| style.id == self).unwrap_or((number % STYLES.len() as u64) as usize);
        &STYLES[at]
    }
}
