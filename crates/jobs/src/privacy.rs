//! The `[privacy]` table turned into a policy, a key ring, a vault and a de-identifier.

use std::{path::Path, sync::Arc};

use sutura_engine::{BoundPolicy, FreeText};
use sutura_privacy::{Deidentifier, FileVault, KeyRing, Method, Policy, PrivacyError, Scope, Vault};

use crate::{
    config::{
        files::{TEXT_LIMIT, read_text},
        load::is_policy_file,
    },
    error::{JobError, Result},
    model::{JobFile, PrivacySection},
};

/// A problem of the policy: key below `privacy`, message, suggestion.
pub(crate) type PolicyComplaint = (&'static str, String, Option<String>);

/// Checks the policy: that it is known, that its profile allows its methods, and that its legal facts are stated.
pub(crate) fn check_policy(privacy: &PrivacySection) -> Vec<PolicyComplaint> {
    let policy = match load_policy(privacy) {
        Ok(policy) => policy,
        Err(PrivacyError::Policy(problems)) => {
            return problems.into_iter().map(|problem| ("policy", problem.to_string(), None)).collect();
        }
        Err(PrivacyError::UnknownPolicy { name, suggestion }) => {
            let message = format!("there is no built-in policy {name:?}; a policy file ends in .toml");
            return vec![("policy", message, suggestion)];
        }
        Err(error) => return vec![("policy", error.to_string(), None)],
    };
    let mut complaints: Vec<PolicyComplaint> = match policy.check_legal(chrono::Local::now().date_naive()) {
        Ok(()) => Vec::new(),
        Err(problems) => {
            problems.into_iter().map(|problem| ("legal", format!("{}: {}", problem.key, problem.message), problem.suggestion)).collect()
        }
    };
    let needs_vault = policy.classes.iter().chain(&policy.columns).any(|rule| matches!(rule.method, Method::VaultCode { .. }));
    if needs_vault && privacy.vault.is_none() {
        complaints.push(("vault", "the policy uses vault codes: name a vault file, vault = \"...\"".into(), None));
    }
    complaints
}

/// The policy with the job's legal facts.
pub(crate) fn load_policy(privacy: &PrivacySection) -> std::result::Result<Policy, PrivacyError> {
    let policy = if is_policy_file(&privacy.policy) {
        let text = read_text(Path::new(&privacy.policy), TEXT_LIMIT)
            .map_err(|error| PrivacyError::UnknownPolicy { name: format!("{}: {error}", privacy.policy), suggestion: None })?;
        Policy::from_toml(&text, &privacy.policy)?
    } else {
        Policy::builtin(&privacy.policy)?
    };
    Ok(policy.with_legal(&privacy.legal.basis()))
}

/// What the run needs of `[privacy]`.
#[derive(Debug, Clone)]
pub(crate) struct Privacy {
    /// The policy.
    pub(crate) policy: Arc<Policy>,
    /// The keys.
    pub(crate) keys: Arc<KeyRing>,
    /// Applies the policy.
    pub(crate) deidentifier: Arc<Deidentifier>,
}

impl Privacy {
    /// Identifier of the job's key.
    pub(crate) fn key_id(spec: &JobFile) -> Result<String> {
        spec.privacy.as_ref().map_or_else(|| Ok(String::new()), |section| Ok(open_keys(section)?.key_id().to_owned()))
    }

    /// Opens key and vault. `None` when the job has no `[privacy]`.
    pub(crate) fn open(spec: &JobFile) -> Result<Option<Self>> {
        let Some(section) = &spec.privacy else { return Ok(None) };
        let policy = load_policy(section)?;
        let keys = open_keys(section)?;
        let scope = Scope::new(spec.project(), spec.domain());
        let vault = match &section.vault {
            Some(path) => {
                if let Some(parent) = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
                    crate::private::make_folder(parent)?;
                }
                Some(Arc::new(FileVault::open(Path::new(path), &keys, &scope)?) as Arc<dyn Vault>)
            }
            None => None,
        };
        Self::new(policy, keys, scope, vault).map(Some)
    }

    /// The policy with a key made for the moment and nothing stored: for plans, which treat no value.
    pub(crate) fn dry(spec: &JobFile) -> Result<Option<Self>> {
        let Some(section) = &spec.privacy else { return Ok(None) };
        let keys = KeyRing::generate()?;
        let vault = Arc::new(sutura_privacy::MemoryVault::new()?) as Arc<dyn Vault>;
        Self::new(load_policy(section)?, keys, Scope::new(spec.project(), spec.domain()), Some(vault)).map(Some)
    }

    /// The policy for the job's queries: what a `deidentify` step must refuse, a query must not get either.
    pub(crate) fn bound(&self) -> Arc<BoundPolicy> {
        Arc::new(BoundPolicy::new(Deidentifier::clone(&self.deidentifier), FreeText::Remove, Vec::new()))
    }

    fn new(policy: Policy, keys: KeyRing, scope: Scope, vault: Option<Arc<dyn Vault>>) -> Result<Self> {
        let deidentifier = Deidentifier::new(policy.clone(), &keys, scope, vault)?;
        Ok(Self { policy: Arc::new(policy), keys: Arc::new(keys), deidentifier: Arc::new(deidentifier) })
    }
}

fn open_keys(section: &PrivacySection) -> Result<KeyRing> {
    match section.key.as_ref().map(|key| (&key.file, &key.env)) {
        Some((Some(file), _)) => Ok(KeyRing::from_file(Path::new(file))?),
        Some((None, Some(variable))) => Ok(KeyRing::from_env(variable)?),
        _ => Err(JobError::Config("the job names no key".into())),
    }
}
