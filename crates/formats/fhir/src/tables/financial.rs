//! Coverage, claims and what was paid.

use sutura_core::PhiClass::{Account, Clinical, HealthPlan, Operational, OtherId, Quasi};

use super::spec::Table;

pub(super) fn tables() -> Vec<Table> {
    vec![
        coverages(),
        claims(),
        claim_items(),
        explanation_of_benefits(),
        explanation_of_benefit_items(),
        explanation_of_benefit_diagnoses(),
    ]
}

fn coverages() -> Table {
    Table::of("coverages", "Coverage", "one row for each Coverage")
        .patient("beneficiary")
        .text("identifier", "identifier.value", HealthPlan, "first business identifier")
        .text("member_number", "identifier.where(type.coding.code='MB').value", HealthPlan, "member number: the identifier of type MB")
        .text("status", "status", Operational, "status")
        .concept_of("type", "type", Quasi, "kind of coverage")
        .reference("subscriber", "subscriber", "subscriber")
        .text("subscriber_number", "subscriberId", HealthPlan, "number of the subscriber")
        .text("dependent", "dependent", HealthPlan, "number of the dependent")
        .code("relationship", "relationship", Quasi, "relationship of the beneficiary to the subscriber")
        .period("period", "period", "time of coverage")
        .actor("payor", "payor", "first payer")
        .text("group_number", "class.where(type.coding.code='group').value", HealthPlan, "group number")
        .text("group_name", "class.where(type.coding.code='group').name", HealthPlan, "group name")
        .text("plan", "class.where(type.coding.code='plan').value", HealthPlan, "plan")
        .text("plan_name", "class.where(type.coding.code='plan').name", OtherId, "plan name")
        .integer("order", "order", "order among the coverages")
        .text("network", "network", HealthPlan, "network of the insurer")
}

/// What a claim and its adjudication have in common.
fn claim(table: Table) -> Table {
    table
        .patient("patient")
        .text("identifier", "identifier.value", Account, "claim number: first business identifier")
        .text("identifier_system", "identifier.system", OtherId, "name space of the identifier")
        .text("status", "status", Operational, "status")
        .concept_of("type", "type", Operational, "kind of claim (institutional, pharmacy, ...)")
        .code("sub_type", "subType", Operational, "more about the kind of claim")
        .text("use", "use", Operational, "claim, preauthorization or predetermination")
        .period("billable_period", "billablePeriod", "time of the services")
        .when("created", "created", "when it was made")
        .actor("insurer", "insurer", "insurer")
        .actor("provider", "provider", "provider")
        .actor("facility", "facility", "where the services were given")
        .code("priority", "priority", Operational, "priority")
        .reference("prescription", "prescription", "prescription")
        .reference("coverage", "insurance.where(focal='true').coverage | insurance.coverage", "coverage")
        .actor("care_team_provider", "careTeam.provider", "first of the care team")
        .code(
            "principal_diagnosis",
            "diagnosis.where(type.coding.code='principal').diagnosisCodeableConcept",
            Clinical,
            "principal diagnosis",
        )
        .code("diagnosis", "diagnosis.diagnosisCodeableConcept", Clinical, "first diagnosis")
        .reference("diagnosis", "diagnosis.diagnosisReference", "first diagnosis, where it is a resource of its own")
        .code("procedure", "procedure.procedureCodeableConcept", Clinical, "first procedure")
        .reference("procedure", "procedure.procedureReference", "first procedure, where it is a resource of its own")
}

/// What a line of a claim and of its adjudication have in common.
fn item(table: Table) -> Table {
    table
        .patient("patient")
        .integer("sequence", "item.sequence", "number of the line")
        .concept("revenue", "item.revenue", "revenue centre")
        .concept("category", "item.category", "benefit category")
        .concept("product_or_service", "item.productOrService", "product or service")
        .code("modifier", "item.modifier", Clinical, "first modifier")
        .when("serviced_date", "item.servicedDate | item.servicedPeriod.start", "date of the service")
        .when("serviced_end", "item.servicedPeriod.end", "end of the service")
        .code("location", "item.locationCodeableConcept", Operational, "place of service")
        .quantity("quantity", "item.quantity", "quantity")
        .money("unit_price", "item.unitPrice", "price of one")
        .money("net", "item.net", "price of all")
        .integer("diagnosis_sequence", "item.diagnosisSequence", "first diagnosis it is for")
        .integer("procedure_sequence", "item.procedureSequence", "first procedure it is for")
        .reference("encounter", "item.encounter", "first encounter")
}

fn claims() -> Table {
    claim(Table::of("claims", "Claim", "one row for each Claim; its lines are in claim_items")).money("total", "total", "total")
}

fn claim_items() -> Table {
    item(Table::each("claim_items", "Claim", "item", "claim_id", "one row for each line of a Claim"))
}

fn explanation_of_benefits() -> Table {
    let total = |code: &str| format!("total.where(category.coding.code='{code}').amount");
    claim(Table::of(
        "explanation_of_benefits",
        "ExplanationOfBenefit",
        "one row for each ExplanationOfBenefit; its lines are in explanation_of_benefit_items",
    ))
    .reference("claim", "claim", "claim")
    .text("outcome", "outcome", Operational, "outcome (complete, partial, ...)")
    .text("disposition", "disposition", sutura_core::PhiClass::FreeText, "disposition in words")
    .text("claim_number", "identifier.where(type.coding.code='uc').value", Account, "unique claim id: the identifier of type uc")
    .code("payment_type", "payment.type", Operational, "payment: type")
    .date("payment_date", "payment.date", "payment: date")
    .money("payment", "payment.amount", "payment: amount")
    .money("total_submitted", &total("submitted"), "total submitted")
    .money("total_benefit", &total("benefit"), "total paid under the plan")
    .money("total_eligible", &total("eligible"), "total eligible")
    .money("total_deductible", &total("deductible"), "total of deductibles")
    .money("total_copay", &total("copay"), "total of co-payments")
    .text("pre_authorization", "preAuthRef", OtherId, "first pre-authorisation number")
    .text(
        "drg_code",
        "supportingInfo.where(code.coding.system='https://bluebutton.cms.gov/resources/variables/clm_drg_cd').code.coding.code | \
         diagnosis.packageCode.coding.code",
        Clinical,
        "diagnosis related group",
    )
}

fn explanation_of_benefit_items() -> Table {
    let adjudication = |code: &str| format!("item.adjudication.where(category.coding.code='{code}').amount");
    item(Table::each(
        "explanation_of_benefit_items",
        "ExplanationOfBenefit",
        "item",
        "explanation_of_benefit_id",
        "one row for each line of an ExplanationOfBenefit",
    ))
    .money("submitted", &adjudication("submitted"), "adjudicated: submitted")
    .money("benefit", &adjudication("benefit"), "adjudicated: paid under the plan")
    .money("eligible", &adjudication("eligible"), "adjudicated: eligible")
    .money("deductible", &adjudication("deductible"), "adjudicated: deductible")
    .money("copay", &adjudication("copay"), "adjudicated: co-payment")
}

fn explanation_of_benefit_diagnoses() -> Table {
    Table::each(
        "explanation_of_benefit_diagnoses",
        "ExplanationOfBenefit",
        "diagnosis",
        "explanation_of_benefit_id",
        "one row for each diagnosis of an ExplanationOfBenefit",
    )
    .patient("patient")
    .integer("sequence", "diagnosis.sequence", "number of the diagnosis")
    .concept("diagnosis", "diagnosis.diagnosisCodeableConcept", "diagnosis")
    .code("type", "diagnosis.type", Operational, "first role (principal, admitting, ...)")
    .code("on_admission", "diagnosis.onAdmission", Clinical, "present on admission")
}
