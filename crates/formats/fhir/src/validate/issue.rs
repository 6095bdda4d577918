//! Findings of validation, and OperationOutcome made of them.

use std::fmt::Write;

/// How bad a finding is (OperationOutcome.issue.severity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueSeverity {
    /// Worth knowing.
    Information,
    /// Allowed, but most likely not meant.
    Warning,
    /// The resource is not valid.
    Error,
    /// It could not be read at all.
    Fatal,
}

impl IssueSeverity {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// What kind of finding it is (OperationOutcome.issue.code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IssueCode {
    /// Elements where none may stand, wrong JSON kinds, cardinality.
    Structure,
    /// A required element is missing.
    Required,
    /// A value is malformed or out of bounds.
    Value,
    /// A rule of the definition is broken.
    Invariant,
    /// A code is not in its value set.
    CodeInvalid,
    /// Something referred to is not there.
    NotFound,
    /// A modifier extension or profile that is not known.
    Extension,
    /// What another resource (a Measure, a profile's extension) demands is not kept.
    BusinessRule,
    /// Too much of something to go on.
    TooLong,
    /// Too much work to go on.
    TooCostly,
}

impl IssueCode {
    /// The FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::CodeInvalid => "code-invalid",
            Self::NotFound => "not-found",
            Self::Extension => "extension",
            Self::BusinessRule => "business-rule",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
        }
    }
}

/// One finding. Its texts name elements, types and rules, never what a patient's data say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: IssueSeverity,
    /// What kind it is.
    pub code: IssueCode,
    /// Where, as FHIRPath: `Patient.name[0].given[1]`.
    pub expression: String,
    /// Where, as byte offset in the input.
    pub offset: usize,
    /// What is wrong.
    pub diagnostics: String,
}

/// The findings as an OperationOutcome in JSON. No findings make one issue that says so.
pub fn operation_outcome(issues: &[Issue]) -> String {
    operation_outcome_at(issues, 0)
}

/// The findings in a resource that begins at that byte of its file: `details.text` says what is wrong, `expression` where in the
/// resource, and `diagnostics` at which byte of the file.
pub fn operation_outcome_at(issues: &[Issue], offset: u64) -> String {
    let mut out = String::from(r#"{"resourceType":"OperationOutcome","issue":["#);
    if issues.is_empty() {
        out.push_str(r#"{"severity":"information","code":"informational","details":{"text":"no issues found"}}"#);
    }
    for (number, issue) in issues.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        let _ = write!(out, r#"{{"severity":"{}","code":"{}","details":{{"text":"#, issue.severity.code(), issue.code.code());
        push_json_text(&mut out, &issue.diagnostics);
        let _ = write!(out, r#"}},"diagnostics":"byte {}""#, offset + issue.offset as u64);
        // What is no resource at all has no place in FHIRPath.
        if !issue.expression.is_empty() {
            out.push_str(r#","expression":["#);
            push_json_text(&mut out, &issue.expression);
            out.push(']');
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// A JSON string with its quotes.
pub(crate) fn push_json_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
