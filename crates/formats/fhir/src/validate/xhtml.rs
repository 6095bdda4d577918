//! Narrative: the XHTML that may stand in `text.div` (txt-1, txt-2), checked for safety without building a tree.

/// What is wrong with a narrative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XhtmlIssue {
    /// Not well-formed, or not one `div`.
    Malformed,
    /// An element that is not allowed (script, form, link to style sheets and so on).
    Element,
    /// An attribute that is not allowed, such as an event handler.
    Attribute,
    /// An entity that XHTML does not define, or a document type.
    Entity,
    /// No text and no image.
    Empty,
}

impl XhtmlIssue {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Malformed => "the narrative is not one well-formed div of XHTML",
            Self::Element => "the narrative has an element that narratives may not have (txt-1)",
            Self::Attribute => "the narrative has an attribute that narratives may not have (txt-1)",
            Self::Entity => "the narrative has an entity that is not allowed",
            Self::Empty => "the narrative has no text (txt-2)",
        }
    }
}

/// Chapters 7 to 11 and 15 of HTML 4.0, links, images, tables: what the standard allows.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "area",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "font",
    "center",
    "s",
    "strike",
];
const ENTITIES: &[&str] = &["amp", "lt", "gt", "quot", "apos"];

/// Checks one narrative. XML's five entities and numeric ones are allowed.
pub(crate) fn check(text: &str) -> Result<(), XhtmlIssue> {
    let text = text.trim();
    if !text.starts_with("<div") {
        return Err(XhtmlIssue::Malformed);
    }
    let mut open: Vec<&str> = Vec::new();
    let mut content = false;
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find('<') else {
            characters(rest, &mut content)?;
            return Err(XhtmlIssue::Malformed);
        };
        characters(&rest[..at], &mut content)?;
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").ok_or(XhtmlIssue::Malformed)?.1;
            continue;
        }
        if rest.starts_with("<!") {
            return Err(XhtmlIssue::Entity);
        }
        if let Some(instruction) = rest.strip_prefix("<?") {
            rest = instruction.split_once("?>").ok_or(XhtmlIssue::Malformed)?.1;
            continue;
        }
        let end = tag_end(rest).ok_or(XhtmlIssue::Malformed)?;
        let inside = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            if open.pop() != Some(name.trim_end()) {
                return Err(XhtmlIssue::Malformed);
            }
            if open.is_empty() {
                break;
            }
            continue;
        }
        let (inside, closed) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let name = inside.split(|letter: char| letter.is_ascii_whitespace()).next().unwrap_or("");
        if !ELEMENTS.contains(&name) {
            return Err(XhtmlIssue::Element);
        }
        attributes(&inside[name.len()..])?;
        content |= name == "img";
        if !closed {
            open.push(name);
        } else if open.is_empty() {
            break;
        }
        if open.len() > 256 {
            return Err(XhtmlIssue::Malformed);
        }
    }
    if !open.is_empty() || !rest.trim().is_empty() {
        return Err(XhtmlIssue::Malformed);
    }
    if content { Ok(()) } else { Err(XhtmlIssue::Empty) }
}

/// The languages of the sections right below the outermost `div`: those of its children that are a `div` with `lang` or `xml:lang`.
/// For a narrative that [`check`] accepts; of others some may be missed.
pub(crate) fn language_sections(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = tag_end(rest) else { break };
        let inside = &rest[1..end];
        rest = &rest[end + 1..];
        if inside.starts_with('/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        let name = inside.split(|letter: char| letter.is_ascii_whitespace() || letter == '/').next().unwrap_or("");
        if depth == 1 && name == "div" {
            found.extend(attribute(inside, "lang").or_else(|| attribute(inside, "xml:lang")));
        }
        if !inside.ends_with('/') && !inside.starts_with('?') {
            depth += 1;
        }
    }
    found
}

/// The value of an attribute in the inside of a tag.
fn attribute<'t>(inside: &'t str, wanted: &str) -> Option<&'t str> {
    let mut rest = inside.split_once(|letter: char| letter.is_ascii_whitespace())?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        let (value, next) = after[1..].split_once(quote)?;
        if name.trim() == wanted {
            return Some(value);
        }
        rest = next;
    }
}

/// Where a tag ends; `>` in quotes is text.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn characters(text: &str, content: &mut bool) -> Result<(), XhtmlIssue> {
    *content |= text.chars().any(|letter| !letter.is_whitespace());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        rest = &rest[at + 1..];
        let Some(end) = rest.bytes().take(12).position(|byte| byte == b';') else { return Err(XhtmlIssue::Entity) };
        let name = &rest[..end];
        let numeric = name.strip_prefix('#').is_some_and(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        });
        if !numeric && !ENTITIES.contains(&name) {
            return Err(XhtmlIssue::Entity);
        }
        rest = &rest[end + 1..];
    }
    Ok(())
}

fn attributes(text: &str) -> Result<(), XhtmlIssue> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(XhtmlIssue::Malformed)?;
        let name = name.trim();
        let after = after.trim_start();
        let quote = after.chars().next().filter(|first| matches!(first, '"' | '\'')).ok_or(XhtmlIssue::Malformed)?;
        let (value, next) = after[1..].split_once(quote).ok_or(XhtmlIssue::Malformed)?;
        if name.is_empty() || value.contains('<') {
            return Err(XhtmlIssue::Malformed);
        }
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("on") {
            return Err(XhtmlIssue::Attribute);
        }
        if matches!(lower.as_str(), "href" | "src") {
            let target: String = value.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).take(16).collect();
            if target.to_ascii_lowercase().starts_with("javascript:") || target.to_ascii_lowercase().starts_with("vbscript:") {
                return Err(XhtmlIssue::Attribute);
            }
        }
        characters(value, &mut false)?;
        rest = next.trim_start();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narratives() {
        let wrap = |inner: &str| format!(r#"<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>"#);
        assert_eq!(check(&wrap("<p class='a'>a &amp; b<br/>&#160;</p><!-- c -->")), Ok(()));
        assert_eq!(check(&wrap("")), Err(XhtmlIssue::Empty));
        assert_eq!(check(&wrap("<img src=\"#a\"/>")), Ok(()));
        assert_eq!(check(&wrap("<script>x</script>")), Err(XhtmlIssue::Element));
        assert_eq!(check(&wrap("<p onclick=\"x\">a</p>")), Err(XhtmlIssue::Attribute));
        assert_eq!(check(&wrap("<a href=\"java script:x\">a</a>")), Err(XhtmlIssue::Attribute));
        assert_eq!(check(&wrap("&reg; a")), Err(XhtmlIssue::Entity));
        assert_eq!(check(&wrap("<p>a")), Err(XhtmlIssue::Malformed));
        assert_eq!(check("<div>a</div><div>b</div>"), Err(XhtmlIssue::Malformed));
        assert_eq!(check("text"), Err(XhtmlIssue::Malformed));
    }

    #[test]
    fn sections_by_language() {
        let text = r#"<div lang="fr"><!-- <div lang="x"> --><p lang="it">a</p><div xml:lang="en" lang="en"><div lang="nl">b</div><br/></div>
            <div class='a' xml:lang='de'>c</div></div>"#;
        assert_eq!(language_sections(text), ["en", "de"]);
        assert_eq!(language_sections("<div>a</div>"), Vec::<&str>::new());
        assert_eq!(language_sections("<div><div lang='en'"), Vec::<&str>::new());
    }
}
