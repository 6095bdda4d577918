//! Narrative blocks of CDA as XHTML that FHIR accepts (txt-1, txt-2), and as plain text.

use sutura_ccda::{Content, Element};

/// Elements that begin a line of their own in plain text.
const BLOCKS: [&str; 9] = ["paragraph", "item", "list", "table", "tr", "caption", "br", "td", "th"];

/// The `div` of a section's text; none if it shows nothing.
pub(super) fn xhtml(text: Element<'_>) -> Option<String> {
    let mut writer = Writer { out: String::with_capacity(1024), visible: false };
    writer.out.push_str("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    writer.content(text, 0);
    writer.out.push_str("</div>");
    writer.visible.then_some(writer.out)
}

/// The text of a part of the narrative, with blanks where cells and blocks end.
pub(super) fn plain(element: Element<'_>) -> String {
    let mut out = String::new();
    push_plain(element, &mut out, 0, " ");
    out
}

/// The same, with a line for each block: what a note is as text.
pub(super) fn lines(element: Element<'_>) -> String {
    let mut raw = String::new();
    push_plain(element, &mut raw, 0, "\n");
    let mut out = String::with_capacity(raw.len());
    for line in raw.lines() {
        let line = super::types::folded(line);
        if !line.is_empty() {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&line);
        }
    }
    out
}

fn push_plain(element: Element<'_>, out: &mut String, depth: usize, break_with: &str) {
    for content in element.content() {
        match content {
            // Line ends of the file are no lines of the note.
            Content::Text(text) => {
                for (number, line) in text.split(['\n', '\r']).enumerate() {
                    if number > 0 {
                        out.push(' ');
                    }
                    out.push_str(line);
                }
            }
            Content::Element(child) if depth < MAX_DEPTH => {
                let name = child.name();
                let block = BLOCKS.contains(&name);
                if block {
                    out.push_str(if matches!(name, "td" | "th") { " " } else { break_with });
                }
                push_plain(child, out, depth + 1, break_with);
                if block {
                    out.push_str(if matches!(name, "td" | "th") { " " } else { break_with });
                }
            }
            Content::Element(_) => {}
        }
    }
}

/// Deeper narrative is written without its elements; FHIR's own readers cap depth too.
const MAX_DEPTH: usize = 100;

struct Writer {
    out: String,
    /// Whether anything is to be seen.
    visible: bool,
}

impl Writer {
    fn content(&mut self, element: Element<'_>, depth: usize) {
        for content in element.content() {
            match content {
                Content::Text(text) => self.text(text),
                Content::Element(child) => self.element(child, depth + 1),
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.visible |= text.chars().any(|letter| !letter.is_whitespace());
        push_escaped(text, &mut self.out);
    }

    fn element(&mut self, element: Element<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            let text = element.text();
            self.text(&text);
            return;
        }
        let tag = match element.name() {
            "paragraph" => "p",
            "list" if element.attr("listType") == Some("ordered") => "ol",
            "list" => "ul",
            "item" => "li",
            "table" | "thead" | "tbody" | "tfoot" | "tr" | "th" | "td" | "col" | "colgroup" | "br" | "sub" | "sup" => element.name(),
            "linkHtml" => "a",
            "caption" if element.parent().is_some_and(|parent| parent.name() == "table") => "caption",
            // A list of XHTML has no caption: it goes before the list.
            "caption" => return,
            "renderMultiMedia" => return,
            // HTML in place of CDA's own elements is frequent.
            "p" | "b" | "i" | "u" | "ul" | "ol" | "li" | "div" | "span" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "strong" | "em"
            | "pre" | "hr" | "dl" | "dt" | "dd" => element.name(),
            _ if has_blocks(element) => "div",
            _ => "span",
        };
        if matches!(tag, "ul" | "ol") {
            for caption in element.children().filter(|child| child.name() == "caption") {
                self.open("p", caption);
                self.out.push('>');
                self.content(caption, depth);
                self.out.push_str("</p>");
            }
        }
        self.open(tag, element);
        if matches!(tag, "br" | "col" | "hr") {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        self.content(element, depth);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// The tag's name and the attributes that XHTML knows.
    fn open(&mut self, tag: &str, element: Element<'_>) {
        self.out.push('<');
        self.out.push_str(tag);
        if let Some(id) = element.id_attr() {
            self.attribute("id", id);
        }
        if let Some(style) = element.attr("styleCode") {
            self.attribute("class", style);
        }
        for name in ["colspan", "rowspan", "align", "valign", "span", "width", "border", "abbr", "scope"] {
            if matches!(tag, "table" | "td" | "th" | "tr" | "col" | "colgroup" | "tbody" | "thead" | "tfoot")
                && let Some(value) = element.attr(name)
            {
                self.attribute(name, value);
            }
        }
        if tag == "a"
            && let Some(target) = element.attr("href").map(str::trim)
            && ["http://", "https://", "mailto:", "#"].iter().any(|start| target.starts_with(start))
        {
            self.attribute("href", target);
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        push_escaped(value, &mut self.out);
        self.out.push('"');
    }
}

fn has_blocks(element: Element<'_>) -> bool {
    element.children().any(|child| matches!(child.name(), "paragraph" | "list" | "table" | "p" | "ul" | "ol" | "div"))
}

/// Text as it stands in XHTML; characters that XML does not have are left out.
pub(super) fn push_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        // Plain letters are taken over as they are.
        let plain = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~' | b'\n' | b'\t') || matches!(byte, b'&' | b'<' | b'>' | b'"'));
        let (run, after) = rest.split_at(plain.unwrap_or(rest.len()));
        out.push_str(run);
        let Some(letter) = after.chars().next() else { return };
        rest = &after[letter.len_utf8()..];
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() || letter == '\u{FFFE}' || letter == '\u{FFFF}' => {}
            letter => out.push(letter),
        }
    }
}

/// A resource's own narrative: what the section says about it.
pub(super) fn generated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    push_escaped(text, &mut out);
    out.push_str("</div>");
    out
}
