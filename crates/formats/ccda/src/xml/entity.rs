//! Entities: XML's five and numeric ones are decoded, a few of HTML's too; all others stay as written.

use super::scan::is_control;

/// What was odd about the entities of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Odd {
    /// Entities that XML does not define: they stay as written.
    pub(crate) unresolved: u32,
    /// Entities of HTML.
    pub(crate) html: u32,
    /// `&` that begins no entity.
    pub(crate) bare: u32,
}

/// The longest entity that is looked for.
const MOST_LENGTH: usize = 32;

/// Appends text with its entities decoded. Never longer than what it is made of.
pub(crate) fn decode(text: &str, out: &mut String, odd: &mut Odd, with_html: bool) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MOST_LENGTH).position(|byte| byte == b';');
        let name = end.map(|end| &rest[1..end]).filter(|name| is_entity(name));
        let (Some(end), Some(name)) = (end, name) else {
            odd.bare += 1;
            out.push('&');
            rest = &rest[1..];
            continue;
        };
        if let Some(letter) = letter(name) {
            out.push(letter);
        } else if let Some(letter) = html(name).filter(|_| with_html) {
            odd.html += 1;
            out.push(letter);
        } else {
            odd.unresolved += 1;
            out.push_str(&rest[..=end]);
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
}

/// Whether it looks like an entity between `&` and `;`.
fn is_entity(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'_' | b'-' | b'.' | b':'))
}

fn letter(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |hex| (hex, 16));
            let code = if digits.is_empty() { None } else { u32::from_str_radix(digits, radix).ok() };
            return code.and_then(char::from_u32).filter(|letter| !is_forbidden(*letter));
        }
    })
}

/// A letter that no XML document holds, not even as a reference (XML 1.0, production 2).
fn is_forbidden(letter: char) -> bool {
    u8::try_from(letter).is_ok_and(is_control) || matches!(letter, '\u{FFFE}' | '\u{FFFF}')
}

/// Entities of HTML that narratives really hold. No value is longer than the entity.
fn html(name: &str) -> Option<char> {
    Some(match name {
        "nbsp" => '\u{A0}',
        "copy" => '\u{A9}',
        "reg" => '\u{AE}',
        "deg" => '\u{B0}',
        "plusmn" => '\u{B1}',
        "sup2" => '\u{B2}',
        "sup3" => '\u{B3}',
        "micro" => '\u{B5}',
        "middot" => '\u{B7}',
        "frac12" => '\u{BD}',
        "frac14" => '\u{BC}',
        "frac34" => '\u{BE}',
        "times" => '\u{D7}',
        "eacute" => '\u{E9}',
        "ndash" => '\u{2013}',
        "mdash" => '\u{2014}',
        "lsquo" => '\u{2018}',
        "rsquo" => '\u{2019}',
        "ldquo" => '\u{201C}',
        "rdquo" => '\u{201D}',
        "bull" => '\u{2022}',
        "hellip" => '\u{2026}',
        "trade" => '\u{2122}',
        "le" => '\u{2264}',
        "ge" => '\u{2265}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> (String, Odd) {
        let (mut out, mut odd) = (String::new(), Odd::default());
        decode(text, &mut out, &mut odd, true);
        assert!(out.len() <= text.len());
        (out, odd)
    }

    #[test]
    fn xmls_own_entities_are_letters() {
        let (text, odd) = decoded("&lt;a&gt; &amp;amp; &quot;&apos; &#65;&#x42;&#x1F600;");
        assert_eq!((text.as_str(), odd), ("<a> &amp; \"' AB\u{1F600}", Odd::default()));
    }

    #[test]
    fn what_is_odd_stays_as_written() {
        assert_eq!(decoded("a &nbsp;b"), ("a \u{A0}b".to_owned(), Odd { html: 1, ..Odd::default() }));
        for bad in ["&lol9;", "&#0;", "&#xD800;", "&#x110000;", "&#;", "&#x;", "&#x1F;", "&#+65;"] {
            let (text, odd) = decoded(bad);
            assert_eq!(text, bad);
            assert_eq!(odd.unresolved + odd.bare, 1, "{bad}");
        }
        assert_eq!(decoded("A & B &"), ("A & B &".to_owned(), Odd { bare: 2, ..Odd::default() }));
    }
}
