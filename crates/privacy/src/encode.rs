//! Text for bytes: base32 for codes that people read out, base64 for ciphertext, hexadecimal for ids.

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Characters of 128 bits in base32.
pub(crate) const CODE_LENGTH: usize = 26;

/// 128 bits as 26 lower-case letters and digits (RFC 4648 base32, no padding).
pub(crate) fn base32_code(bytes: &[u8; 16]) -> [u8; CODE_LENGTH] {
    let number = u128::from_be_bytes(*bytes);
    let mut text = [0u8; CODE_LENGTH];
    for (place, letter) in text.iter_mut().enumerate() {
        // 25 groups of five bits from the top, then the last three bits padded with two zero bits.
        let shift = 123 - 5 * place as i32;
        let group = if shift >= 0 { number >> shift } else { number << -shift };
        *letter = BASE32[(group & 31) as usize];
    }
    text
}

/// URL-safe base64 without padding (RFC 4648 section 5), appended to `out`.
pub(crate) fn base64_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let word = u32::from(chunk[0]) << 16 | chunk.get(1).map_or(0, |b| u32::from(*b) << 8) | chunk.get(2).map_or(0, |b| u32::from(*b));
        for place in 0..=chunk.len() {
            out.push(char::from(BASE64[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
}

/// Reads what [`base64_into`] wrote; `None` for anything else.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut word = 0u32;
        for (place, letter) in chunk.iter().enumerate() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            word |= u32::from(value) << (18 - 6 * place);
        }
        let whole = chunk.len() - 1;
        // Bits behind the last byte must be zero, so that every text has one reading.
        if whole < 3 && word << (8 + 8 * whole as u32) != 0 {
            return None;
        }
        bytes.extend_from_slice(&word.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]).map(char::from).collect()
}

/// Reads hexadecimal of either case into `out`; `false` when the text is not exactly that long or not hexadecimal.
pub(crate) fn hex_decode(text: &str, out: &mut [u8]) -> bool {
    let digits = text.as_bytes();
    if digits.len() != out.len() * 2 {
        return false;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    out.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| match (digit(pair[0]), digit(pair[1])) {
        (Some(high), Some(low)) => {
            *byte = high << 4 | low;
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_rfc_4648() {
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(b"foobar");
        // RFC 4648: "foobar" is MZXW6YTBOI======; the zero bytes behind it become `a`.
        assert_eq!(&base32_code(&bytes)[..10], b"mzxw6ytboi");
        assert_eq!(&base32_code(&[255; 16]), b"77777777777777777777777774");
    }

    #[test]
    fn base64_is_rfc_4648_and_reads_back() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            let mut out = String::new();
            base64_into(bytes.as_bytes(), &mut out);
            assert_eq!(out, text);
            assert_eq!(base64_decode(text).unwrap(), bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        let mut out = String::new();
        base64_into(&all, &mut out);
        assert_eq!(base64_decode(&out).unwrap(), all);
        for bad in ["A", "Zh", "Zm9", "Zm+v", "Zg=="] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn hexadecimal_reads_back() {
        let mut out = [0u8; 3];
        assert!(hex_decode(&hex(&[0, 171, 255]), &mut out));
        assert_eq!(out, [0, 171, 255]);
        assert!(!hex_decode("00zz00", &mut out) && !hex_decode("00", &mut out));
    }
}
