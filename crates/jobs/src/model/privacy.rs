//! `[privacy]`: the policy, its key and its vault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[privacy]`: which policy de-identifies, and with which key. The key itself is never in the job file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacySection {
    /// Name of a built-in policy (`hipaa-safe-harbor`, `limited-data-set`, `expert-determination`, `gdpr-pseudonymised`) or the
    /// path of a policy file ending in `.toml`, relative to the job file.
    pub policy: String,
    /// Where the key is: `key = { file = "project.key" }` or `key = { env = "SUTURA_KEY" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeySpec>,
    /// File of the vault that keeps random codes, for the method `vault-code`. It leads back to patients: keep it apart from the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// What the legal profile requires of the receiver; it is written into every output.
    #[serde(default)]
    pub requirements: Requirements,
}

/// Where a key is kept: exactly one of `file` and `env`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// Path of a key file made by `sutura keys new`, readable by its owner only. Relative to the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Name of the environment variable that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// What a profile asks for beyond methods, such as the data use agreement of a limited data set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Identifier of the agreement under which the data leaves (data use agreement, expert's report, processing agreement).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// What the data is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Who receives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}
