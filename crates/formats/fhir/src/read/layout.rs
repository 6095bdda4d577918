//! How a source is laid out: lines, or one document, of JSON or XML.

/// Bytes of the beginning that decide how a file is read. The engine shows a format as many.
pub(super) const BEGINNING: usize = 256;
/// UTF-8's byte order mark.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Whether a file that begins so is a document of XML. One that has a line of JSON among its first bytes is not: the line that looks like XML
/// does not take the others with it.
pub(crate) fn is_xml(beginning: &[u8]) -> bool {
    let text = beginning_of(beginning);
    let is_name = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'?' | b'!');
    text.first() == Some(&b'<') && text.get(1).is_some_and(is_name) && memchr::memmem::find(text, b"\n{").is_none()
}

/// What decides, without a byte order mark and blanks.
fn beginning_of(bytes: &[u8]) -> &[u8] {
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start()
}

/// Whether a file that begins so holds one JSON value a line. The first bytes decide, as many as there are up to 256.
pub(crate) fn is_lines(beginning: &[u8]) -> bool {
    if is_xml(beginning) {
        return false;
    }
    let text = beginning_of(beginning);
    match text.first() {
        Some(b'{') => {}
        Some(b'[') => return false,
        // What is no JSON is reported line by line.
        _ => return true,
    }
    let (mut depth, mut at, mut word, mut is_type) = (0u32, 0, 0..0, false);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'\n' if depth > 0 => return starts_a_resource(&text[at + 1..]) && at > 2,
            b'"' => {
                let start = at + 1;
                at = start;
                loop {
                    match text.get(at) {
                        Some(b'\\') => at += 2,
                        // A string does not hold line ends: the line is broken, the file is one of lines.
                        None | Some(b'\n') => return true,
                        Some(b'"') => break,
                        Some(_) => at += 1,
                    }
                }
                if depth == 1 {
                    if is_type && &text[start..at] == b"Bundle" {
                        return false;
                    }
                    word = start..at;
                }
            }
            b':' if depth == 1 => {
                is_type = &text[word.clone()] == b"resourceType";
                if &text[word.clone()] == b"entry" {
                    return false;
                }
            }
            b',' if depth == 1 => is_type = false,
            _ => {}
        }
        if depth == 0 {
            return true;
        }
        at += 1;
    }
    true
}

fn starts_a_resource(line: &[u8]) -> bool {
    line.starts_with(b"{\"resourceType\"")
}
