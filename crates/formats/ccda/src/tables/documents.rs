//! The table of documents, and the columns that all tables have.

use std::borrow::Cow;

use sutura_core::{
    PhiClass::{self, *},
    record::{COL_LENGTH, COL_OFFSET, COL_SHA256, COL_SOURCE},
};

use super::spec::{Column, Read, Row, Rows, Table, column, table};
use crate::{
    document::Document,
    encoding,
    header::{EncompassingEncounter, Header, Patient},
    value::{Address, Code, EncapsulatedData, Identifier, Name, TelecomKind},
};

/// What stands between several values of one cell.
pub(super) const BETWEEN: &str = "\n";

/// Several texts in one cell; null where there is none.
pub(super) fn joined<'d>(mut texts: impl Iterator<Item = Cow<'d, str>>) -> Option<Cow<'d, str>> {
    let first = texts.next()?;
    let Some(second) = texts.next() else { return Some(first) };
    let mut all = first.into_owned();
    for text in std::iter::once(second).chain(texts) {
        all.push_str(BETWEEN);
        all.push_str(&text);
    }
    Some(Cow::Owned(all))
}

/// An identifier as one text: the root alone, or root, bar and extension.
pub(super) fn token<'d>(id: &Identifier<'d>) -> Option<Cow<'d, str>> {
    match (id.root, id.extension) {
        (Some(root), Some(extension)) => Some(Cow::Owned(format!("{root}|{extension}"))),
        (root, extension) => root.or(extension).map(Cow::Borrowed),
    }
}

pub(super) fn words(code: Option<Code<'_>>) -> Option<Cow<'_, str>> {
    code.and_then(|code| code.words())
}

fn patient<'d>(row: &Row<'d>) -> Option<Patient<'d>> {
    row.document().header().patient()
}

/// The patient's first identifier that has an extension, else the first.
pub(super) fn patient_id(document: &Document) -> Option<&str> {
    let patient = document.header().patient()?;
    let found = patient.ids().find(|id| id.extension.is_some()).or_else(|| patient.ids().find(|id| id.root.is_some()))?;
    found.extension.or(found.root)
}

/// The columns that lead every table.
pub(super) fn common() -> Vec<Column> {
    const HASH: &str = "SHA-256 of the file's bytes, hexadecimal";
    vec![
        column(COL_SOURCE, "", OtherId, "URI of the file the document came from", Read::Text(|row| Some(row.record.source.into()))),
        column(COL_OFFSET, "", OtherId, "byte offset of the document in its file: 0", Read::Integer(|_| Some(0))),
        column(COL_LENGTH, "", OtherId, "length of the document in bytes", Read::Integer(|row| Some(row.record.bytes.len() as i64))),
        column(COL_SHA256, "", OtherId, HASH, Read::Text(|row| Some(row.shared.sha256().into()))),
        column(
            "document_id",
            "ClinicalDocument.id",
            OtherId,
            "identifier of the document: root, bar, extension",
            Read::Text(|row| row.shared.document_id().map(Cow::Borrowed)),
        ),
        column(
            "patient_id",
            "recordTarget.patientRole.id.extension",
            Mrn,
            "identifier of the patient: the first that has an extension",
            Read::Text(|row| row.shared.patient_id().map(Cow::Borrowed)),
        )
        .of_patient(),
    ]
}

pub(super) fn document_id(document: &Document) -> Option<Cow<'_, str>> {
    token(&document.header().id()?)
}

fn text(
    name: &'static str,
    path: &'static str,
    phi: PhiClass,
    doc: &'static str,
    read: for<'d> fn(&Row<'d>) -> Option<Cow<'d, str>>,
) -> Column {
    column(name, path, phi, doc, Read::Text(read))
}

/// The name that is in use: one that is not said to be a former or maiden one.
fn usual_name<'d>(patient: &Patient<'d>) -> Option<Name<'d>> {
    let is_usual = |name: &Name<'_>| !name.is_empty() && name.uses.is_none_or(|uses| uses.split_whitespace().any(|one| one == "L"));
    patient.names().find(is_usual).or_else(|| patient.names().find(|name| !name.is_empty()))
}

fn usual_address<'d>(patient: &Patient<'d>) -> Option<Address<'d>> {
    let is_home = |address: &Address<'_>| !address.is_empty() && address.uses.is_some_and(|uses| uses.contains('H'));
    patient.addresses().find(is_home).or_else(|| patient.addresses().find(|address| !address.is_empty()))
}

fn telecom<'d>(row: &Row<'d>, kind: TelecomKind) -> Option<Cow<'d, str>> {
    let found = patient(row)?.telecoms().find(|telecom| telecom.kind == kind && telecom.value.is_some())?;
    found.value.map(Cow::Borrowed)
}

fn encounter<'d>(row: &Row<'d>) -> Option<EncompassingEncounter<'d>> {
    row.document().header().encounter()
}

fn header<'d>(row: &Row<'d>) -> Header<'d> {
    row.document().header()
}

/// One row for each document.
pub(super) fn documents() -> Table {
    let mut columns = about();
    columns.extend(of_patient());
    columns.extend(of_makers());
    columns.extend(of_body());
    table("documents", "one row for each document: header, patient, makers and size", Rows::Documents, columns)
}

/// The documents as they were sent.
pub(super) fn raw() -> Table {
    let columns = vec![text(
        "text",
        "",
        FreeText,
        "the whole document as text, in UTF-8; the declaration of its encoding may say otherwise",
        |row| Some(Cow::Owned(encoding::text_of(row.record.bytes))),
    )];
    table("raw", "one row for each document, as it was sent: what ccda_to_fhir() takes", Rows::Documents, columns)
}

fn about() -> Vec<Column> {
    vec![
        text("kind", "ClinicalDocument.templateId", Operational, "kind of document by template, else by code", |row| {
            Some(row.document().kind().0.as_str().into())
        }),
        text("kind_by", "", Operational, "what told the kind: template, loinc, structure or nothing", |row| {
            Some(row.document().kind().1.as_str().into())
        }),
        text("release", "ClinicalDocument.templateId.extension", Operational, "edition of C-CDA: C32, R1.1, R2.0, R2.1, later", |row| {
            Some(row.document().release().as_str().into())
        }),
        text("templates", "ClinicalDocument.templateId", Operational, "templates, one a line: root, colon, extension", |row| {
            super::parts::templates(row.document().root())
        }),
        text("code", "ClinicalDocument.code.code", Operational, "LOINC code of the document", |row| Some(header(row).code()?.code?.into())),
        text("code_display", "ClinicalDocument.code.displayName", Operational, "what the code means", |row| words(header(row).code())),
        text("title", "ClinicalDocument.title", FreeText, "title of the document", |row| header(row).title()),
        column(
            "effective_time",
            "ClinicalDocument.effectiveTime",
            Date,
            "when it was made, with the precision and offset as sent",
            Read::Time(|row| header(row).effective_time()?.value),
        ),
        column(
            "effective_time_utc",
            "ClinicalDocument.effectiveTime",
            Date,
            "the same instant in UTC; null without an offset",
            Read::Instant(|row| header(row).effective_time()?.value),
        ),
        text("confidentiality", "ClinicalDocument.confidentialityCode.code", Operational, "how confidential it is: N, R or V", |row| {
            Some(header(row).confidentiality()?.code?.into())
        }),
        text("language", "ClinicalDocument.languageCode.code", Operational, "language of the text", |row| {
            header(row).language().map(Cow::Borrowed)
        }),
        text("set_id", "ClinicalDocument.setId", OtherId, "identifier of all versions of the document", |row| {
            token(&header(row).set_id()?)
        }),
        text("version", "ClinicalDocument.versionNumber", Operational, "number of the version", |row| {
            header(row).version_number().map(Cow::Borrowed)
        }),
        text(
            "replaces",
            "relatedDocument.parentDocument.id",
            OtherId,
            "document that this one replaces, appends to or transforms",
            |row| header(row).related_documents().find_map(|(_, id)| token(&id?)),
        ),
    ]
}

fn of_patient() -> Vec<Column> {
    vec![
        text(
            "patient_ids",
            "recordTarget.patientRole.id",
            Mrn,
            "all identifiers of the patient, one a line: root, bar, extension",
            |row| joined(patient(row)?.ids().filter_map(|id| token(&id))),
        ),
        text("family_name", "recordTarget.patientRole.patient.name.family", Name, "family name", |row| {
            joined(usual_name(&patient(row)?)?.family.into_iter().map(|part| part.text))
        }),
        text("given_name", "recordTarget.patientRole.patient.name.given", Name, "first given name", |row| {
            usual_name(&patient(row)?)?.given.into_iter().next().map(|part| part.text)
        }),
        text("full_name", "recordTarget.patientRole.patient.name", Name, "the whole name", |row| {
            usual_name(&patient(row)?)?.line().map(Cow::Owned)
        }),
        column(
            "birth_date",
            "recordTarget.patientRole.patient.birthTime",
            Date,
            "when born, with the precision as sent",
            Read::Time(|row| patient(row)?.birth_time()?.value),
        ),
        text("gender", "recordTarget.patientRole.patient.administrativeGenderCode.code", Quasi, "administrative gender: F, M, UN", |row| {
            Some(patient(row)?.gender()?.code?.into())
        }),
        column(
            "deceased",
            "recordTarget.patientRole.patient.sdtc:deceasedInd",
            Quasi,
            "whether the patient is known to be dead",
            Read::Flag(|row| patient(row)?.deceased()),
        ),
        text("marital_status", "recordTarget.patientRole.patient.maritalStatusCode.code", Quasi, "marital status", |row| {
            Some(patient(row)?.marital_status()?.code?.into())
        }),
        text("religion", "recordTarget.patientRole.patient.religiousAffiliationCode.code", Quasi, "religious affiliation", |row| {
            Some(patient(row)?.religion()?.code?.into())
        }),
        text("race", "recordTarget.patientRole.patient.raceCode.code", Quasi, "races, one a line", |row| {
            joined(patient(row)?.races().filter_map(|race| race.code.map(Cow::Borrowed)))
        }),
        text("ethnicity", "recordTarget.patientRole.patient.ethnicGroupCode.code", Quasi, "ethnic groups, one a line", |row| {
            joined(patient(row)?.ethnicities().filter_map(|group| group.code.map(Cow::Borrowed)))
        }),
        text(
            "patient_language",
            "recordTarget.patientRole.patient.languageCommunication.languageCode.code",
            Quasi,
            "languages, one a line",
            |row| joined(patient(row)?.languages().filter_map(|language| language.code.map(Cow::Borrowed))),
        ),
        text("street", "recordTarget.patientRole.addr.streetAddressLine", Geography, "street lines of the address", |row| {
            joined(usual_address(&patient(row)?)?.lines.into_iter())
        }),
        text("city", "recordTarget.patientRole.addr.city", Geography, "city", |row| usual_address(&patient(row)?)?.city),
        text("state", "recordTarget.patientRole.addr.state", Quasi, "state", |row| usual_address(&patient(row)?)?.state),
        text("postal_code", "recordTarget.patientRole.addr.postalCode", Geography, "postal code", |row| {
            usual_address(&patient(row)?)?.postal_code
        }),
        text("country", "recordTarget.patientRole.addr.country", Quasi, "country", |row| usual_address(&patient(row)?)?.country),
        text("phone", "recordTarget.patientRole.telecom.value", Phone, "first telephone number", |row| telecom(row, TelecomKind::Phone)),
        text("email", "recordTarget.patientRole.telecom.value", Email, "first e-mail address", |row| telecom(row, TelecomKind::Email)),
        text(
            "provider_organization",
            "recordTarget.patientRole.providerOrganization.name",
            OtherId,
            "organisation whose patient it is",
            |row| patient(row)?.provider()?.name(),
        ),
    ]
}

fn of_makers() -> Vec<Column> {
    vec![
        text(
            "custodian_id",
            "custodian.assignedCustodian.representedCustodianOrganization.id",
            OtherId,
            "identifier of who keeps it",
            |row| token(&header(row).custodian()?.ids().next()?),
        ),
        text("custodian", "custodian.assignedCustodian.representedCustodianOrganization.name", OtherId, "name of who keeps it", |row| {
            header(row).custodian()?.name()
        }),
        text("author_name", "author.assignedAuthor.assignedPerson.name", Name, "people who wrote it, one a line", |row| {
            joined(header(row).authors().filter_map(|author| author.names().next()?.line().map(Cow::Owned)))
        }),
        text("author_id", "author.assignedAuthor.id", Licence, "identifiers of who wrote it, one a line", |row| {
            joined(header(row).authors().filter_map(|author| token(&author.ids().next()?)))
        }),
        text(
            "author_organization",
            "author.assignedAuthor.representedOrganization.name",
            OtherId,
            "first organisation of an author",
            |row| header(row).authors().find_map(|author| author.organization()?.name()),
        ),
        text("author_device", "author.assignedAuthor.assignedAuthoringDevice.softwareName", Operational, "software that wrote it", |row| {
            header(row).authors().find_map(|author| {
                let (model, software) = author.device()?;
                software.or(model)
            })
        }),
        text("legal_authenticator", "legalAuthenticator.assignedEntity.assignedPerson.name", Name, "who is legally responsible", |row| {
            header(row).legal_authenticator()?.names().next()?.line().map(Cow::Owned)
        }),
        text("encounter_id", "componentOf.encompassingEncounter.id", Account, "identifier of the encounter it is of", |row| {
            token(&encounter(row)?.ids().next()?)
        }),
        text("encounter_code", "componentOf.encompassingEncounter.code.code", Clinical, "what kind of encounter", |row| {
            Some(encounter(row)?.code()?.code?.into())
        }),
        column(
            "encounter_start",
            "componentOf.encompassingEncounter.effectiveTime.low",
            Date,
            "when the encounter began",
            Read::Time(|row| encounter(row)?.effective_time()?.start()),
        ),
        column(
            "encounter_end",
            "componentOf.encompassingEncounter.effectiveTime.high",
            Date,
            "when the encounter ended",
            Read::Time(|row| encounter(row)?.effective_time()?.end()),
        ),
        column(
            "service_start",
            "documentationOf.serviceEvent.effectiveTime.low",
            Date,
            "beginning of what it documents",
            Read::Time(|row| header(row).service_events().find_map(|event| event.effective_time()?.start())),
        ),
        column(
            "service_end",
            "documentationOf.serviceEvent.effectiveTime.high",
            Date,
            "end of what it documents",
            Read::Time(|row| header(row).service_events().find_map(|event| event.effective_time()?.end())),
        ),
    ]
}

fn of_body() -> Vec<Column> {
    vec![
        column(
            "sections",
            "",
            Operational,
            "number of sections, those within others too",
            Read::Integer(|row| Some(row.document().sections().len() as i64)),
        ),
        column("entries", "", Operational, "number of entries", Read::Integer(|row| Some(row.document().entries().len() as i64))),
        column("findings", "", Operational, "number of findings", Read::Integer(|row| Some(row.document().findings().len() as i64))),
        text("encoding", "", Operational, "character encoding it was read in", |row| Some(row.document().encoding().into())),
        text("body_media_type", "component.nonXMLBody.text.mediaType", Operational, "media type of an unstructured body", |row| {
            EncapsulatedData::read(row.document().non_xml_body()?).media_type.map(Cow::Borrowed)
        }),
        column(
            "body_bytes",
            "component.nonXMLBody.text",
            Operational,
            "size of an unstructured body, decoded from Base64",
            Read::Integer(|row| Some(EncapsulatedData::read(row.document().non_xml_body()?).size() as i64)),
        ),
        text(
            "body_reference",
            "component.nonXMLBody.text.reference.value",
            Url,
            "where an unstructured body is, if not in the document",
            |row| EncapsulatedData::read(row.document().non_xml_body()?).reference.map(Cow::Borrowed),
        ),
    ]
}
