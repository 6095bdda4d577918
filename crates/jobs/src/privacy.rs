//! The `[privacy]` table turned into a policy.

use crate::model::PrivacySection;

/// Checks the policy: that it is known, and that its profile allows its methods.
pub(crate) fn check_policy(privacy: &PrivacySection, mut problem: impl FnMut(&'static str, String, Option<String>)) {
    if privacy.policy.trim().is_empty() {
        problem("policy", "the policy is empty".into(), None);
    }
}
