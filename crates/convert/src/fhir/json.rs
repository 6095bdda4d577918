//! Values as they stand in JSON.

use std::sync::OnceLock;

use sutura_fhir::defs::{TypeId, r4};

use super::Step;

/// Which types of primitives are written without quotes.
struct RawTypes {
    boolean: Option<TypeId>,
    numbers: Vec<TypeId>,
}

fn raw_types() -> &'static RawTypes {
    static TYPES: OnceLock<RawTypes> = OnceLock::new();
    TYPES.get_or_init(|| RawTypes {
        boolean: r4().type_named("boolean"),
        numbers: ["decimal", "integer", "positiveInt", "unsignedInt"].iter().filter_map(|name| r4().type_named(name)).collect(),
    })
}

/// Whether values of a type are JSON numbers or booleans.
pub(crate) fn is_raw(ty: TypeId) -> bool {
    let types = raw_types();
    types.boolean == Some(ty) || types.numbers.contains(&ty)
}

/// Whether text can be the value of that element: booleans and numbers have a form in JSON, and only primitives have a value.
pub(crate) fn fits(step: &Step, value: &str) -> bool {
    let types = raw_types();
    if types.boolean == Some(step.ty) {
        return matches!(value, "true" | "false");
    }
    step.is_primitive && (!types.numbers.contains(&step.ty) || is_number(value))
}

/// Whether text is a number of JSON.
pub(crate) fn is_number(text: &str) -> bool {
    let bytes = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let digits = |bytes: &[u8]| bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let whole = digits(bytes);
    if whole == 0 || (whole > 1 && bytes[0] == b'0') {
        return false;
    }
    let mut rest = &bytes[whole..];
    if let [b'.', after @ ..] = rest {
        let fraction = digits(after);
        if fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = after.strip_prefix(b"+").or_else(|| after.strip_prefix(b"-")).unwrap_or(after);
        let exponent = digits(after);
        return exponent > 0 && exponent == after.len();
    }
    rest.is_empty()
}

/// What must be escaped: 0 as it is, `u` as a number, else the letter.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 32 {
        table[at] = b'u';
        at += 1;
    }
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table
};

/// Appends text as a JSON string with its quotes.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // Nearly all text is plain; looking at every byte is sooner done than stopping at the first odd one.
    let odd = bytes.iter().fold(0, |odd, byte| odd | u8::from(*byte < b' ' || *byte == b'"' || *byte == b'\\'));
    if odd == 0 {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[byte as usize];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_string_of_json(text in "(\\PC|[\"\\\\\n\t\u{0}-\u{1f}]|[a-z ]{1,40}){0,20}") {
            let mut out = Vec::new();
            push_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
