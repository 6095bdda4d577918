//! Codes as UIDs of DICOM, so that tables, images and their references stay joined.

/// The UID of a code: the 128 bits of its last 26 letters under 2.25 (PS3.5 annex B.2). Columns of UIDs that a DICOM reader gives are treated so,
/// and so are the images themselves.
pub fn uid_of_code(code: &str) -> String {
    let letters = code.as_bytes();
    let letters = &letters[letters.len().saturating_sub(26)..];
    let number = letters.iter().enumerate().fold(0u128, |number, (place, letter)| {
        let value = u128::from(match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => 0,
        });
        // 25 groups of five bits, then the last three.
        if place == 25 { number << 3 | value >> 2 } else { number << 5 | value }
    });
    format!("2.25.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_have_the_bits_of_the_codes() {
        assert_eq!(uid_of_code("77777777777777777777777774"), format!("2.25.{}", u128::MAX));
        assert_eq!(uid_of_code("otherid-aaaaaaaaaaaaaaaaaaaaaaaaae"), "2.25.1");
    }
}
