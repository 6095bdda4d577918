//! What was read but is not right. Lenient reading and strict reports come from the same parse.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Deviates from the standard; the value is used.
    Warning,
    /// Violates the standard; a strict reader would refuse the record.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One finding. It names the place, never the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, documented in `docs/src/reference`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The standard's own path (`PID-5.1`, `OBX[3]-5`).
    pub location: String,
    /// What is wrong and what to do, without any field content.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(code: &'static str, severity: Severity, location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, severity, location: location.into(), message: message.into() }
    }
}
