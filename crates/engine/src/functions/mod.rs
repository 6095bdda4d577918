//! The SQL functions of Sutura, registered with every session.
//!
//! Privacy (they need the session's keys where marked with *): `pseudonym`*, `vault_code`*, `encrypt`*,
//! `decrypt`*, `shift_date`*, `mask`, `zip3`, `age_band`, `age_years`, `date_year`. They give exactly
//! what a policy with the same keys, project and domain gives. HL7 v2: `hl7`, `hl7_timestamp`,
//! `hl7_unescape`. FHIR: `fhirpath`, `fhir_validate`. Conversion: `hl7v2_to_fhir`, `ccda_to_fhir`. Terminology: `oid_to_uri`,
//! `uri_to_oid`, `ucum_code`, `ucum_convert`, `lab_normalise`, `lab_unit`, `code_display`, `code_translate`, `code_in`, `code_subsumes`, and the table
//! function `code_expand`. [`FUNCTIONS`] lists them with their arguments.
//!
//! Each says what its result is (class and treatment), which [`crate::lineage`] believes; so a
//! function declares a treatment only where its result cannot be identifying, whatever goes in.

pub(crate) mod args;
mod convert;
mod documents;
mod expand;
mod fhir;
mod hl7;
pub(crate) mod known;
mod privacy;
mod scrub;
mod tally;
mod terminology;

use std::{any::Any, sync::Arc};

use datafusion::{execution::context::SessionContext, logical_expr::ScalarUDF};
use sutura_core::ColumnMeta;
use sutura_privacy::PrivacyContext;
use sutura_terminology::UserTerminology;

use crate::{ColumnFunction, policy::BoundPolicy, profiles::ProfileStore};

/// A function for help and completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its name in SQL.
    pub name: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// What it gives.
    pub doc: &'static str,
}

/// The functions of this module.
pub const FUNCTIONS: &[FunctionDoc] = &[
    FunctionDoc {
        name: "pseudonym",
        usage: "pseudonym(value [, kind])",
        doc: "Keyed one-way pseudonym. Values of one kind share a pseudonym space; the column's PHI class when not given.",
    },
    FunctionDoc {
        name: "vault_code",
        usage: "vault_code(value [, kind])",
        doc: "Random code from the session's vault, never derived from the value.",
    },
    FunctionDoc {
        name: "encrypt",
        usage: "encrypt(value, column)",
        doc: "Reversible, deterministic encryption bound to the project and the named column.",
    },
    FunctionDoc { name: "decrypt", usage: "decrypt(text, column)", doc: "What encrypt made for the same project and column, as it was." },
    FunctionDoc {
        name: "shift_date",
        usage: "shift_date(date, patient)",
        doc: "The date moved by the patient's secret number of days; null for a date not stated to the day.",
    },
    FunctionDoc { name: "mask", usage: "mask(value)", doc: "*** for any value, null for null." },
    FunctionDoc { name: "zip3", usage: "zip3(zip)", doc: "First three digits of a ZIP code where more than 20,000 people live, else 000." },
    FunctionDoc {
        name: "age_band",
        usage: "age_band(birth_or_age [, at_date] [, scheme])",
        doc: "Age group: 'life-stage' (paediatric, adult, geriatric; the default), 'ten-year' or 'top-code' (90+).",
    },
    FunctionDoc { name: "age_years", usage: "age_years(birth, at_date)", doc: "Whole years between two dates." },
    FunctionDoc {
        name: "date_year",
        usage: "date_year(date)",
        doc: "The year; years that would show an age over 89 become one category (1936-or-earlier).",
    },
    FunctionDoc {
        name: "scrub",
        usage: "scrub(text [, patient [, known, ...]])",
        doc: "Free text as the session's policy treats it: what identifies becomes its class in brackets, dates move by the patient's days. Names, numbers and addresses of the columns behind the patient are looked for too.",
    },
    FunctionDoc {
        name: "deid_hl7v2",
        usage: "deid_hl7v2(text)",
        doc: "An HL7 v2 message de-identified as a message under the session's policy; null where it cannot be. The text is in read_hl7v2('path', 'raw').",
    },
    FunctionDoc {
        name: "deid_fhir",
        usage: "deid_fhir(json)",
        doc: "A FHIR resource or Bundle de-identified under the session's policy; null where it cannot be. The text is in read_fhir('path').",
    },
    FunctionDoc {
        name: "deid_ccda",
        usage: "deid_ccda(text)",
        doc: "A C-CDA document de-identified under the session's policy; null where it cannot be. The text is in read_ccda('path', 'raw').",
    },
    FunctionDoc {
        name: "deidentified",
        usage: "deidentified(query or table [, 'table'])",
        doc: "A table: the query's columns under the session's policy, each by its PHI class, as the step deidentify of a job treats them.",
    },
    FunctionDoc {
        name: "deid_spans",
        usage: "deid_spans(query or table, 'column' [, 'options'])",
        doc: "A table: where something identifies in a text column, one row each (class, start, end in bytes, rule, score, language). Options are JSON: {\"languages\": [\"en\", \"es\"], \"columns\": [\"note_id\"]}.",
    },
    FunctionDoc {
        name: "hl7",
        usage: "hl7(message, path)",
        doc: "A value of an HL7 v2 message by its path (PID-5.1, OBX[3]-5); null when absent, empty text when sent as \"\".",
    },
    FunctionDoc {
        name: "hl7_timestamp",
        usage: "hl7_timestamp(text)",
        doc: "An HL7 date or time as ISO 8601, precision and offset as sent.",
    },
    FunctionDoc {
        name: "fhirpath",
        usage: "fhirpath(resource, expression)",
        doc: "What a FHIRPath expression gives on a FHIR resource: a text, JSON for an element, a JSON array for several, null for nothing and for a record that does not fit the expression.",
    },
    FunctionDoc {
        name: "fhir_validate",
        usage: "fhir_validate(resource [, profile])",
        doc: "What is wrong with a FHIR R4 resource, against the definitions and the profiles it claims or the one named (of a loaded package), as an OperationOutcome; it repeats no value of the resource.",
    },
    FunctionDoc {
        name: "hl7v2_to_fhir",
        usage: "hl7v2_to_fhir(text [, 'options'])",
        doc: "An HL7 v2 message as a FHIR transaction Bundle (JSON); null where it cannot be converted. The text is in read_hl7v2('path', 'raw'). Options are JSON: {\"zone\": \"Europe/Berlin\"}.",
    },
    FunctionDoc {
        name: "ccda_to_fhir",
        usage: "ccda_to_fhir(text [, 'options'])",
        doc: "A C-CDA document as a FHIR transaction Bundle (JSON); null where it cannot be converted. The text is in read_ccda('path', 'raw'). Options are JSON: {\"zone\": \"+01:00\"}.",
    },
    FunctionDoc {
        name: "oid_to_uri",
        usage: "oid_to_uri(oid)",
        doc: "The URI that FHIR has for an OID; urn:oid: and the OID where it has none.",
    },
    FunctionDoc { name: "uri_to_oid", usage: "uri_to_oid(uri)", doc: "The OID of a URI, null where none is known." },
    FunctionDoc {
        name: "ucum_code",
        usage: "ucum_code(unit)",
        doc: "The UCUM code for a unit as laboratories write it (mmHg, mcg, K/uL); null for what is none.",
    },
    FunctionDoc {
        name: "ucum_convert",
        usage: "ucum_convert(value, from, to)",
        doc: "A value in another unit; null where a unit is not known or measures something else.",
    },
    FunctionDoc {
        name: "lab_normalise",
        usage: "lab_normalise(loinc, value, unit)",
        doc: "A laboratory value in the unit that lab_unit(loinc) names (glucose in mmol/L); null for a code or unit without a rule.",
    },
    FunctionDoc { name: "lab_unit", usage: "lab_unit(loinc)", doc: "The unit (UCUM) that lab_normalise gives for a LOINC code." },
    FunctionDoc {
        name: "code_display",
        usage: "code_display(system, code)",
        doc: "What a code of a code system means (URI, OID or name such as LN), of the systems compiled in and those of --terminology.",
    },
    FunctionDoc {
        name: "code_translate",
        usage: "code_translate(map, code [, system])",
        doc: "The code to which a concept map translates: the first of several, null where there is none. Maps are compiled in or come from --terminology.",
    },
    FunctionDoc {
        name: "code_in",
        usage: "code_in(system, code [, value_set])",
        doc: "Whether a code system has the code, or the value set; null where that cannot be told because the code system is not loaded.",
    },
    FunctionDoc {
        name: "code_subsumes",
        usage: "code_subsumes(system, wider, code)",
        doc: "Whether a code is the wider one or a kind of it; null for unknown codes and for systems without a hierarchy of kinds.",
    },
    FunctionDoc {
        name: "code_expand",
        usage: "code_expand('value set' [, 'words'])",
        doc: "A table: the codes of a value set (system, code, display, inactive, abstract), or of them those with all of the words.",
    },
    FunctionDoc { name: "hl7_unescape", usage: "hl7_unescape(text)", doc: "Text with HL7 escapes resolved (standard delimiters)." },
];

/// Registers every function; those that need keys or a policy say so when there are none.
pub(crate) fn register(session: &SessionContext, context: Option<&Arc<PrivacyContext>>, policy: Option<&Arc<BoundPolicy>>) {
    for function in privacy::all(context, policy).chain(documents::all(policy)).chain([scrub::udf(policy)]) {
        session.register_udf(function);
    }
    for function in hl7::all() {
        session.register_udf(function);
    }
}

/// Registers the functions over codes and the conversions to FHIR. All calls of the session share the user's terminology.
pub(crate) fn register_terminology(session: &SessionContext, user: Option<&Arc<UserTerminology>>) {
    for function in terminology::all(user).chain(convert::all(user)) {
        session.register_udf(function);
    }
    session.register_udtf(expand::NAME, Arc::new(expand::ExpandFunction::new(user)));
}

/// Registers the functions over FHIR. All calls of the session share the profiles.
pub(crate) fn register_fhir(session: &SessionContext, profiles: Option<&Arc<ProfileStore>>) {
    for function in fhir::all(profiles) {
        session.register_udf(function);
    }
}

/// What one of our functions says its result is, given what goes into it; `None` for other functions.
pub(crate) fn declared_meta(function: &Arc<ScalarUDF>, args: &[ColumnMeta]) -> Option<ColumnMeta> {
    let implementation: &dyn Any = function.inner().as_ref();
    if let Some(step) = implementation.downcast_ref::<ColumnFunction>() {
        return Some(step.declared_meta());
    }
    if implementation.is::<convert::ConvertFunction>() {
        return Some(convert::ConvertFunction::declared_meta());
    }
    if implementation.is::<scrub::ScrubFunction>() {
        return Some(scrub::ScrubFunction::declared_meta(args));
    }
    if let Some(function) = implementation.downcast_ref::<documents::DocumentFunction>() {
        return Some(function.declared_meta());
    }
    implementation.downcast_ref::<privacy::PrivacyFunction>().map(|function| function.declared_meta(args))
}

#[cfg(test)]
mod tests;
