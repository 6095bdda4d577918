//! What US Core requires and the document does not say: there, and absent with a reason.

use super::{
    context::Context,
    json::{Json, Obj},
    types::{absent, absent_concept},
};

impl Context<'_> {
    /// Fills what is required and not there.
    pub(super) fn fill_required(&mut self) {
        for resource in &mut self.resources {
            let body = &mut resource.body;
            match resource.kind {
                "Practitioner" if !body.has("name") => body.push("name", Obj::of("_family", absent("unknown"))),
                "Organization" | "Location" => missing(body, &["name"], "_name"),
                "Encounter" if !body.has("type") => body.push("type", absent_concept(None)),
                "DiagnosticReport" => missing(body, &["issued"], "_issued"),
                "Procedure" if matches!(body.get("status").and_then(Json::as_str), Some("completed" | "in-progress")) => {
                    missing(body, &["performedDateTime", "performedPeriod"], "_performedDateTime");
                }
                "MedicationRequest" if body.get("intent").and_then(Json::as_str) == Some("order") && !body.has("requester") => {
                    body.put("requester", absent("unknown"));
                }
                _ => {}
            }
        }
    }
}

/// Puts the reason where none of the names has a value.
fn missing(body: &mut Obj, names: &[&str], key: &'static str) {
    if !body.has_any(names) {
        body.put(key, absent("unknown"));
    }
}
