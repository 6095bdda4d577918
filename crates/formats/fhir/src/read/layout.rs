//! How a source is laid out: lines, or one document, of JSON or XML.

/// Most bytes of the beginning that decide how a file is read. The engine shows a format as many.
pub(super) const BEGINNING: usize = 64 << 10;
/// Bytes in which a document shows that it is one: by a line end inside its first value, or as a Bundle.
const SHORT: usize = 256;
/// UTF-8's byte order mark.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a source is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Lines,
    Document,
    Xml,
}

/// Whether a file that begins so holds one JSON value a line.
pub(super) fn is_lines(beginning: &[u8]) -> bool {
    layout_of(beginning, true) == Some(Layout::Lines)
}

/// How a file that begins so is laid out; nothing if that takes more of its bytes. `at_end` says that there are no more.
pub(super) fn layout_of(bytes: &[u8], at_end: bool) -> Option<Layout> {
    let all = at_end || bytes.len() >= BEGINNING;
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    if !all && beginning.len() < BYTE_ORDER_MARK.len() {
        return None;
    }
    let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start();
    match text.first() {
        None => all.then_some(Layout::Lines),
        Some(b'{') => of_object(text, all),
        Some(b'[') => Some(Layout::Document),
        Some(b'<') => of_tag(text, all),
        // What is no JSON is reported line by line.
        Some(_) => Some(Layout::Lines),
    }
}

/// A file that begins like XML. One that has a line of JSON behind it is one of lines: the line that looks like XML does not take the
/// others with it.
fn of_tag(text: &[u8], all: bool) -> Option<Layout> {
    let Some(second) = text.get(1) else { return all.then_some(Layout::Lines) };
    if !second.is_ascii_alphabetic() && !matches!(second, b'?' | b'!') {
        return Some(Layout::Lines);
    }
    let is_object = |at: usize| text[at + 2..].trim_ascii_start().first() == Some(&b'"');
    if memchr::memmem::find_iter(text, b"\n{").any(is_object) {
        return Some(Layout::Lines);
    }
    all.then_some(Layout::Xml)
}

/// A file that begins with an object. A document has a line end inside of it, or is a Bundle with nothing behind it.
fn of_object(text: &[u8], all: bool) -> Option<Layout> {
    let (mut depth, mut at, mut word, mut is_type) = (0u32, 0, 0..0, false);
    // Whether its type was seen; whether that is Bundle, or entries stand before it.
    let (mut typed, mut may_be_bundle) = (false, false);
    while let Some(&byte) = text.get(at) {
        if at >= SHORT && !may_be_bundle {
            return Some(Layout::Lines);
        }
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'\n' => return broken_by_line_end(text, at, may_be_bundle, all),
            b'"' => {
                let start = at + 1;
                at = start;
                loop {
                    match text.get(at) {
                        Some(b'\\') => at += 2,
                        Some(b'"') => break,
                        // A string does not hold line ends: the line is broken, the file is one of lines.
                        Some(b'\n') if !may_be_bundle => return Some(Layout::Lines),
                        Some(b'\n') => return starts_an_object(&text[at + 1..], all).map(lines_if),
                        Some(_) => at += 1,
                        None if !may_be_bundle && at >= SHORT => return Some(Layout::Lines),
                        None => return all.then_some(lines_if(!may_be_bundle)),
                    }
                }
                if depth == 1 {
                    if is_type {
                        typed = true;
                        may_be_bundle |= &text[start..at] == b"Bundle";
                    }
                    word = start..at;
                }
            }
            b':' if depth == 1 => {
                is_type = &text[word.clone()] == b"resourceType";
                may_be_bundle |= !typed && &text[word.clone()] == b"entry";
            }
            b',' if depth == 1 => is_type = false,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return if may_be_bundle { behind_bundle(&text[at..], all) } else { Some(Layout::Lines) };
        }
    }
    (all || (!may_be_bundle && at >= SHORT)).then_some(lines_if(!may_be_bundle))
}

/// A line end inside an object: printed so, or the end of a line that is damaged.
fn broken_by_line_end(text: &[u8], at: usize, may_be_bundle: bool, all: bool) -> Option<Layout> {
    if at <= 2 {
        return Some(Layout::Document);
    }
    // The resource of an entry may stand on a line of its own; behind a value none can.
    if may_be_bundle {
        let goes_on = matches!(text[..at].trim_ascii_end().last(), Some(b':' | b',' | b'[' | b'{'));
        let next = text.get(at + 1);
        return if goes_on || next.is_some_and(|byte| *byte != b'{') {
            Some(Layout::Document)
        } else {
            next.map(|_| Layout::Lines).or(all.then_some(Layout::Document))
        };
    }
    starts_a_resource(&text[at + 1..], all).map(lines_if)
}

/// Behind a whole Bundle on one line: with another value on the next line the file is one of lines. A Bundle alone is a document,
/// and so are values that are printed over many lines.
fn behind_bundle(rest: &[u8], all: bool) -> Option<Layout> {
    let unknown = all.then_some(Layout::Document);
    let Some(end) = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) else { return unknown };
    if rest[end] != b'\n' {
        return Some(Layout::Document);
    }
    let next = rest[end..].trim_ascii_start();
    match next.first() {
        None => unknown,
        Some(b'{' | b'[') => {
            let inside = next[1..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
            inside.map_or(unknown, |byte| Some(lines_if(*byte != b'\n')))
        }
        Some(_) => Some(Layout::Lines),
    }
}

fn lines_if(lines: bool) -> Layout {
    if lines { Layout::Lines } else { Layout::Document }
}

/// Whether an object begins the line; nothing if that takes more bytes.
fn starts_an_object(line: &[u8], all: bool) -> Option<bool> {
    let known = match line.split_first() {
        Some((b'{', inside)) => inside.iter().find(|byte| **byte != b' ').map(|byte| *byte == b'"'),
        Some(_) => Some(false),
        None => None,
    };
    known.or(all.then_some(false))
}

/// Whether a resource begins the line; nothing if that takes more bytes.
fn starts_a_resource(line: &[u8], all: bool) -> Option<bool> {
    const NAME: &[u8] = b"\"resourceType\"";
    let Some((first, inside)) = line.split_first() else { return all.then_some(false) };
    if *first != b'{' {
        return Some(false);
    }
    let name = inside.iter().position(|byte| *byte != b' ').map_or(&[][..], |blanks| &inside[blanks..]);
    if name.len() < NAME.len() && NAME.starts_with(name) && !all {
        return None;
    }
    Some(name.starts_with(NAME))
}
