//! What all records point at: facilities, payers, clinicians and places.

use crate::{
    hl7v2::facilities::{CLINICIANS, FACILITIES, WARDS, clinician},
    lists::{PAYERS, PLACES},
};

use super::{
    page::{Kind, Page, shared_id},
    systems::{BASE, CLINICIAN_SYSTEM, Coding, coding, snomed},
};

/// The position of a clinician among all practitioners.
pub(crate) fn practitioner_index(facility: usize, clinician: u64) -> usize {
    facility * CLINICIANS as usize + (clinician % CLINICIANS) as usize
}

/// The position of a payer among the organizations, which begin with the facilities.
pub(crate) fn payer_index(identifier: &str) -> Option<usize> {
    PAYERS.iter().position(|(known, _)| *known == identifier).map(|position| FACILITIES.len() + position)
}

/// The position of a ward among the locations, or of the whole facility.
pub(crate) fn location_index(facility: usize, ward: Option<usize>) -> usize {
    facility * (WARDS.len() + 1) + ward.map_or(0, |ward| ward + 1)
}

/// The id of a facility's Organization.
pub(crate) fn organization_id(facility: usize) -> String {
    shared_id(Kind::Organization, facility).as_str().to_owned()
}

/// The id of a clinician's Practitioner.
pub(crate) fn practitioner_id(facility: usize, clinician: u64) -> String {
    shared_id(Kind::Practitioner, practitioner_index(facility, clinician)).as_str().to_owned()
}

const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
const LOCATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";

/// What each ward is, in their order.
const WARD_TYPES: [(&str, &str); 6] = [
    ("HU", "Hospital unit"),
    ("HU", "Hospital unit"),
    ("ICU", "Intensive care unit"),
    ("ER", "Emergency room"),
    ("HU", "Hospital unit"),
    ("PEDU", "Pediatric unit"),
];

/// Writes all of them.
pub(crate) fn write(page: &mut Page) {
    page.clear();
    for facility in 0..FACILITIES.len() {
        hospital(page, facility);
    }
    for (identifier, name) in PAYERS {
        payer(page, identifier, name);
    }
    for facility in 0..FACILITIES.len() {
        locations(page, facility);
        for number in 0..CLINICIANS {
            practitioner(page, facility, number);
        }
    }
}

fn phone(page: &mut Page, facility: usize, line: u64) {
    let json = &mut page.json;
    json.list("telecom").item().code("system", "phone").parts("value").raw("(");
    json.digits(i64::from(PLACES[facility][0].area_code), 0).raw(")555-").padded(100 + line % 100, 4).quote();
    json.code("use", "work").close().end();
}

fn address_parts(page: &mut Page, facility: usize) {
    let place = &PLACES[facility][0];
    let json = &mut page.json;
    json.list("line").item_parts().digits(100 + facility as i64 * 350, 0).raw(" Hospital Way").quote().end();
    json.text("city", place.city).text("district", place.county).code("state", place.state).code("postalCode", place.zip);
    json.code("country", "US");
}

fn hospital(page: &mut Page, facility: usize) {
    let known = &FACILITIES[facility];
    let json = page.begin(Kind::Organization, shared_id(Kind::Organization, facility), Some("organization"));
    json.list("identifier").item().parts("system").raw(BASE).raw("/facility").quote().code("value", known.code).close().end();
    json.flag("active", true);
    json.coded_list("type", coding(ORGANIZATION_TYPE, "prov", "Healthcare Provider")).text("name", known.name);
    phone(page, facility, 0);
    page.json.list("address").item();
    address_parts(page, facility);
    page.json.close().end();
    page.end();
}

fn payer(page: &mut Page, identifier: &str, name: &str) {
    let Some(index) = payer_index(identifier) else { return };
    let json = page.begin(Kind::Organization, shared_id(Kind::Organization, index), Some("organization"));
    json.list("identifier").item().parts("system").raw(BASE).raw("/payer").quote().code("value", identifier).close().end();
    json.flag("active", true).coded_list("type", coding(ORGANIZATION_TYPE, "pay", "Payer")).text("name", name);
    page.end();
}

fn locations(page: &mut Page, facility: usize) {
    let hospital = location_index(facility, None);
    let organization = shared_id(Kind::Organization, facility);
    for ward in std::iter::once(None).chain((0..WARDS.len()).map(Some)) {
        let kind: Coding = match ward {
            None => coding(LOCATION_TYPE, "HOSP", "Hospital"),
            Some(ward) => coding(LOCATION_TYPE, WARD_TYPES[ward].0, WARD_TYPES[ward].1),
        };
        let json = page.begin(Kind::Location, shared_id(Kind::Location, location_index(facility, ward)), Some("location"));
        json.code("status", "active").parts("name").escaped(FACILITIES[facility].name);
        if let Some(ward) = ward {
            json.raw(" - ").raw(WARDS[ward]);
        }
        json.quote().code("mode", "instance").coded_list("type", kind).open("address");
        address_parts(page, facility);
        page.json.close().own("managingOrganization", Kind::Organization, &organization);
        if ward.is_some() {
            page.json.own("partOf", Kind::Location, &shared_id(Kind::Location, hospital));
        }
        page.end();
    }
}

fn practitioner(page: &mut Page, facility: usize, number: u64) {
    let who = clinician(facility, number);
    let index = practitioner_index(facility, number);
    let id = shared_id(Kind::Practitioner, index);
    let json = page.begin(Kind::Practitioner, id, Some("practitioner"));
    json.list("identifier").item().code("system", CLINICIAN_SYSTEM).parts("value").padded(who.identifier, 10).quote().close().end();
    json.flag("active", true).list("name").item().text("family", who.family).list("given").string(who.given).end();
    json.list("prefix").string("Dr.").end().list("suffix").string("MD").end().close().end();
    phone(page, facility, number);
    page.end();

    let json = page.begin(Kind::PractitionerRole, shared_id(Kind::PractitionerRole, index), Some("practitionerrole"));
    json.flag("active", true).own("practitioner", Kind::Practitioner, &id);
    json.own("organization", Kind::Organization, &shared_id(Kind::Organization, facility));
    json.list("code").coded_item(snomed("309343006", "Physician")).end();
    json.list("location").own_item(Kind::Location, &shared_id(Kind::Location, location_index(facility, None))).end();
    phone(page, facility, number);
    page.end();
}
