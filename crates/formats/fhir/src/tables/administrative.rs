//! Persons, organisations, places, devices and groups; visits.

use sutura_core::PhiClass::{
    Clinical, Date, Device, Email, Fax, FreeText, Geography, Licence, Mrn, Name, Operational, OtherId, Phone, Quasi, Ssn, Url,
};

use super::spec::Table;

const RACE: &str = "extension.where(url='http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')";
const ETHNICITY: &str = "extension.where(url='http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity')";
const BIRTH_SEX: &str = "extension.where(url='http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').valueCode";

pub(super) fn tables() -> Vec<Table> {
    vec![patients(), encounters(), organizations(), practitioners(), locations(), devices(), groups(), group_members()]
}

/// The parts of the first address.
fn address(table: Table, path: &str) -> Table {
    table
        .text("address_line", &format!("{path}.line"), Geography, "street address: first line")
        .text("city", &format!("{path}.city"), Geography, "city")
        .text("district", &format!("{path}.district"), Geography, "district or county")
        .text("state", &format!("{path}.state"), Quasi, "state or province")
        .text("postal_code", &format!("{path}.postalCode"), Geography, "postal code")
        .text("country", &format!("{path}.country"), Quasi, "country")
}

/// The first telephone number and e-mail address.
fn telecom(table: Table, path: &str) -> Table {
    table.text("phone", &format!("{path}.where(system='phone').value"), Phone, "first telephone number").text(
        "email",
        &format!("{path}.where(system='email').value"),
        Email,
        "first e-mail address",
    )
}

fn patients() -> Table {
    let race = |of: &str| format!("{RACE}.extension.where(url='ombCategory').valueCoding.{of}");
    let ethnicity = |of: &str| format!("{ETHNICITY}.extension.where(url='ombCategory').valueCoding.{of}");
    let table = Table::of("patients", "Patient", "one row for each Patient")
        .mark_patient("id")
        .text("mrn", "identifier.where(type.coding.code='MR').value", Mrn, "medical record number: the identifier of type MR")
        .text(
            "ssn",
            "identifier.where(type.coding.code='SS').value | identifier.where(system='http://hl7.org/fhir/sid/us-ssn').value",
            Ssn,
            "social security number",
        )
        .text(
            "driver_licence",
            "identifier.where(type.coding.code='DL').value",
            Licence,
            "driver's licence number: the identifier of type DL",
        )
        .text("identifier", "identifier.value", Mrn, "first business identifier, of any type")
        .text("identifier_system", "identifier.system", OtherId, "name space of the first identifier")
        .flag("active", "active", Operational, "whether the record is in use")
        .text("name_text", "name.text", Name, "whole name as text")
        .text("family_name", "name.family", Name, "family name of the first name")
        .text("given_name", "name.given", Name, "first given name of the first name")
        .all("given_names", "name.given", " ", Name, "all given names of the first name")
        .text("name_prefix", "name.prefix", Name, "name prefix")
        .text("maiden_name", "name.where(use='maiden').family", Name, "maiden name")
        .text("gender", "gender", Quasi, "administrative gender")
        .text("birth_sex", BIRTH_SEX, Quasi, "birth sex (US Core)")
        .date("birth_date", "birthDate", "date of birth, as precise as sent")
        .flag("deceased", "deceasedBoolean", Clinical, "whether the patient is dead, where no date is sent")
        .when("deceased_datetime", "deceasedDateTime", "date and time of death")
        .text("race_code", &race("code"), Quasi, "race: first OMB category (US Core)")
        .text("race", &race("display"), Quasi, "race: display of the category")
        .text("ethnicity_code", &ethnicity("code"), Quasi, "ethnicity: OMB category (US Core)")
        .text("ethnicity", &ethnicity("display"), Quasi, "ethnicity: display of the category")
        .code("marital_status", "maritalStatus", Quasi, "marital status")
        .text(
            "language",
            "communication.where(preferred='true').language.coding.code | communication.language.coding.code",
            Quasi,
            "language for communication",
        );
    address(telecom(table, "telecom"), "address")
        .text("contact_name", "contact.name.family | contact.name.text", Name, "contact person: family name")
        .text("contact_phone", "contact.telecom.where(system='phone').value", Phone, "contact person: telephone")
        .actor("general_practitioner", "generalPractitioner", "general practitioner")
        .actor("managing_organization", "managingOrganization", "organisation that keeps the record")
        .flag("multiple_birth", "multipleBirthBoolean", Quasi, "whether born in a multiple birth")
        .column("birth_order", "multipleBirthInteger", super::spec::Kind::Integer, Quasi, "place in a multiple birth")
        .text("narrative", "text.div", FreeText, "narrative as XHTML")
}

fn encounters() -> Table {
    Table::of("encounters", "Encounter", "one row for each Encounter")
        .patient("subject")
        .identifier("visit number")
        .text("status", "status", Operational, "status")
        .text("class_code", "class.code", Clinical, "class of the encounter (AMB, IMP, EMER, ...)")
        .concept("type", "type", "type of the encounter")
        .concept("service_type", "serviceType", "service")
        .concept("priority", "priority", "priority")
        .period("period", "period", "time of the encounter")
        .concept("reason", "reasonCode", "reason")
        .reference("reason_condition", "reasonReference", "condition that is the reason")
        .actor("participant", "participant.individual", "first participant")
        .actor("attender", "participant.where(type.coding.code='ATND').individual", "attending clinician")
        .actor("service_provider", "serviceProvider", "organisation responsible")
        .actor("location", "location.location", "first location")
        .reference("part_of", "partOf", "encounter it is part of")
        .reference("episode_of_care", "episodeOfCare", "episode of care")
        .code("admit_source", "hospitalization.admitSource", Clinical, "where the patient came from")
        .code("discharge_disposition", "hospitalization.dischargeDisposition", Clinical, "where the patient went")
        .quantity("length", "length", "duration as sent")
        .reference("diagnosis", "diagnosis.condition", "first diagnosis")
}

fn organizations() -> Table {
    let table = Table::of("organizations", "Organization", "one row for each Organization")
        .identifier("organisation")
        .text("npi", "identifier.where(system='http://hl7.org/fhir/sid/us-npi').value", Licence, "national provider identifier (US)")
        .flag("active", "active", Operational, "whether the record is in use")
        .concept("type", "type", "kind of organisation")
        .text("name", "name", Name, "name");
    address(telecom(table, "telecom"), "address").reference("part_of", "partOf", "organisation it is part of")
}

fn practitioners() -> Table {
    let table = Table::of("practitioners", "Practitioner", "one row for each Practitioner")
        .identifier("practitioner")
        .text("npi", "identifier.where(system='http://hl7.org/fhir/sid/us-npi').value", Licence, "national provider identifier (US)")
        .flag("active", "active", Operational, "whether the record is in use")
        .text("name_text", "name.text", Name, "whole name as text")
        .text("family_name", "name.family", Name, "family name")
        .text("given_name", "name.given", Name, "first given name")
        .text("name_prefix", "name.prefix", Name, "name prefix")
        .text("gender", "gender", Quasi, "administrative gender")
        .date("birth_date", "birthDate", "date of birth")
        .concept("qualification", "qualification.code", "first qualification")
        .text("qualification_number", "qualification.identifier.value", Licence, "number of the first qualification");
    address(telecom(table, "telecom"), "address")
}

fn locations() -> Table {
    let table = Table::of("locations", "Location", "one row for each Location")
        .identifier("location")
        .text("status", "status", Operational, "status")
        .text("name", "name", Geography, "name")
        .text("description", "description", FreeText, "description")
        .text("mode", "mode", Operational, "one place, or a kind of place")
        .concept("type", "type", "kind of location")
        .code("physical_type", "physicalType", Operational, "physical form (wa ward, ro room, bd bed, ...)");
    let place =
        |table: Table, name: &str, doc: &str| table.column(name, format!("position.{name}"), super::spec::Kind::Number, Geography, doc);
    let table = address(telecom(table, "telecom"), "address");
    place(place(table, "longitude", "longitude (WGS 84)"), "latitude", "latitude (WGS 84)")
        .actor("managing_organization", "managingOrganization", "organisation that runs it")
        .reference("part_of", "partOf", "location it is part of")
}

fn devices() -> Table {
    Table::of("devices", "Device", "one row for each Device")
        .patient("patient")
        .text("identifier", "identifier.value", Device, "first business identifier")
        .text("udi_device_identifier", "udiCarrier.deviceIdentifier", Device, "UDI: device identifier")
        .text("udi", "udiCarrier.carrierHRF", Device, "UDI in human-readable form")
        .text("distinct_identifier", "distinctIdentifier", Device, "distinct identification string")
        .text("status", "status", Operational, "status")
        .text("manufacturer", "manufacturer", Device, "manufacturer")
        .when("manufacture_date", "manufactureDate", "date of manufacture")
        .when("expiration_date", "expirationDate", "date of expiry")
        .text("lot_number", "lotNumber", Device, "lot number")
        .text("serial_number", "serialNumber", Device, "serial number")
        .text("device_name", "deviceName.name", FreeText, "first name of the device")
        .text("model_number", "modelNumber", Device, "model")
        .text("software_version", "version.value", Operational, "first version")
        .concept("type", "type", "kind of device")
        .actor("owner", "owner", "organisation that owns it")
        .reference("location", "location", "where it is")
        .text("url", "url", Url, "network address")
        .text("contact_phone", "contact.where(system='phone').value", Phone, "contact: telephone")
        .text("contact_fax", "contact.where(system='fax').value", Fax, "contact: fax")
        .notes()
}

fn groups() -> Table {
    Table::of("groups", "Group", "one row for each Group; its members are in group_members")
        .identifier("group")
        .flag("active", "active", Operational, "whether the record is in use")
        .text("type", "type", Operational, "kind of members (person, device, ...)")
        .flag("actual", "actual", Operational, "a list of members, or only a description")
        .concept("code", "code", "what the members have in common")
        .text("name", "name", FreeText, "name")
        .integer("quantity", "quantity", "number of members")
        .actor("managing_entity", "managingEntity", "who keeps the group")
        .concept("characteristic", "characteristic.code", "first characteristic")
        .concept("characteristic_value", "characteristic.valueCodeableConcept", "first characteristic: value")
        .flag("characteristic_exclude", "characteristic.exclude", Operational, "first characteristic: whether it excludes")
}

fn group_members() -> Table {
    Table::each("group_members", "Group", "member", "group_id", "one row for each member of a Group")
        .patient("member.entity")
        .period("period", "member.period", "time of membership")
        .flag("inactive", "member.inactive", Operational, "whether no longer a member")
        .column("last_updated", "meta.lastUpdated", super::spec::Kind::Text, Date, "last change of the group")
}
