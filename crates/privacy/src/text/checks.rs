//! Check digits and fixed shapes of numbers that are issued to persons and things.

/// Luhn's check over digits.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    digits.len() > 1 && luhn_sum(digits).is_multiple_of(10)
}

fn luhn_sum(digits: &[u8]) -> u32 {
    digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0');
            match (place % 2, value * 2) {
                (0, _) => value,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            }
        })
        .sum()
}

/// National Provider Identifier: ten digits, Luhn with the prefix 80840.
pub(crate) fn npi(digits: &[u8]) -> bool {
    digits.len() == 10 && matches!(digits[0], b'1' | b'2') && (luhn_sum(digits) + 24).is_multiple_of(10)
}

/// Payment card: known first digits, length and Luhn.
pub(crate) fn payment_card(digits: &[u8]) -> bool {
    let issued = match digits.len() {
        13 | 19 => matches!(digits[0], b'4' | b'6'),
        14 => digits[0] == b'3',
        15 => matches!(digits[..2], [b'3', b'4' | b'7']) || digits[0] == b'2',
        16 => matches!(digits[0], b'2'..=b'6'),
        17 | 18 => digits[0] == b'6',
        _ => false,
    };
    issued && luhn(digits)
}

/// DEA registration: two letters (or a letter and 9), six digits and a check digit.
pub(crate) fn dea(word: &[u8]) -> bool {
    if word.len() != 9 || !word[0].is_ascii_alphabetic() || !(word[1].is_ascii_alphabetic() || word[1] == b'9') {
        return false;
    }
    if !word[2..].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digit = |at: usize| u32::from(word[at] - b'0');
    (digit(2) + digit(4) + digit(6) + 2 * (digit(3) + digit(5) + digit(7))) % 10 == digit(8)
}

/// The letters that may stand in a Medicare Beneficiary Identifier.
fn mbi_letter(byte: u8) -> bool {
    byte.is_ascii_uppercase() && !matches!(byte, b'S' | b'L' | b'O' | b'I' | b'B' | b'Z')
}

/// Medicare Beneficiary Identifier: C A AN N A AN N A A N N. Letters outside the list are refused.
pub(crate) fn mbi(word: &[u8]) -> bool {
    word.len() == 11
        && (b'1'..=b'9').contains(&word[0])
        && [1, 4, 7, 8].iter().all(|at| mbi_letter(word[*at]))
        && [2, 5].iter().all(|at| mbi_letter(word[*at]) || word[*at].is_ascii_digit())
        && [3, 6, 9, 10].iter().all(|at| word[*at].is_ascii_digit())
}

/// Social security number in its own groups: no group of noughts, no area 666, none from 900 on (those are tax numbers).
pub(crate) fn ssn(digits: &[u8]) -> bool {
    digits.len() == 9
        && &digits[..3] != b"000"
        && &digits[..3] != b"666"
        && digits[0] != b'9'
        && &digits[3..5] != b"00"
        && &digits[5..] != b"0000"
}

/// Vehicle identification number: 17 letters and digits without I, O and Q, with the check digit of North America.
pub(crate) fn vin(word: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    if word.len() != 17 {
        return false;
    }
    let mut sum = 0;
    for (byte, weight) in word.iter().zip(WEIGHTS) {
        let value = match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => u32::from(digit - b'0'),
            letter @ b'A'..=b'H' => u32::from(letter - b'A') + 1,
            letter @ b'J'..=b'N' => u32::from(letter - b'J') + 1,
            b'P' => 7,
            b'R' => 9,
            letter @ b'S'..=b'Z' => u32::from(letter - b'S') + 2,
            _ => return false,
        };
        sum += value * weight;
    }
    let check = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    word[8].to_ascii_uppercase() == check
}

/// NHS number: ten digits, modulus 11.
pub(crate) fn nhs(digits: &[u8]) -> bool {
    if digits.len() != 10 {
        return false;
    }
    let sum: u32 = digits[..9].iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = (11 - sum % 11) % 11;
    check < 10 && u32::from(digits[9] - b'0') == check
}

/// Spanish identity numbers: DNI (eight digits and a letter) and NIE (X, Y or Z, seven digits and a letter).
pub(crate) fn dni(word: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    if word.len() != 9 || !word[1..8].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let lead = match word[0].to_ascii_uppercase() {
        digit @ b'0'..=b'9' => u32::from(digit - b'0'),
        letter @ b'X'..=b'Z' => u32::from(letter - b'X'),
        _ => return false,
    };
    let number = word[1..8].iter().fold(lead, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    LETTERS[(number % 23) as usize] == word[8].to_ascii_uppercase()
}

/// UK National Insurance number: two letters, six digits, A to D.
pub(crate) fn nino(word: &[u8]) -> bool {
    word.len() == 9
        && word[..2].iter().all(|byte| byte.is_ascii_uppercase() && !matches!(byte, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V'))
        && word[1] != b'O'
        && word[2..8].iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(&word[8])
}

/// Italian fiscal code: six letters, two digits, a letter, two digits, a letter, three digits, a letter.
pub(crate) fn fiscal_code(word: &[u8]) -> bool {
    word.len() == 16
        && word.iter().enumerate().all(|(at, byte)| match at {
            0..=5 | 8 | 11 | 15 => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
        && matches!(word[8], b'A'..=b'E' | b'H' | b'L' | b'M' | b'P' | b'R'..=b'T')
}

/// IBAN: country, check digits, up to thirty letters and digits, modulus 97.
pub(crate) fn iban(word: &[u8]) -> bool {
    if !(15..=34).contains(&word.len()) || !word[..2].iter().all(u8::is_ascii_alphabetic) || !word[2..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut rest = 0u32;
    for byte in word[4..].iter().chain(&word[..4]) {
        rest = match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => (rest * 10 + u32::from(digit - b'0')) % 97,
            letter @ b'A'..=b'Z' => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
            _ => return false,
        };
    }
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_right_and_wrong_check_digits() {
        assert!(npi(b"1234567893") && !npi(b"1234567890"));
        assert!(payment_card(b"4111111111111111") && !payment_card(b"4111111111111112"));
        assert!(dea(b"AB1234563") && !dea(b"AB1234564"));
        assert!(mbi(b"1EG4TE5MK73") && !mbi(b"1SG4TE5MK73") && !mbi(b"1EG4TE5MK7"));
        assert!(ssn(b"123456789") && !ssn(b"000456789") && !ssn(b"666456789") && !ssn(b"123006789"));
        assert!(vin(b"1M8GDM9AXKP042788") && !vin(b"1M8GDM9A0KP042788") && !vin(b"1M8GDM9AXKP04278I"));
        assert!(nhs(b"9434765919") && !nhs(b"9434765918"));
        assert!(dni(b"12345678Z") && dni(b"X1234567L") && !dni(b"12345678A"));
        assert!(nino(b"AB123456C") && !nino(b"DA123456C"));
        assert!(fiscal_code(b"RSSMRA85T10A562S") && !fiscal_code(b"RSSMRA85X10A562S"));
        assert!(iban(b"GB82WEST12345698765432") && !iban(b"GB82WEST12345698765431"));
    }
}
