//! `[privacy]`: the policy, its key and its vault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sutura_privacy::LegalBasis;

/// `[privacy]`: which policy de-identifies, and with which key. The key itself is never in the job file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacySection {
    /// Name of a built-in policy (`hipaa-safe-harbor`, `limited-data-set`, `expert-determination`, `gdpr-pseudonymised`, `gdpr-anonymous`,
    /// `pipeda`, `australia`) or the
    /// path of a policy file ending in `.toml`, relative to the job file.
    pub policy: String,
    /// Where the key is: `key = { file = "project.key" }` or `key = { env = "SUTURA_KEY" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeySpec>,
    /// File of the vault that keeps random codes, for the method `vault-code`. It leads back to patients: keep it apart from the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// The facts that the legal profile rests on; they are written into every output.
    #[serde(default)]
    pub legal: LegalSection,
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

/// `[privacy.legal]`: facts that a program cannot know. Which of them are needed depends on the profile; `validate` says.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalSection {
    /// Limited data set: the data use agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// Limited data set: who receives the data under that agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// Limited data set: `research`, `public-health` or `health-care-operations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Expert determination: who determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expert: Option<String>,
    /// Expert determination: by what statistical or scientific method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Expert determination: where method and result are documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Expert determination: the day, as `2026-03-14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determined_on: Option<String>,
    /// Expert determination: the last day it holds, as `2027-03-14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
    /// GDPR: how quasi-identifiers are handled, or the assessment that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quasi_identifiers: Option<String>,
    /// Anonymous data of the GDPR, PIPEDA and Australia: where the assessment of re-identification is documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<String>,
    /// Anonymous data of the GDPR: why nobody can be singled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singling_out: Option<String>,
    /// Anonymous data of the GDPR: why records of one person cannot be linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkability: Option<String>,
    /// Anonymous data of the GDPR: why nothing about a person can be inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<String>,
    /// Australia: who gets the data, and how access to it is controlled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_context: Option<String>,
    /// Anything else worth recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl LegalSection {
    /// The same facts in the policy's terms.
    pub fn basis(&self) -> LegalBasis {
        let LegalSection {
            agreement,
            recipient,
            purpose,
            expert,
            method,
            document,
            determined_on,
            expires_on,
            quasi_identifiers,
            assessment,
            singling_out,
            linkability,
            inference,
            release_context,
            notes,
        } = self.clone();
        LegalBasis {
            agreement,
            recipient,
            purpose,
            expert,
            method,
            document,
            determined_on,
            expires_on,
            quasi_identifiers,
            assessment,
            singling_out,
            linkability,
            inference,
            release_context,
            notes,
        }
    }
}
