//! Base64 with padding, as FHIR's `base64Binary` has it.

/// Appends bytes in base64.
pub(crate) fn push(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(number >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}

/// Bytes in base64.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    push(bytes, &mut out);
    out
}

/// Appends base64 as it was sent, without white space and with its padding. False if it is none.
pub(crate) fn push_sent(text: &str, out: &mut String) -> bool {
    let (mut count, mut padding) = (0usize, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {
                count += 1;
                out.push(char::from(byte));
            }
            _ => return false,
        }
    }
    if count == 0 || count % 4 == 1 || padding > 2 {
        return false;
    }
    for _ in 0..(4 - count % 4) % 4 {
        out.push('=');
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_padding() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encoded(bytes.as_bytes()), expected);
            let mut sent = String::new();
            assert_eq!(push_sent(&expected.replace('=', " "), &mut sent), !bytes.is_empty());
            assert_eq!(sent, expected);
        }
        for wrong in ["Z", "Zg===", "Zm=9", "Zm9v*"] {
            assert!(!push_sent(wrong, &mut String::new()), "{wrong}");
        }
    }
}
