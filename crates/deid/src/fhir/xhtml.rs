//! The text of a narrative, and a narrative of a text.

/// What a reader of the narrative sees: tags taken off, blocks on lines of their own, references to characters resolved.
pub(super) fn text_of(xhtml: &str) -> String {
    let mut out = String::with_capacity(xhtml.len() / 2);
    let mut rest = xhtml;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
        } else if rest.starts_with('<') {
            let end = rest.find('>').map_or(rest.len(), |end| end + 1);
            let name: String = rest[1..end].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            match name.to_ascii_lowercase().as_str() {
                "b" | "i" | "em" | "strong" | "span" | "a" | "u" | "small" | "sub" | "sup" | "tt" | "code" => {}
                "td" | "th" if rest.starts_with("</") => {}
                "td" | "th" => out.push('\t'),
                _ if !out.ends_with('\n') && !out.is_empty() => out.push('\n'),
                _ => {}
            }
            rest = &rest[end..];
        } else {
            let end = rest[1..].bytes().take(10).position(|byte| byte == b';').map(|end| end + 2);
            let character = end.and_then(|end| character_of(&rest[1..end - 1]));
            match (end, character) {
                (Some(end), Some(character)) => {
                    out.push(character);
                    rest = &rest[end..];
                }
                _ => {
                    out.push('&');
                    rest = &rest[1..];
                }
            }
        }
    }
    out.push_str(rest);
    out
}

fn character_of(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => return None,
    })
}

/// A narrative that shows a text as it is.
pub(super) fn div_of(text: &str) -> String {
    let mut out = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><pre>");
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Not a character of XML.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            other => out.push(other),
        }
    }
    out.push_str("</pre></div>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        let text = text_of(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Jane &amp; <b>J&#246;rg</b></p><!-- x --><table><tr><td>a</td><td>b</td></tr></table></div>",
        );
        assert_eq!(text, "Jane & Jörg\n\ta\tb\n");
        assert_eq!(div_of("a < b & c"), "<div xmlns=\"http://www.w3.org/1999/xhtml\"><pre>a &lt; b &amp; c</pre></div>");
        for odd in ["<", "&", "&#xffffffff;", "<!--", "&amp", "a<b"] {
            let _ = text_of(odd);
        }
    }
}
