//! What a run is done with: the policy bound to its keys, or a configuration of Microsoft's FHIR anonymizer.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Value, json};
use sutura_core::{PhiClass, Sha256Hash};
use sutura_deid::{
    Scrub, Treatment,
    anonymizer::Anonymizer,
    dicom::{CleanPixels, DicomDeidentifier, Options},
};
use sutura_privacy::{
    Deidentifier, LegalBasis, Method, Policy, PrivacyContext, Profile, Vault,
    text::{Model, Rules, Scrubber},
};

use super::{
    super::{read_text, sql},
    columns::ColumnFile,
    tables::Tables,
};
use crate::{
    args::deidentify::{CleanPixelsBy, DeidentifyArgs, FreeText},
    failure::{Failure, Outcome},
};

/// What files are treated with, by what they hold.
pub(super) struct Setup {
    pub(super) images: Option<DicomDeidentifier>,
    /// Or why the policy is not enough for messages, resources, documents and notes.
    pub(super) resources: Result<Resources, String>,
    pub(super) tables: Option<Tables>,
    pub(super) vault: Option<Arc<dyn Vault>>,
    /// What was asked for, as the account says it.
    pub(super) facts: Value,
}

/// What treats resources, and under a policy messages, documents and notes.
pub(super) enum Resources {
    Policy(Treatment),
    Configuration(Anonymizer),
}

impl Setup {
    pub(super) fn new(args: &DeidentifyArgs) -> Outcome<Self> {
        if Path::new(&args.policy).extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
            return Self::of_configuration(args);
        }
        let privacy = privacy(args)?;
        let options = options(args, privacy.policy())?;
        let images =
            DicomDeidentifier::new(options, &privacy).map_err(Failure::configuration)?.with_text_finder(sutura_jobs::text_finder());
        let facts = facts(args, &privacy, &images);
        Ok(Self {
            images: Some(images),
            resources: treatment(args, &privacy)?.map(Resources::Policy),
            tables: Some(tables(args, &privacy, metadata(&facts))?),
            vault: privacy.context().vault().cloned(),
            facts,
        })
    }

    /// A configuration of Microsoft's FHIR anonymizer in the place of a policy: resources only.
    fn of_configuration(args: &DeidentifyArgs) -> Outcome<Self> {
        let path = &args.policy;
        let wrong = |why: String| Failure::configuration(format!("{path}: {why}"));
        let text = read_text(path)?;
        if !Anonymizer::is_configuration(text.as_bytes()) {
            return Err(wrong("is no configuration of Microsoft's FHIR anonymizer (JSON with fhirPathRules); policies are TOML".into()));
        }
        let of_policies = [
            ("--columns", args.columns.is_some()),
            ("--legal", !args.legal.is_empty()),
            ("--option", !args.options.is_empty()),
            ("--free-text scrub", args.free_text == FreeText::Scrub),
            ("--model", args.model.is_some()),
        ];
        if let Some((option, _)) = of_policies.into_iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(format!("{option} is for policies; the rules of a configuration say everything")));
        }
        let mut anonymizer = Anonymizer::from_json(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let context = context(args)?;
        if let Some(context) = &context {
            anonymizer = anonymizer.with_context(Arc::clone(context));
        }
        let without = anonymizer.without_keys();
        if !without.is_empty() {
            let message =
                format!("its rules of {} have no key: give --key-file FILE (or --key-env VARIABLE) and --project NAME", without.join(", "));
            return Err(wrong(message));
        }
        let facts = json!({
            "sutura": env!("CARGO_PKG_VERSION"),
            "policy": "microsoft-fhir-anonymizer",
            "configuration": Sha256Hash::of(text.as_bytes()).to_string(),
            "profile": Profile::None.word(),
            "project": context.as_ref().map(|context| context.scope().project.clone()),
            "domain": context.as_ref().map(|context| context.scope().domain.clone()),
            "key": context.as_ref().map(|context| context.key_id().to_owned()),
        });
        Ok(Self { images: None, resources: Ok(Resources::Configuration(anonymizer)), tables: None, vault: None, facts })
    }
}

/// The keys; codes of the vault are brought to the disk file by file.
fn context(args: &DeidentifyArgs) -> Outcome<Option<Arc<PrivacyContext>>> {
    sql::privacy_with(&args.keys, |vault| Arc::new(vault.deferring()))
}

/// The policy bound to its keys.
fn privacy(args: &DeidentifyArgs) -> Outcome<Deidentifier> {
    let policy = if Path::new(&args.policy).extension().is_some_and(|end| end == "toml") {
        Policy::from_toml(&read_text(&args.policy)?, &args.policy)?
    } else {
        Policy::builtin(&args.policy)?
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
    let Some(context) = context(args)? else {
        let message = "pseudonyms, UIDs and shifted dates need a key: give --key-file FILE (or --key-env VARIABLE) and --project NAME";
        return Err(Failure::configuration(message));
    };
    let remembers = policy.classes.iter().chain(&policy.columns).any(|rule| matches!(rule.method, Method::VaultCode { .. }));
    if (remembers || policy.profile == Profile::HipaaSafeHarbor) && context.vault().is_none() {
        let message = format!("the policy {} uses random codes that a vault remembers: give --vault FILE", policy.tag());
        return Err(Failure::configuration(message));
    }
    Ok(Deidentifier::with_context(policy, context)?)
}

/// What messages, resources and notes are treated with; or why the policy is not enough for them.
fn treatment(args: &DeidentifyArgs, privacy: &Deidentifier) -> Outcome<Result<Treatment, String>> {
    let treatment = match Treatment::new(privacy) {
        Ok(treatment) => treatment,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if args.free_text == FreeText::Remove {
        return Ok(Ok(treatment));
    }
    let languages: Vec<&str> = args.language.iter().map(String::as_str).collect();
    let rules = Rules::builtin(&languages).map_err(|error| Failure::configuration(format!("--language: {error}")))?;
    let scrubber = match model(args)? {
        Some(model) => Scrubber::new(rules).with_model(model),
        None => Scrubber::new(rules),
    };
    Ok(Ok(treatment.with_text_stage(Arc::new(Scrub::new(scrubber, privacy)))))
}

/// The model of language beside the rules, if one is asked for.
fn model(args: &DeidentifyArgs) -> Outcome<Option<Arc<dyn Model>>> {
    match &args.model {
        None => Ok(None),
        Some(_) if args.free_text == FreeText::Remove => {
            Err(Failure::configuration("--model is for free text that stays: add --free-text scrub"))
        }
        Some(path) => {
            let model = sutura_inference::text::open(path, args.onnx_runtime.as_deref());
            Ok(Some(model.map_err(|error| Failure::configuration(format!("--model: {error}")))?))
        }
    }
}

/// What tables are treated with: the policy, and free text as it is treated in documents.
fn tables(args: &DeidentifyArgs, privacy: &Deidentifier, metadata: BTreeMap<String, String>) -> Outcome<Tables> {
    let columns = args.columns.as_deref().map(ColumnFile::read).transpose()?.unwrap_or_default();
    let model = model(args)?;
    if args.free_text == FreeText::Remove {
        return Ok(Tables::new(privacy.clone(), columns, metadata));
    }
    let mut policy = privacy.policy().clone();
    let word = PhiClass::FreeText.as_str();
    for rule in policy.classes.iter_mut().filter(|rule| rule.key == word) {
        rule.method = Method::Scrub { languages: args.language.clone() };
    }
    let privacy = Deidentifier::with_context(policy, Arc::clone(privacy.context()))
        .map_err(|error| Failure::configuration(format!("--free-text scrub: {error}")))?;
    let privacy = match model {
        Some(model) => privacy.with_text_model(model),
        None => privacy,
    };
    Ok(Tables::new(privacy, columns, metadata))
}

/// Dates as the policy treats them, and the options that are named.
fn options(args: &DeidentifyArgs, policy: &Policy) -> Outcome<Options> {
    let words: Vec<&str> = args.options.iter().map(|option| option.0).collect();
    let mut options = Options::named(&words, policy).map_err(|why| Failure::configuration(format!("--option: {why}")))?;
    options.clean_pixels = match args.pixels {
        CleanPixelsBy::Rules => CleanPixels::Regions,
        CleanPixelsBy::Detect => CleanPixels::Detect,
        CleanPixelsBy::Off => CleanPixels::No,
    };
    Ok(options)
}

/// What was asked for, as the account says it.
fn facts(args: &DeidentifyArgs, privacy: &Deidentifier, deidentifier: &DicomDeidentifier) -> Value {
    let policy = privacy.policy();
    let scope = privacy.context().scope();
    json!({
        "sutura": env!("CARGO_PKG_VERSION"),
        "policy": policy.tag(),
        "profile": policy.profile.word(),
        "legal": policy.legal,
        "project": scope.project,
        "domain": scope.domain,
        "key": privacy.context().key_id(),
        "standard": "PS3.15 2024",
        "options": deidentifier.options().words(),
        "pixels": deidentifier.options().clean_pixels,
        "encode": args.encode.0.word(),
        "pattern": args.pattern,
        "free_text": match args.free_text {
            FreeText::Remove => "remove",
            FreeText::Scrub => "scrub",
        },
        // The name of its folder: the path says who runs this, and where.
        "model": args.model.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
    })
}

/// The same for the footer of the proof, by the names that the sinks of jobs use.
pub(super) fn metadata(facts: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = [("version", "sutura"), ("policy", "policy"), ("profile", "profile"), ("key_id", "key")];
    let mut metadata: BTreeMap<_, _> = names.map(|(name, fact)| (format!("sutura.{name}"), text(&facts[fact]))).into();
    let legal = facts["legal"].as_object().into_iter().flatten();
    metadata.extend(legal.map(|(key, value)| (format!("sutura.legal.{key}"), text(value))));
    metadata
}
