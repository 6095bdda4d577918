//! What a code of HL7 v2 looks like, so that text which somebody wrote in its place does not pass for one.
//!
//! Operational columns stay as they are under every policy, because a message type or a value type identifies nobody. That holds for
//! codes only: under a profile that makes a legal claim, a value that has not the shape of its table becomes null and counts
//! as suppressed. The shape is checked, not the table: sites have codes of their own.

/// The shape of the codes of one HL7 field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeShape {
    /// Message code and trigger event (tables 0076 and 0003): a capital letter and two capital letters or digits.
    Event,
    /// Message structure (table 0354): such a code, or two joined by `_`.
    Structure,
    /// Processing id (table 0103): one capital letter.
    Letter,
    /// Version (table 0104): numbers and points.
    Version,
    /// Character sets (table 0211), each repetition.
    CharacterSet,
    /// Value type (table 0125) and the short codes of states and sources: up to three capital letters and digits.
    Short,
    /// Type of an identifier (table 0203): up to six capital letters and digits, not digits alone.
    IdentifierType,
    /// Sub-id of an observation or set id that is a code: parts between points of up to four letters and digits, eight characters in all.
    SubId,
    /// Coding system (table 0396), type and encoding of data: up to twenty letters, digits, `.`, `_`, `-` and `/`, not digits and signs alone.
    System,
}

impl CodeShape {
    /// The shape of the column with this HL7 path, if its values are codes of a known shape.
    pub fn of_path(path: &str) -> Option<Self> {
        let path = path.split(" | ").next().unwrap_or_default();
        Some(match path {
            "MSH-9.1" | "MSH-9.2" => CodeShape::Event,
            "MSH-9.3" => CodeShape::Structure,
            "MSH-11" | "MSH-11.1" => CodeShape::Letter,
            "MSH-12" | "MSH-12.1" => CodeShape::Version,
            "MSH-18" => CodeShape::CharacterSet,
            "OBX-2" | "OBX-11" | "ORC-1" | "ORC-5" | "OBR-24" | "OBR-25" | "RXA-20" | "RXA-21" | "DG1-21" | "IAM-6.1" | "NTE-2"
            | "NTE-4.1" | "FT1-11.1.2" | "FT1-6.1" | "PV1-41.1" | "TXA-17" | "TXA-18" | "TXA-19" => CodeShape::Short,
            "OBX-4" | "OBX-4.1" | "AL1-1.1" => CodeShape::SubId,
            "PID-3.5" => CodeShape::IdentifierType,
            "OBR-4.3" | "OBX-3.3" | "OBX-5.2" | "OBX-5.3" | "OBX-5.4" | "OBX-6.3" | "RXO-1.3" | "RXA-5.3" | "DG1-3.3" | "PR1-3.3"
            | "AL1-3.3" | "DG1-2" | "SCH-10.1" | "SCH-25.1" | "TXA-3" => CodeShape::System,
            _ => return None,
        })
    }

    /// Whether a value has the shape. Blank values have it: they say nothing.
    pub fn fits(self, value: &str) -> bool {
        let value = value.trim();
        if value.is_empty() {
            return true;
        }
        let code = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let event = |text: &str| code(text, 3) && text.len() == 3 && text.starts_with(|first: char| first.is_ascii_uppercase());
        let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
        match self {
            CodeShape::Event => event(value),
            CodeShape::Structure => match value.split_once('_') {
                Some((message, trigger)) => event(message) && code(trigger, 3),
                None => event(value),
            },
            CodeShape::Letter => value.len() == 1 && letters,
            CodeShape::Version => value.len() <= 6 && value.split('.').all(|part| part.len() <= 2 && code(part, 2) && digits(part)),
            CodeShape::CharacterSet => value.split(['~', '\\']).all(|name| character_set(name.trim())),
            CodeShape::Short => code(value, 3),
            CodeShape::IdentifierType => letters && code(value, 6),
            CodeShape::SubId => {
                let part = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
                value.len() <= 8 && value.split('.').all(part)
            }
            CodeShape::System => {
                letters && value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
            }
        }
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name of table 0211 as sites write it, or one of an encoding: a known word and a number.
fn character_set(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '/' | '.')).map(|c| c.to_ascii_uppercase()).collect();
    if plain.is_empty() || ["GB180302000", "CNS116431992", "EUCJP", "EUCKR", "SHIFTJIS", "MACINTOSH", "GBK"].contains(&plain.as_str()) {
        return true;
    }
    let plain = plain.strip_suffix("LE").or_else(|| plain.strip_suffix("BE")).unwrap_or(&plain);
    const WORDS: [&str; 21] = [
        "UNICODEUTF",
        "UNICODE",
        "UTF",
        "USASCII",
        "ASCII",
        "ISO8859",
        "8859",
        "ISOIR",
        "IR",
        "ISO2022JP",
        "ISO2022KR",
        "ISO2022",
        "GB",
        "BIG",
        "KSX",
        "KSC",
        "CNS",
        "WINDOWS",
        "CP",
        "LATIN",
        "KOI8",
    ];
    let rest = WORDS.iter().find_map(|word| plain.strip_prefix(word));
    rest.is_some_and(|rest| rest.len() <= 5 && (digits(rest) || matches!(rest, "R" | "U")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_pass_and_text_does_not() {
        let passes: [(&str, &[&str]); 11] = [
            ("MSH-9.1", &["ADT", "ORU", "ZP1", "ACK", ""]),
            ("MSH-9.2", &["A01", "R01", "Z99"]),
            ("MSH-9.3", &["ADT_A01", "ORU_R01", "ACK"]),
            ("MSH-11.1", &["P", "T", "D"]),
            ("MSH-12.1", &["2.1", "2.5.1", "2.9.1", "2"]),
            (
                "MSH-18",
                &[
                    "ASCII",
                    "8859/1",
                    "8859/15",
                    "UNICODE UTF-8",
                    "UNICODE",
                    "UTF-8",
                    "ISO IR87~ISO IR159",
                    "GB 18030-2000",
                    "BIG-5",
                    "KS X 1001",
                    "CNS 11643-1992",
                    "windows-1252",
                    "ISO-8859-1",
                    "UTF-16LE",
                    "~ISO IR14",
                ],
            ),
            ("OBX-2", &["NM", "CWE", "ST", "ED"]),
            ("PID-3.5", &["MR", "PI", "SS", "DL"]),
            ("OBX-4.1", &["1", "1.2", "12a", "1.2.3.4"]),
            ("SCH-25.1", &["Booked", "Noshow", "Cancelled"]),
            ("OBX-3.3", &["LN", "L", "99LAB", "I10", "HL70078", "SCT"]),
        ];
        for (path, values) in passes {
            let shape = CodeShape::of_path(path).unwrap();
            for value in values {
                assert!(shape.fits(value), "{path} refuses {value}");
            }
            for text in ["John Smith", "555-0100", "1980-01-01", "SMITH, JOHN (MRN 4711)", "123-45-6789", "Jos\u{e9}", "a@b.example"] {
                assert!(!shape.fits(text), "{path} lets {text} pass");
            }
        }
        assert!(!CodeShape::Event.fits("SMITH") && !CodeShape::Short.fits("SMITH") && !CodeShape::CharacterSet.fits("ISO SMITH"));
        assert!(CodeShape::of_path("PID-5.1").is_none());
    }
}
