//! Every finding code the HL7 v2 reader and checks make, with its meaning.

/// A finding code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingCode {
    /// The stable code.
    pub code: &'static str,
    /// Its severity; two where it depends on the case.
    pub severity: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn code(code: &'static str, severity: &'static str, meaning: &'static str) -> FindingCode {
    FindingCode { code, severity, meaning }
}

/// All finding codes of HL7 v2, by code.
pub const CODES: &[FindingCode] = &[
    code("charset-fallback", "warning", "The text is not ASCII and MSH-18 does not say what it is; it is read in the configured default."),
    code("charset-mismatch", "error", "MSH-18 names a character set in which the bytes are not valid text."),
    code(
        "charset-suspect",
        "warning",
        "A single-byte character set is declared, but the bytes look like UTF-8; they are read as declared.",
    ),
    code(
        "charset-undeclared",
        "warning",
        "The text is not ASCII and MSH-18 does not say what it is; it is valid UTF-8, or a shift says it.",
    ),
    code("charset-unknown", "warning", "MSH-18 names a character set that is not in table 0211."),
    code("charset-unsupported", "warning", "MSH-18 names a character set that cannot be decoded here."),
    code("charset-utf16", "info", "The source is UTF-16 or UTF-32; offsets count the UTF-8 text it was transcoded to."),
    code("component-extra", "info", "A field or component has more parts than its data type; they are kept."),
    code("control-character", "warning", "The message holds control characters; they are kept."),
    code(
        "datatype-invalid",
        "error, warning",
        "A value does not have the form of its data type: a date, a time, a number, a sequence number (warning: in a component).",
    ),
    code("delimiters-repeated", "error", "MSH-2 states a delimiter twice or too many of them; the first role of each is used."),
    code("escape-bad-hex", "warning", "A hexadecimal escape does not hold pairs of hexadecimal digits; the text is kept as sent."),
    code("escape-charset-switch", "warning", "A character set switch inside the text is not followed; the text is kept as sent."),
    code("escape-local", "info", "A local escape sequence is kept as sent."),
    code("escape-open", "warning", "An escape sequence is not closed; the text is kept as sent."),
    code("escape-unknown", "warning", "An escape sequence is not defined by the standard; the text is kept as sent."),
    code("field-extra", "info", "A segment has more fields than the standard gives it; they are kept."),
    code("field-missing", "error", "A field that the stated version requires is empty."),
    code("field-repeated", "warning", "A field repeats that may not in the stated version; all repetitions are kept."),
    code("findings-truncated", "info", "The message has more findings than are listed."),
    code("message-type-unknown", "warning", "The standard has no such message type and trigger event; the structure is not checked."),
    code("mllp-end-incomplete", "warning", "An MLLP end block is not followed by a carriage return."),
    code("segment-lowercase", "warning", "A segment name is not in capital letters; it is read as if it were."),
    code("segment-missing", "error", "A segment that the message structure requires is not there."),
    code("segment-name-invalid", "error", "A line begins with no segment name."),
    code("segment-order", "warning", "A segment belongs to the message, but not at this place."),
    code("segment-repeated", "warning", "A segment repeats that may not."),
    code(
        "segment-unexpected",
        "info, warning",
        "A segment of the standard does not belong to this message (info: it does in another version).",
    ),
    code("segment-unknown", "warning", "The standard has no such segment, and its name does not begin with Z."),
    code("structure-mismatch", "info", "MSH-9.3 is not the structure of the message type and trigger event, which is used."),
    code("terminator-not-cr", "warning", "Segments end in line feeds; the standard's terminator is carriage return."),
    code(
        "value-not-in-table",
        "info, warning",
        "A code is not in its table (warning: an HL7 table, info: a table whose codes are suggestions).",
    ),
    code("version-unknown", "warning", "MSH-12 states no version of HL7 v2; the message is checked as 2.5.1."),
];

/// The reference page: every code with severity and meaning.
#[cfg(test)]
pub(super) fn reference_page() -> String {
    let mut page = String::from(
        "# HL7 v2 findings\n\nWhat was read but is not right. A finding never refuses a message by itself; with `strict = true` a message with an\nerror becomes a reject. Locations are HL7 paths (`PID-5.1`, `OBX[3]-5`); messages never hold field content.\n\nGenerated from `sutura_hl7v2::validate::CODES`.\n\n| code | severity | meaning |\n|---|---|---|\n",
    );
    for known in CODES {
        page.extend(["| `", known.code, "` | ", known.severity, " | ", known.meaning, " |\n"]);
    }
    page
}
