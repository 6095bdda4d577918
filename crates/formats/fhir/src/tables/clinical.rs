//! What is the matter, what was measured and done, and what is planned.

use sutura_core::PhiClass::{Clinical, Device, FreeText, Operational, OtherId, Url};

use super::spec::{Kind, Table};

pub(super) fn tables() -> Vec<Table> {
    vec![
        conditions(),
        observations(),
        observation_components(),
        procedures(),
        allergy_intolerances(),
        immunizations(),
        diagnostic_reports(),
        document_references(),
        care_plans(),
        goals(),
        service_requests(),
        specimens(),
        imaging_studies(),
        imaging_series(),
        questionnaire_responses(),
        consents(),
    ]
}

/// The value of an Observation or of one of its components: a typed column for each choice.
fn value(table: Table, below: &str) -> Table {
    let at = |path: &str| format!("{below}{path}");
    let table = table
        .text("value_text", &at("valueString"), FreeText, "value: text")
        .number("value_number", &at("valueQuantity.value | valueInteger").replace("| value", &format!("| {below}value")), "value: number")
        .text("value_comparator", &at("valueQuantity.comparator"), Clinical, "value: <, <=, >= or >")
        .text("value_unit", &at("valueQuantity.unit"), Clinical, "value: unit as written")
        .text("value_unit_code", &at("valueQuantity.code"), Clinical, "value: code of the unit (UCUM as a rule)")
        .concept("value", &at("valueCodeableConcept"), "value");
    // `concept` names the text of a coded value; the plain text has its own column above.
    let table = rename(table, "value_text", "value_concept_text");
    table
        .flag("value_boolean", &at("valueBoolean"), Clinical, "value: true or false")
        .when("value_datetime", &at("valueDateTime"), "value: date and time")
        .text("value_time", &at("valueTime"), Clinical, "value: time of day")
        .number("value_low", &at("valueRange.low.value"), "value: low end of a range")
        .number("value_high", &at("valueRange.high.value"), "value: high end of a range")
        .number("value_numerator", &at("valueRatio.numerator.value"), "value: numerator of a ratio")
        .number("value_denominator", &at("valueRatio.denominator.value"), "value: denominator of a ratio")
        .period("value_period", &at("valuePeriod"), "value: period")
        .code("data_absent_reason", &at("dataAbsentReason"), Clinical, "why there is no value")
        .code("interpretation", &at("interpretation"), Clinical, "interpretation (H, L, N, ...)")
        .number("reference_low", &at("referenceRange.low.value"), "reference range: low")
        .number("reference_high", &at("referenceRange.high.value"), "reference range: high")
        .text("reference_text", &at("referenceRange.text"), FreeText, "reference range: text")
}

/// Renames the last column of that name.
fn rename(mut table: Table, from: &str, to: &str) -> Table {
    if let Some(column) = table.columns.iter_mut().rev().find(|column| column.name == from) {
        to.clone_into(&mut column.name);
    }
    table
}

fn conditions() -> Table {
    Table::of("conditions", "Condition", "one row for each Condition: problems, diagnoses, concerns")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .code("clinical_status", "clinicalStatus", Clinical, "clinical status (active, resolved, ...)")
        .code("verification_status", "verificationStatus", Clinical, "verification status (confirmed, refuted, ...)")
        .code("category", "category", Clinical, "first category (problem-list-item, encounter-diagnosis)")
        .concept("severity", "severity", "severity")
        .concept("code", "code", "condition")
        .concept("body_site", "bodySite", "body site")
        .when("onset_datetime", "onsetDateTime | onsetPeriod.start", "onset")
        .column("onset_age", "onsetAge.value", Kind::Number, sutura_core::PhiClass::Age, "age at onset")
        .text("onset_age_unit", "onsetAge.unit", Operational, "age at onset: unit")
        .text("onset_text", "onsetString", FreeText, "onset in words")
        .when("abatement_datetime", "abatementDateTime | abatementPeriod.end", "end")
        .text("abatement_text", "abatementString", FreeText, "end in words")
        .when("recorded_date", "recordedDate", "when it was recorded")
        .actor("recorder", "recorder", "who recorded it")
        .actor("asserter", "asserter", "who states it")
        .concept("stage", "stage.summary", "first stage")
        .notes()
}

fn observations() -> Table {
    let table = Table::of("observations", "Observation", "one row for each Observation; its components are in observation_components")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .identifier("observation")
        .text("status", "status", Operational, "status (final, amended, ...)")
        .code("category", "category", Clinical, "first category (vital-signs, laboratory, ...)")
        .concept("code", "code", "what was observed")
        .text("loinc_code", "code.coding.where(system='http://loinc.org').code", Clinical, "what was observed: LOINC code")
        .when("effective_datetime", "effectiveDateTime | effectiveInstant | effectivePeriod.start", "when it was true of the patient")
        .when("effective_end", "effectivePeriod.end", "end of that time")
        .when("issued", "issued", "when it was made available")
        .actor("performer", "performer", "first performer");
    value(table, "")
        .concept("body_site", "bodySite", "body site")
        .concept("method", "method", "method")
        .reference("specimen", "specimen", "specimen")
        .reference("device", "device", "device")
        .reference("based_on", "basedOn", "order it fulfils")
        .notes()
}

fn observation_components() -> Table {
    let table = Table::each(
        "observation_components",
        "Observation",
        "component",
        "observation_id",
        "one row for each component of an Observation: systolic and diastolic pressure, answers of a panel",
    )
    .patient("subject")
    .reference("encounter", "encounter", "encounter")
    .text("status", "status", Operational, "status of the observation")
    .code("observation_code", "code", Clinical, "code of the whole observation")
    .when("effective_datetime", "effectiveDateTime | effectiveInstant | effectivePeriod.start", "when it was true of the patient")
    .concept("code", "component.code", "what was observed")
    .text("loinc_code", "component.code.coding.where(system='http://loinc.org').code", Clinical, "what was observed: LOINC code");
    value(table, "component.")
}

fn procedures() -> Table {
    Table::of("procedures", "Procedure", "one row for each Procedure")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .identifier("procedure")
        .text("status", "status", Operational, "status")
        .code("category", "category", Clinical, "category")
        .concept("code", "code", "procedure")
        .when("performed_datetime", "performedDateTime | performedPeriod.start", "when it was done")
        .when("performed_end", "performedPeriod.end", "end of that time")
        .text("performed_text", "performedString", FreeText, "when it was done, in words")
        .actor("performer", "performer.actor", "first performer")
        .actor("recorder", "recorder", "who recorded it")
        .actor("location", "location", "where it was done")
        .concept("reason", "reasonCode", "reason")
        .reference("reason_condition", "reasonReference", "condition that is the reason")
        .concept("body_site", "bodySite", "body site")
        .concept("outcome", "outcome", "outcome")
        .concept("complication", "complication", "first complication")
        .reference("based_on", "basedOn", "order it fulfils")
        .reference("report", "report", "first report")
        .notes()
}

fn allergy_intolerances() -> Table {
    Table::of("allergy_intolerances", "AllergyIntolerance", "one row for each AllergyIntolerance")
        .patient("patient")
        .reference("encounter", "encounter", "encounter")
        .code("clinical_status", "clinicalStatus", Clinical, "clinical status")
        .code("verification_status", "verificationStatus", Clinical, "verification status")
        .text("type", "type", Clinical, "allergy or intolerance")
        .all("categories", "category", "\n", Clinical, "categories (food, medication, ...), one a line")
        .text("criticality", "criticality", Clinical, "criticality (low, high, unable-to-assess)")
        .concept("code", "code", "what the patient is allergic to")
        .when("onset_datetime", "onsetDateTime | onsetPeriod.start", "onset")
        .when("recorded_date", "recordedDate", "when it was recorded")
        .when("last_occurrence", "lastOccurrence", "last reaction")
        .actor("recorder", "recorder", "who recorded it")
        .actor("asserter", "asserter", "who states it")
        .concept("reaction_substance", "reaction.substance", "first reaction: substance")
        .concept("reaction", "reaction.manifestation", "first reaction: manifestation")
        .text("reaction_severity", "reaction.severity", Clinical, "first reaction: severity")
        .text("reaction_description", "reaction.description", FreeText, "first reaction: description")
        .notes()
}

fn immunizations() -> Table {
    Table::of("immunizations", "Immunization", "one row for each Immunization")
        .patient("patient")
        .reference("encounter", "encounter", "encounter")
        .identifier("immunization")
        .text("status", "status", Operational, "status (completed, not-done, ...)")
        .concept("status_reason", "statusReason", "why it was not done")
        .concept("vaccine", "vaccineCode", "vaccine")
        .when("occurrence_datetime", "occurrenceDateTime", "when it was given")
        .text("occurrence_text", "occurrenceString", FreeText, "when it was given, in words")
        .when("recorded", "recorded", "when it was recorded")
        .flag("primary_source", "primarySource", Operational, "whether recorded by who gave it")
        .actor("location", "location", "where it was given")
        .actor("manufacturer", "manufacturer", "manufacturer")
        .text("lot_number", "lotNumber", Device, "lot number")
        .date("expiration_date", "expirationDate", "expiry of the vaccine")
        .concept("site", "site", "body site")
        .concept("route", "route", "route")
        .quantity("dose", "doseQuantity", "dose")
        .actor("performer", "performer.actor", "first performer")
        .concept("reason", "reasonCode", "reason")
        .text("series", "protocolApplied.series", Clinical, "name of the series")
        .text("dose_number", "protocolApplied.doseNumberPositiveInt | protocolApplied.doseNumberString", Clinical, "place in the series")
        .when("reaction_date", "reaction.date", "first reaction: when")
        .notes()
}

fn diagnostic_reports() -> Table {
    Table::of("diagnostic_reports", "DiagnosticReport", "one row for each DiagnosticReport")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .identifier("report")
        .text("status", "status", Operational, "status")
        .code("category", "category", Clinical, "first category")
        .concept("code", "code", "kind of report")
        .when("effective_datetime", "effectiveDateTime | effectivePeriod.start", "time it is about")
        .when("issued", "issued", "when it was made available")
        .actor("performer", "performer", "first performer")
        .actor("interpreter", "resultsInterpreter", "first interpreter")
        .reference("based_on", "basedOn", "order it fulfils")
        .reference("specimen", "specimen", "first specimen")
        .reference("result", "result", "first result")
        .reference("imaging_study", "imagingStudy", "first imaging study")
        .text("conclusion", "conclusion", FreeText, "conclusion")
        .concept("conclusion_code", "conclusionCode", "conclusion")
        .text("form_content_type", "presentedForm.contentType", Operational, "whole report: media type")
        .text("form_title", "presentedForm.title", FreeText, "whole report: title")
        .text("form_url", "presentedForm.url", Url, "whole report: address")
        .text("form_data", "presentedForm.data", FreeText, "whole report: content in base64")
}

fn document_references() -> Table {
    Table::of("document_references", "DocumentReference", "one row for each DocumentReference, with its first attachment")
        .patient("subject")
        .reference("encounter", "context.encounter", "first encounter")
        .text("master_identifier", "masterIdentifier.value", OtherId, "identifier of the version")
        .identifier("document")
        .text("status", "status", Operational, "status")
        .text("doc_status", "docStatus", Operational, "status of the document")
        .concept("type", "type", "kind of document")
        .code("category", "category", Clinical, "first category")
        .when("date", "date", "when the reference was made")
        .actor("author", "author", "first author")
        .actor("authenticator", "authenticator", "who authenticated it")
        .actor("custodian", "custodian", "organisation that keeps it")
        .text("description", "description", FreeText, "description")
        .code("security_label", "securityLabel", Operational, "first security label")
        .text("content_type", "content.attachment.contentType", Operational, "content: media type")
        .text("content_url", "content.attachment.url", Url, "content: address")
        .text("content_data", "content.attachment.data", FreeText, "content in base64")
        .text("content_title", "content.attachment.title", FreeText, "content: title")
        .text("content_hash", "content.attachment.hash", OtherId, "content: SHA-1 in base64")
        .column("content_size", "content.attachment.size", Kind::Integer, Operational, "content: bytes")
        .text("format_code", "content.format.code", Operational, "content: format")
        .period("context_period", "context.period", "time of the care")
        .concept("facility_type", "context.facilityType", "kind of facility")
        .concept("practice_setting", "context.practiceSetting", "practice setting")
}

fn care_plans() -> Table {
    Table::of("care_plans", "CarePlan", "one row for each CarePlan, with its first activity")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .identifier("plan")
        .text("status", "status", Operational, "status")
        .text("intent", "intent", Operational, "intent (plan, order, ...)")
        .concept("category", "category", "first category")
        .text("title", "title", FreeText, "title")
        .text("description", "description", FreeText, "description")
        .period("period", "period", "time of the plan")
        .when("created", "created", "when it was made")
        .actor("author", "author", "author")
        .reference("care_team", "careTeam", "first care team")
        .reference("addresses", "addresses", "first condition it addresses")
        .reference("goal", "goal", "first goal")
        .concept("activity", "activity.detail.code", "first activity")
        .text("activity_status", "activity.detail.status", Operational, "first activity: status")
        .text("activity_description", "activity.detail.description", FreeText, "first activity: description")
        .notes()
}

fn goals() -> Table {
    Table::of("goals", "Goal", "one row for each Goal, with its first target")
        .patient("subject")
        .identifier("goal")
        .text("lifecycle_status", "lifecycleStatus", Operational, "life cycle status")
        .code("achievement_status", "achievementStatus", Clinical, "achievement status")
        .code("category", "category", Clinical, "first category")
        .code("priority", "priority", Clinical, "priority")
        .spoken_concept("description", "description", "the goal")
        .date("start_date", "startDate", "start")
        .concept("target_measure", "target.measure", "first target: what is measured")
        .quantity("target", "target.detailQuantity", "first target: value")
        .number("target_low", "target.detailRange.low.value", "first target: low end of the range")
        .number("target_high", "target.detailRange.high.value", "first target: high end of the range")
        .text("target_text", "target.detailString", FreeText, "first target: in words")
        .date("target_due", "target.dueDate", "first target: due date")
        .date("status_date", "statusDate", "date of the status")
        .text("status_reason", "statusReason", FreeText, "reason of the status")
        .actor("expressed_by", "expressedBy", "whose goal it is")
        .reference("addresses", "addresses", "first condition it addresses")
        .notes()
}

fn service_requests() -> Table {
    Table::of("service_requests", "ServiceRequest", "one row for each ServiceRequest: orders and referrals")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .identifier("order")
        .text("requisition", "requisition.value", OtherId, "requisition it belongs to")
        .text("status", "status", Operational, "status")
        .text("intent", "intent", Operational, "intent (order, plan, ...)")
        .code("category", "category", Clinical, "first category")
        .text("priority", "priority", Operational, "priority")
        .flag("do_not_perform", "doNotPerform", Clinical, "whether it says what must not be done")
        .concept("code", "code", "what is requested")
        .when("occurrence_datetime", "occurrenceDateTime | occurrencePeriod.start", "when it should happen")
        .when("occurrence_end", "occurrencePeriod.end", "end of that time")
        .when("authored_on", "authoredOn", "when it was requested")
        .actor("requester", "requester", "who requests it")
        .actor("performer", "performer", "first requested performer")
        .concept("reason", "reasonCode", "reason")
        .reference("reason_condition", "reasonReference", "condition that is the reason")
        .reference("specimen", "specimen", "first specimen")
        .concept("body_site", "bodySite", "body site")
        .text("patient_instruction", "patientInstruction", FreeText, "instruction for the patient")
        .notes()
}

fn specimens() -> Table {
    Table::of("specimens", "Specimen", "one row for each Specimen")
        .patient("subject")
        .identifier("specimen")
        .text("accession_number", "accessionIdentifier.value", OtherId, "accession number of the laboratory")
        .text("status", "status", Operational, "status")
        .concept("type", "type", "kind of material")
        .when("received_time", "receivedTime", "when it was received")
        .reference("request", "request", "first order")
        .reference("parent", "parent", "specimen it comes from")
        .actor("collector", "collection.collector", "who collected it")
        .when("collected_datetime", "collection.collectedDateTime | collection.collectedPeriod.start", "when it was collected")
        .quantity("quantity", "collection.quantity", "quantity")
        .concept("method", "collection.method", "method of collection")
        .concept("body_site", "collection.bodySite", "body site")
        .text("container_identifier", "container.identifier.value", OtherId, "first container: identifier")
        .concept("container_type", "container.type", "first container: type")
        .concept("condition", "condition", "state of the specimen")
        .notes()
}

fn imaging_studies() -> Table {
    Table::of("imaging_studies", "ImagingStudy", "one row for each ImagingStudy; its series are in imaging_series")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .text("study_uid", "identifier.where(system='urn:dicom:uid').value", OtherId, "DICOM Study Instance UID, as urn:oid")
        .identifier("study")
        .text("accession_number", "identifier.where(type.coding.code='ACSN').value", OtherId, "accession number")
        .text("status", "status", Operational, "status")
        .text("modality", "modality.code", Clinical, "first modality (DICOM: CT, MR, ...)")
        .when("started", "started", "start of the study")
        .actor("referrer", "referrer", "referring clinician")
        .actor("interpreter", "interpreter", "first interpreter")
        .reference("based_on", "basedOn", "order it fulfils")
        .integer("series_count", "numberOfSeries", "number of series")
        .integer("instance_count", "numberOfInstances", "number of instances")
        .concept("procedure", "procedureCode", "procedure")
        .actor("location", "location", "where it was done")
        .concept("reason", "reasonCode", "reason")
        .text("description", "description", FreeText, "description")
        .reference("endpoint", "endpoint", "where the images are")
        .notes()
}

fn imaging_series() -> Table {
    Table::each("imaging_series", "ImagingStudy", "series", "imaging_study_id", "one row for each series of an ImagingStudy")
        .patient("subject")
        .text("series_uid", "series.uid", OtherId, "DICOM Series Instance UID")
        .integer("number", "series.number", "number of the series")
        .text("modality", "series.modality.code", Clinical, "modality")
        .text("description", "series.description", FreeText, "description")
        .integer("instance_count", "series.numberOfInstances", "number of instances")
        .text("body_site_code", "series.bodySite.code", Clinical, "body site: code")
        .text("body_site_display", "series.bodySite.display", Clinical, "body site: display")
        .text("laterality_code", "series.laterality.code", Clinical, "laterality")
        .when("started", "series.started", "start of the series")
        .actor("performer", "series.performer.actor", "first performer")
        .text("sop_class", "series.instance.sopClass.code", Operational, "first instance: SOP class")
}

fn questionnaire_responses() -> Table {
    Table::of("questionnaire_responses", "QuestionnaireResponse", "one row for each QuestionnaireResponse; the answers are in its items")
        .patient("subject")
        .reference("encounter", "encounter", "encounter")
        .text("identifier", "identifier.value", OtherId, "business identifier")
        .text("questionnaire", "questionnaire", Operational, "canonical address of the form")
        .text("status", "status", Operational, "status")
        .when("authored", "authored", "when it was answered")
        .actor("author", "author", "who recorded the answers")
        .actor("source", "source", "who answered")
        .reference("based_on", "basedOn", "order it fulfils")
        .column("items", "item", Kind::Json, FreeText, "questions and answers as JSON, as sent")
}

fn consents() -> Table {
    Table::of("consents", "Consent", "one row for each Consent, with its outermost provision")
        .patient("patient")
        .identifier("consent")
        .text("status", "status", Operational, "status")
        .code("scope", "scope", Clinical, "scope (patient-privacy, research, ...)")
        .concept("category", "category", "first category")
        .when("date_time", "dateTime", "when it was given")
        .actor("performer", "performer", "first who agreed")
        .actor("organization", "organization", "first custodian")
        .reference("source", "sourceReference", "document it comes from")
        .text("source_url", "sourceAttachment.url", Url, "attached document: address")
        .text("policy_uri", "policy.uri", Operational, "first policy")
        .code("policy_rule", "policyRule", Operational, "rule of the policy")
        .flag("verified", "verification.verified", Operational, "first verification: whether verified")
        .when("verification_date", "verification.verificationDate", "first verification: when")
        .text("provision_type", "provision.type", Operational, "provision: deny or permit")
        .period("provision_period", "provision.period", "provision: time it holds")
        .text("provision_purpose", "provision.purpose.code", Operational, "provision: first purpose")
        .code("provision_action", "provision.action", Operational, "provision: first action")
        .actor("provision_actor", "provision.actor.reference", "provision: first actor")
        .column("provisions", "provision.provision", Kind::Json, FreeText, "provisions inside it as JSON, as sent")
}

#[cfg(test)]
mod tests {
    use sutura_core::PhiClass::{Date, Name};

    use super::*;

    #[test]
    fn values_are_typed_in_observations_and_their_components() {
        for (table, below) in [(observations(), ""), (observation_components(), "component.")] {
            let path = |name: &str| table.columns.iter().find(|column| column.name == name).unwrap().path.clone();
            assert_eq!(path("value_number"), format!("{below}valueQuantity.value | {below}valueInteger"));
            assert_eq!(path("value_text"), format!("{below}valueString"));
            assert_eq!(path("value_concept_text"), format!("{below}valueCodeableConcept.text"));
            let class = |name: &str| table.columns.iter().find(|column| column.name == name).unwrap().phi.clone();
            assert_eq!((class("value_text"), class("value_datetime"), class("value_number")), (FreeText, Date, Clinical));
        }
        let named = |table: &Table| table.columns.iter().filter(|column| column.phi == Name).count();
        assert!(named(&conditions()) >= 2);
    }
}
