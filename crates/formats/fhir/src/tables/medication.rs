//! Medications: requested, stated, given and dispensed.

use sutura_core::PhiClass::{Clinical, FreeText, Operational};

use super::spec::Table;

pub(super) fn tables() -> Vec<Table> {
    vec![medication_requests(), medication_statements(), medication_administrations(), medication_dispenses(), medications()]
}

/// Patient, encounter, and what the medication is: coded, or a reference.
fn begin(name: &'static str, resource: &'static str, encounter: &str, doc: &'static str) -> Table {
    let status_reason = if resource == "MedicationDispense" { "statusReasonCodeableConcept" } else { "statusReason" };
    Table::of(name, resource, doc)
        .patient("subject")
        .reference("encounter", encounter, "encounter")
        .identifier("medication record")
        .text("status", "status", Operational, "status")
        .code("status_reason", status_reason, Clinical, "reason of the status")
        .code("category", "category", Clinical, "first category")
        .concept("medication", "medicationCodeableConcept", "medication")
        .text(
            "rxnorm_code",
            "medicationCodeableConcept.coding.where(system='http://www.nlm.nih.gov/research/umls/rxnorm').code",
            Clinical,
            "medication: RxNorm code",
        )
        .reference("medication", "medicationReference", "medication, where it is a resource of its own")
}

/// The first dosage instruction.
fn dosage(table: Table, path: &str) -> Table {
    let at = |below: &str| format!("{path}.{below}");
    table
        .text("dosage_text", &at("text"), FreeText, "first dosage: in words")
        .text("patient_instruction", &at("patientInstruction"), FreeText, "first dosage: instruction for the patient")
        .flag("as_needed", &at("asNeededBoolean"), Clinical, "first dosage: whether as needed")
        .concept("site", &at("site"), "first dosage: body site")
        .concept("route", &at("route"), "first dosage: route")
        .quantity("dose", &at("doseAndRate.doseQuantity"), "first dosage: dose")
        .number("frequency", &at("timing.repeat.frequency"), "first dosage: times in a period")
        .number("frequency_period", &at("timing.repeat.period"), "first dosage: length of the period")
        .text("frequency_period_unit", &at("timing.repeat.periodUnit"), Clinical, "first dosage: unit of the period")
        .code("timing", &at("timing.code"), Clinical, "first dosage: timing (BID, QD, ...)")
}

fn medication_requests() -> Table {
    let table = begin("medication_requests", "MedicationRequest", "encounter", "one row for each MedicationRequest, with its first dosage")
        .text("intent", "intent", Operational, "intent (order, plan, ...)")
        .text("priority", "priority", Operational, "priority")
        .flag("do_not_perform", "doNotPerform", Clinical, "whether it says what must not be given")
        .when("authored_on", "authoredOn", "when it was written")
        .actor("requester", "requester", "who wrote it")
        .concept("reason", "reasonCode", "reason")
        .reference("reason_condition", "reasonReference", "condition that is the reason");
    dosage(table, "dosageInstruction")
        .quantity("dispense_quantity", "dispenseRequest.quantity", "quantity of each dispense")
        .integer("repeats_allowed", "dispenseRequest.numberOfRepeatsAllowed", "refills")
        .quantity("supply_duration", "dispenseRequest.expectedSupplyDuration", "duration of each dispense")
        .period("validity", "dispenseRequest.validityPeriod", "time in which it may be dispensed")
        .flag("substitution_allowed", "substitution.allowedBoolean", Clinical, "whether a substitute is allowed")
        .notes()
}

fn medication_statements() -> Table {
    let table =
        begin("medication_statements", "MedicationStatement", "context", "one row for each MedicationStatement, with its first dosage")
            .when("effective_datetime", "effectiveDateTime | effectivePeriod.start", "since when, or when")
            .when("effective_end", "effectivePeriod.end", "until when")
            .when("date_asserted", "dateAsserted", "when it was stated")
            .actor("information_source", "informationSource", "who stated it")
            .concept("reason", "reasonCode", "reason");
    dosage(table, "dosage").notes()
}

fn medication_administrations() -> Table {
    begin("medication_administrations", "MedicationAdministration", "context", "one row for each MedicationAdministration")
        .when("effective_datetime", "effectiveDateTime | effectivePeriod.start", "when it was given, or from when")
        .when("effective_end", "effectivePeriod.end", "until when")
        .actor("performer", "performer.actor", "first performer")
        .concept("reason", "reasonCode", "reason")
        .reference("request", "request", "request it fulfils")
        .text("dosage_text", "dosage.text", FreeText, "dosage in words")
        .concept("site", "dosage.site", "body site")
        .concept("route", "dosage.route", "route")
        .quantity("dose", "dosage.dose", "dose")
        .quantity("rate", "dosage.rateQuantity", "rate")
        .number("rate_numerator", "dosage.rateRatio.numerator.value", "rate as a ratio: numerator")
        .number("rate_denominator", "dosage.rateRatio.denominator.value", "rate as a ratio: denominator")
        .notes()
}

fn medication_dispenses() -> Table {
    let table =
        begin("medication_dispenses", "MedicationDispense", "context", "one row for each MedicationDispense, with its first dosage")
            .actor("performer", "performer.actor", "first performer")
            .actor("location", "location", "where it was dispensed")
            .reference("prescription", "authorizingPrescription", "first prescription")
            .code("type", "type", Clinical, "kind of dispense (first fill, refill, ...)")
            .quantity("quantity", "quantity", "quantity")
            .quantity("days_supply", "daysSupply", "days of supply")
            .when("when_prepared", "whenPrepared", "when it was prepared")
            .when("when_handed_over", "whenHandedOver", "when it was handed over")
            .flag("was_substituted", "substitution.wasSubstituted", Clinical, "whether a substitute was given");
    dosage(table, "dosageInstruction").notes()
}

fn medications() -> Table {
    Table::of("medications", "Medication", "one row for each Medication, with its first ingredient")
        .identifier("medication")
        .concept("code", "code", "medication")
        .text(
            "rxnorm_code",
            "code.coding.where(system='http://www.nlm.nih.gov/research/umls/rxnorm').code",
            Clinical,
            "medication: RxNorm code",
        )
        .text("status", "status", Operational, "status")
        .actor("manufacturer", "manufacturer", "manufacturer")
        .concept("form", "form", "dose form")
        .concept("ingredient", "ingredient.itemCodeableConcept", "first ingredient")
        .number("ingredient_strength_numerator", "ingredient.strength.numerator.value", "first ingredient: strength, numerator")
        .number("ingredient_strength_denominator", "ingredient.strength.denominator.value", "first ingredient: strength, denominator")
        .text("batch_lot_number", "batch.lotNumber", sutura_core::PhiClass::Device, "batch: lot number")
}
