//! Narrative as plain text: what a reader of the document sees, without its markup.

use std::borrow::Cow;

use crate::element::{Content, Element};

/// What comes between two pieces of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Nothing,
    Blank,
    Tab,
    Line,
}

struct Writer {
    out: String,
    gap: Gap,
}

impl Writer {
    fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Words of a text, single blanks between them.
    fn text(&mut self, text: &str) {
        if text.starts_with(|letter: char| letter.is_ascii_whitespace()) {
            self.gap(Gap::Blank);
        }
        let mut is_first = true;
        for word in text.split_ascii_whitespace() {
            if !is_first {
                self.gap(Gap::Blank);
            }
            is_first = false;
            if !self.out.is_empty() {
                match self.gap {
                    Gap::Nothing => {}
                    Gap::Blank => self.out.push(' '),
                    Gap::Tab => self.out.push('\t'),
                    Gap::Line => self.out.push('\n'),
                }
            }
            self.gap = Gap::Nothing;
            self.out.push_str(word);
        }
        if text.ends_with(|letter: char| letter.is_ascii_whitespace()) && !is_first {
            self.gap(Gap::Blank);
        }
    }

    /// Depth is bounded by [`Limits::depth`](crate::Limits::depth).
    fn element(&mut self, element: Element<'_>) {
        let around = match element.name() {
            "paragraph" | "list" | "item" | "table" | "thead" | "tbody" | "tr" | "caption" | "br" | "p" | "li" | "ul" | "ol" | "div" => {
                Gap::Line
            }
            "td" | "th" => Gap::Tab,
            _ => Gap::Nothing,
        };
        self.gap(around);
        for content in element.content() {
            match content {
                Content::Text(text) => self.text(text),
                Content::Element(child) => self.element(child),
            }
        }
        self.gap(around);
    }
}

/// The text of narrative with a line for each paragraph, item and row, and a tab between the cells of a row.
pub fn text(element: Element<'_>) -> Option<String> {
    let mut writer = Writer { out: String::new(), gap: Gap::Nothing };
    writer.element(element);
    (!writer.out.is_empty()).then_some(writer.out)
}

/// The text of narrative in one line.
pub fn line(element: Element<'_>) -> Option<Cow<'_, str>> {
    if element.children().next().is_none()
        && let Cow::Borrowed(text) = element.text()
        && !text.contains(['\n', '\t', '\r'])
    {
        let text = text.trim();
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    }
    text(element).map(|text| Cow::Owned(text.replace(['\n', '\t'], " ")))
}
