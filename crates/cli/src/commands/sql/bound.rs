//! The policy that a query treats by.

use std::{path::Path, sync::Arc};

use sutura_engine::{BoundPolicy, FreeText};
use sutura_privacy::{Deidentifier, LegalBasis, Method, Policy, PrivacyContext, Profile};

use crate::{
    args::{SqlPolicy, deidentify},
    commands::read_text,
    failure::{Failure, Outcome},
};

/// The policy with its keys; none where none is named.
pub(super) fn policy(args: &SqlPolicy, context: Option<&Arc<PrivacyContext>>) -> Outcome<Option<Arc<BoundPolicy>>> {
    let Some(name) = &args.policy else { return Ok(None) };
    let Some(context) = context else {
        return Err(Failure::configuration("--policy needs a key: give --key-file FILE (or --key-env VARIABLE) and --project NAME"));
    };
    let policy = if Path::new(name).extension().is_some_and(|end| end == "toml") {
        Policy::from_toml(&read_text(name)?, name)?
    } else {
        Policy::builtin(name)?
    };
    let mut legal = LegalBasis::default();
    for fact in &args.legal {
        let (key, value) = fact.split_once('=').unwrap_or((fact, ""));
        if value.trim().is_empty() || !legal.set(key.trim(), value.trim()) {
            let keys = LegalBasis::KEYS.join(", ");
            return Err(Failure::configuration(format!("--legal wants KEY=VALUE, and KEY is one of {keys}")));
        }
    }
    let policy = policy.with_legal(&legal);
    let remembers = policy.classes.iter().chain(&policy.columns).any(|rule| matches!(rule.method, Method::VaultCode { .. }));
    if (remembers || policy.profile == Profile::HipaaSafeHarbor) && context.vault().is_none() {
        let message = format!("the policy {} uses random codes that a vault remembers: give --vault FILE", policy.tag());
        return Err(Failure::configuration(message));
    }
    let mut privacy = Deidentifier::with_context(policy, Arc::clone(context))?;
    if let Some(model) = &args.model {
        let model = sutura_inference::text::open(model, args.onnx_runtime.as_deref());
        privacy = privacy.with_text_model(model.map_err(|error| Failure::configuration(format!("--model: {error}")))?);
    }
    let free_text = match args.free_text {
        Some(deidentify::FreeText::Scrub) => FreeText::Scrub,
        Some(deidentify::FreeText::Remove) | None => FreeText::Remove,
    };
    let bound = BoundPolicy::new(privacy, free_text, args.language.clone());
    if !args.language.is_empty() {
        bound.scrubber().map_err(|why| Failure::configuration(format!("--language: {why}")))?;
    }
    Ok(Some(Arc::new(bound)))
}
