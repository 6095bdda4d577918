//! The header: document, patient, author, custodian, what is documented.

use crate::{
    calendar::date_from_days,
    fhir::Frame,
    hl7v2::facilities::{Clinician, FACILITIES, clinician},
    lists::PLACES,
    people::{Person, Phone, Sex},
};

use super::{
    section::templates,
    style::{Style, Telephone},
    xml::Xml,
};

/// The identifiers of the facilities, beneath HL7's root for examples.
const EXAMPLE_ROOT: &str = "2.16.840.1.113883.19.5.99999";

/// The root of a facility's medical record numbers.
pub(super) fn mrn_root(facility: usize) -> String {
    format!("{EXAMPLE_ROOT}.{}.1", facility + 1)
}

fn day(days: i32) -> String {
    let (year, month, day) = date_from_days(days);
    format!("{year:04}{month:02}{day:02}")
}

fn phone(style: &Style, phone: Phone) -> String {
    let (area, line) = (phone.area, phone.line);
    match style.telephone {
        Telephone::Uri => format!("tel:+1({area})555-{line:04}"),
        Telephone::Dashes => format!("tel:{area}-555-{line:04}"),
        Telephone::Bare => format!("({area})555-{line:04}"),
    }
}

pub(super) fn write(xml: &mut Xml, style: &'static Style, frame: &Frame, person: &Person) {
    let facility = person.region;
    xml.empty("realmCode", &[("code", "US")]).empty("typeId", &[("root", "2.16.840.1.113883.1.3"), ("extension", "POCD_HD000040")]);
    templates(xml, style, "2.16.840.1.113883.10.20.22.1.1", if style.is_later { "2015-08-01" } else { "" });
    templates(xml, style, "2.16.840.1.113883.10.20.22.1.2", if style.is_later { "2015-08-01" } else { "" });
    let id = format!("CCD-{:08}", person.number);
    xml.empty("id", &[("root", &format!("{EXAMPLE_ROOT}.{}", facility + 1)), ("extension", &id)]);
    xml.empty("code", &[("code", "34133-9"), ("codeSystem", "2.16.840.1.113883.6.1"), ("displayName", "Summarization of Episode Note")]);
    xml.leaf("title", &[], &format!("{}: Health Summary", FACILITIES[facility].name));
    let made = format!("{}120000+0000", day(frame.end));
    xml.empty("effectiveTime", &[("value", &made)]);
    xml.empty("confidentialityCode", &[("code", "N"), ("codeSystem", "2.16.840.1.113883.5.25")])
        .empty("languageCode", &[("code", "en-US")]);
    patient(xml, style, person);
    let doctor = clinician(facility, person.number);
    xml.open("author", &[]).empty("time", &[("value", &made)]).open("assignedAuthor", &[]);
    clinician_parts(xml, style, facility, &doctor, "assignedPerson");
    xml.close_all(2);
    xml.open("author", &[]).empty("time", &[("value", &made)]).open("assignedAuthor", &[]).empty("id", &[("nullFlavor", "NA")]);
    xml.open("assignedAuthoringDevice", &[])
        .leaf("manufacturerModelName", &[], style.name)
        .leaf("softwareName", &[], style.software)
        .close_all(3);
    xml.nest(&["custodian", "assignedCustodian", "representedCustodianOrganization"]);
    organization_parts(xml, style, facility);
    xml.close_all(3);
    xml.open("legalAuthenticator", &[])
        .empty("time", &[("value", &made)])
        .empty("signatureCode", &[("code", "S")])
        .open("assignedEntity", &[]);
    clinician_parts(xml, style, facility, &doctor, "assignedPerson");
    xml.close_all(2);
    kin(xml, style, person);
    xml.open("documentationOf", &[]).open("serviceEvent", &[("classCode", "PCPR")]).open("effectiveTime", &[]);
    xml.empty("low", &[("value", &day(frame.start.max(person.birth_day())))]).empty("high", &[("value", &day(frame.end))]).close();
    xml.open("performer", &[("typeCode", "PRF")]).open("assignedEntity", &[]);
    clinician_parts(xml, style, facility, &doctor, "assignedPerson");
    xml.close_all(4);
}

fn patient(xml: &mut Xml, style: &Style, person: &Person) {
    xml.nest(&["recordTarget", "patientRole"]);
    for facility in (0..FACILITIES.len()).map(|step| (person.region + step) % FACILITIES.len()) {
        let number = format!("{:08}", person.medical_record_number(facility));
        xml.empty("id", &[("root", &mrn_root(facility)), ("extension", &number), ("assigningAuthorityName", FACILITIES[facility].name)]);
    }
    match person.ssn {
        Some(ssn) => {
            xml.empty("id", &[("root", "2.16.840.1.113883.4.1"), ("extension", &format!("{ssn:09}"))]);
        }
        None if style.has_nulls => {
            xml.empty("id", &[("root", "2.16.840.1.113883.4.1"), ("nullFlavor", "UNK")]);
        }
        None => {}
    }
    address(xml, person);
    xml.empty("telecom", &[("value", &phone(style, person.home_phone)), ("use", "HP")]);
    match person.mobile {
        Some(mobile) => {
            xml.empty("telecom", &[("value", &phone(style, mobile)), ("use", "MC")]);
        }
        None if style.has_nulls => {
            xml.empty("telecom", &[("nullFlavor", "UNK")]);
        }
        None => {}
    }
    if person.has_email {
        let mut email = String::from("mailto:");
        person.email(&mut email);
        xml.empty("telecom", &[("value", &email)]);
    }
    demographics(xml, style, person);
    xml.open("providerOrganization", &[]);
    organization_parts(xml, style, person.region);
    xml.close_all(3);
}

fn address(xml: &mut Xml, person: &Person) {
    xml.open("addr", &[("use", "HP")]).leaf("streetAddressLine", &[], &format!("{} {}", person.house, person.street));
    if let Some(unit) = person.unit {
        xml.leaf("streetAddressLine", &[], &format!("Apt {unit}"));
    }
    place_parts(xml, person.place);
    xml.close();
}

fn place_parts(xml: &mut Xml, place: &crate::Place) {
    xml.leaf("city", &[], place.city).leaf("state", &[], place.state).leaf("postalCode", &[], place.zip).leaf("country", &[], "US");
}

fn demographics(xml: &mut Xml, style: &Style, person: &Person) {
    xml.open("patient", &[]).open("name", &[("use", "L")]).leaf("given", &[], person.given);
    if let Some(middle) = person.middle {
        xml.leaf("given", &[], middle.encode_utf8(&mut [0; 4]));
    }
    xml.leaf("family", &[], person.family).close();
    if let Some(maiden) = person.maiden {
        xml.open("name", &[]).leaf("given", &[], person.given).leaf("family", &[("qualifier", "BR")], maiden).close();
    }
    let gender = match person.sex {
        Sex::Female => ("F", "Female"),
        Sex::Male => ("M", "Male"),
        Sex::Other | Sex::Unknown => ("UN", "Undifferentiated"),
    };
    if person.sex == Sex::Unknown {
        xml.empty("administrativeGenderCode", &[("nullFlavor", "UNK")]);
    } else {
        xml.empty("administrativeGenderCode", &[("code", gender.0), ("displayName", gender.1), ("codeSystem", "2.16.840.1.113883.5.1")]);
    }
    xml.empty("birthTime", &[("value", &day(person.birth_day()))]);
    xml.empty("maritalStatusCode", &[("code", person.marital), ("codeSystem", "2.16.840.1.113883.5.2")]);
    if style.has_nulls {
        xml.empty("religiousAffiliationCode", &[("nullFlavor", "ASKU")]);
    }
    const CDC: &str = "2.16.840.1.113883.6.238";
    xml.empty("raceCode", &[("code", person.race.0), ("displayName", person.race.1), ("codeSystem", CDC)]);
    match person.ethnicity {
        "H" => xml.empty("ethnicGroupCode", &[("code", "2135-2"), ("displayName", "Hispanic or Latino"), ("codeSystem", CDC)]),
        "N" => xml.empty("ethnicGroupCode", &[("code", "2186-5"), ("displayName", "Not Hispanic or Latino"), ("codeSystem", CDC)]),
        _ => xml.empty("ethnicGroupCode", &[("nullFlavor", "UNK")]),
    };
    if matches!(person.kin.relation.0, "MTH" | "FTH") {
        let code = [("code", person.kin.relation.0), ("displayName", person.kin.relation.1), ("codeSystem", "2.16.840.1.113883.5.111")];
        xml.open("guardian", &[]).empty("code", &code).empty("telecom", &[("value", &phone(style, person.kin.phone)), ("use", "HP")]);
        xml.nest(&["guardianPerson", "name"]).leaf("given", &[], person.kin.given).leaf("family", &[], person.kin.family).close_all(3);
    }
    xml.open("languageCommunication", &[])
        .empty("languageCode", &[("code", person.language.0)])
        .empty("preferenceInd", &[("value", "true")]);
    xml.close_all(2);
}

/// Identifier, name and so on of a clinician, within a role.
pub(super) fn clinician_parts(xml: &mut Xml, style: &Style, facility: usize, doctor: &Clinician, person: &'static str) {
    xml.empty("id", &[("root", &format!("{EXAMPLE_ROOT}.9")), ("extension", &doctor.identifier.to_string())]);
    if style.has_nulls {
        xml.empty("addr", &[("nullFlavor", "UNK")]).empty("telecom", &[("nullFlavor", "UNK")]);
    }
    xml.nest(&[person, "name"]).leaf("prefix", &[], "Dr.").leaf("given", &[], doctor.given).leaf("family", &[], doctor.family);
    xml.close_all(2).open("representedOrganization", &[]);
    organization_parts(xml, style, facility);
    xml.close();
}

fn organization_parts(xml: &mut Xml, style: &Style, facility: usize) {
    xml.empty("id", &[("root", &format!("{EXAMPLE_ROOT}.{}", facility + 1))]).leaf("name", &[], FACILITIES[facility].name);
    let place = &PLACES[facility][0];
    xml.empty("telecom", &[("value", &phone(style, Phone { area: place.area_code, line: 100 })), ("use", "WP")]);
    xml.open("addr", &[("use", "WP")]).leaf("streetAddressLine", &[], &format!("{} Hospital Way", 100 + facility * 350));
    place_parts(xml, place);
    xml.close();
}

fn kin(xml: &mut Xml, style: &Style, person: &Person) {
    let relation = [("code", person.kin.relation.0), ("displayName", person.kin.relation.1), ("codeSystem", "2.16.840.1.113883.5.111")];
    xml.open("participant", &[("typeCode", "IND")]).open("associatedEntity", &[("classCode", "NOK")]).empty("code", &relation);
    xml.empty("telecom", &[("value", &phone(style, person.kin.phone)), ("use", "HP")]);
    xml.nest(&["associatedPerson", "name"]).leaf("given", &[], person.kin.given).leaf("family", &[], person.kin.family).close_all(4);
}
