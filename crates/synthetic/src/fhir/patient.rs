//! Who it is: Patient and Coverage, with the demographics that US Core asks for.

use crate::{
    hl7v2::facilities::FACILITIES,
    people::{Phone, Sex},
};

use super::{
    chart::Chart,
    json::Json,
    page::{Kind, shared_id},
    shared,
    systems::{BASE, Coding, IDENTIFIER_TYPE, coding, snomed},
};

/// Race and ethnicity of the US Centers for Disease Control.
const CDC: &str = "urn:oid:2.16.840.1.113883.6.238";
const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

/// Patient, and Coverage if there is one.
pub(crate) fn write(chart: &mut Chart<'_>) {
    let person = chart.person;
    let home = shared_id(Kind::Organization, person.region);
    let doctor = shared_id(Kind::Practitioner, shared::practitioner_index(person.region, person.number));
    let json = chart.page.begin(Kind::Patient, chart.patient, Some("patient"));
    extensions(json, person.race, person.ethnicity, person.sex);
    identifiers(json, chart.person);
    json.flag("active", true);
    names(json, chart.person);
    json.list("telecom");
    phone(json, person.home_phone, "home");
    if let Some(mobile) = person.mobile {
        phone(json, mobile, "mobile");
    }
    if person.has_email {
        json.item().code("system", "email").parts("value");
        person.email(&mut json.text);
        json.quote().close();
    }
    json.end().code(
        "gender",
        match person.sex {
            Sex::Female => "female",
            Sex::Male => "male",
            Sex::Other => "other",
            Sex::Unknown => "unknown",
        },
    );
    json.date("birthDate", person.birth_day());
    addresses(json, chart.person);
    json.concept("maritalStatus", marital_status(person.marital));
    let kin = person.kin;
    json.list("contact").item().list("relationship").item().list("coding");
    json.item().code("system", "http://terminology.hl7.org/CodeSystem/v2-0131").code("code", "N").code("display", "Next-of-Kin");
    json.close().end().code("text", kin.relation.1).close().end();
    json.open("name").text("family", kin.family).list("given").string(kin.given).end().close();
    json.list("telecom");
    phone(json, kin.phone, "home");
    json.end().close().end();
    json.list("communication").item().concept("language", coding("urn:ietf:bcp:47", person.language.0, person.language.1));
    json.flag("preferred", true).close().end();
    json.list("generalPractitioner").shared_item(Kind::Practitioner, &doctor).end();
    json.shared("managingOrganization", Kind::Organization, &home);
    chart.page.end();
    coverage(chart);
}

fn extensions(json: &mut Json, race: (&'static str, &'static str), ethnicity: &str, sex: Sex) {
    json.list("extension");
    category(json, "us-core-race", coding(CDC, race.0, race.1));
    category(
        json,
        "us-core-ethnicity",
        match ethnicity {
            "H" => coding(CDC, "2135-2", "Hispanic or Latino"),
            "N" => coding(CDC, "2186-5", "Not Hispanic or Latino"),
            _ => coding(NULL_FLAVOR, "UNK", "unknown"),
        },
    );
    let (birth_sex, individual_sex) = match sex {
        Sex::Female => ("F", snomed("248152002", "Female (finding)")),
        Sex::Male => ("M", snomed("248153007", "Male (finding)")),
        _ => ("UNK", coding(NULL_FLAVOR, "UNK", "unknown")),
    };
    json.item().parts("url").raw(US_CORE).raw("us-core-birthsex").quote().code("valueCode", birth_sex).close();
    json.item().parts("url").raw(US_CORE).raw("us-core-individual-sex").quote().coding("valueCoding", individual_sex).close();
    json.end();
}

/// Race and ethnicity have the same form: a category and a text.
fn category(json: &mut Json, name: &str, value: Coding) {
    json.item().list("extension");
    json.item().code("url", "ombCategory").coding("valueCoding", value).close();
    json.item().code("url", "text").code("valueString", value.display).close();
    json.end().parts("url").raw(US_CORE).raw(name).quote().close();
}

/// The record numbers at all facilities, the usual one first, and the social security number.
fn identifiers(json: &mut Json, person: &crate::people::Person) {
    json.list("identifier");
    let facilities = FACILITIES.len();
    for facility in (0..facilities).map(|step| (person.region + step) % facilities) {
        json.item().code("use", if facility == person.region { "usual" } else { "secondary" });
        json.coded("type", coding(IDENTIFIER_TYPE, "MR", "Medical record number"));
        json.parts("system").raw(BASE).raw("/").raw(FACILITIES[facility].code).raw("/mrn").quote();
        json.parts("value").padded(u64::from(person.medical_record_number(facility)), 8).quote();
        json.shared("assigner", Kind::Organization, &shared_id(Kind::Organization, facility)).close();
    }
    if let Some(ssn) = person.ssn {
        json.item().coded("type", coding(IDENTIFIER_TYPE, "SS", "Social Security number"));
        json.code("system", "http://hl7.org/fhir/sid/us-ssn").parts("value").padded(u64::from(ssn), 9).quote().close();
    }
    json.end();
}

fn names(json: &mut Json, person: &crate::people::Person) {
    let given = |json: &mut Json| {
        json.list("given").string(person.given);
        if let Some(middle) = person.middle {
            json.item_parts().text.push(middle);
            json.quote();
        }
        json.end();
    };
    json.list("name").item().code("use", "official").text("family", person.family);
    given(json);
    json.close();
    if let Some(maiden) = person.maiden {
        json.item().code("use", "maiden").text("family", maiden);
        given(json);
        json.close();
    }
    json.end();
}

fn phone(json: &mut Json, phone: Phone, kind: &str) {
    json.item().code("system", "phone").parts("value").raw("(").digits(i64::from(phone.area), 0).raw(")555-");
    json.padded(u64::from(phone.line), 4).quote().code("use", kind).close();
}

fn addresses(json: &mut Json, person: &crate::people::Person) {
    let place = person.place;
    let tail = |json: &mut Json| {
        json.text("city", place.city).text("district", place.county).code("state", place.state).code("postalCode", place.zip);
        json.code("country", "US").close();
    };
    json.list("address").item().code("use", "home").code("type", "physical").list("line");
    json.item_parts().digits(i64::from(person.house), 0).raw(" ").escaped(person.street).quote();
    if let Some(unit) = person.unit {
        json.item_parts().raw("Apt ").digits(i64::from(unit), 0).quote();
    }
    json.end();
    tail(json);
    if person.number.is_multiple_of(9) {
        json.item().code("type", "postal").list("line");
        json.item_parts().raw("PO Box ").padded(person.number % 7919 + 1, 1).quote().end();
        tail(json);
    }
    json.end();
}

fn marital_status(code: &str) -> Coding {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
    match code {
        "M" => coding(SYSTEM, "M", "Married"),
        "D" => coding(SYSTEM, "D", "Divorced"),
        "W" => coding(SYSTEM, "W", "Widowed"),
        _ => coding(SYSTEM, "S", "Never Married"),
    }
}

fn coverage(chart: &mut Chart<'_>) {
    let Some(insurance) = chart.person.insurance else { return };
    let Some(payer) = shared::payer_index(insurance.payer) else { return };
    let id = chart.ids.next();
    chart.tally.coverage(insurance.payer);
    let json = chart.page.begin(Kind::Coverage, id, Some("coverage"));
    json.list("identifier").item().coded("type", coding(IDENTIFIER_TYPE, "MB", "Member Number"));
    json.parts("system").raw(BASE).raw("/").raw(insurance.payer).raw("/member").quote();
    json.parts("value").padded(insurance.member, 9).quote().close().end();
    json.code("status", "active").parts("subscriberId").padded(insurance.member, 9).quote();
    json.own("beneficiary", Kind::Patient, &chart.patient);
    json.coded("relationship", coding("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self"));
    json.open("period").date("start", chart.frame.start.max(chart.person.birth_day())).close();
    json.list("payor").shared_item(Kind::Organization, &shared_id(Kind::Organization, payer)).end();
    json.list("class").item();
    json.coded("type", coding("http://terminology.hl7.org/CodeSystem/coverage-class", "group", "Group"));
    json.parts("value").padded(u64::from(insurance.group), 1).quote().close().end();
    chart.page.end();
}
