//! What the elements and attributes of CDA hold. What is not listed is not known, and goes.

use std::collections::HashMap;

use sutura_core::PhiClass;
use sutura_privacy::{CodeShape, ValueKind, ValuePlace};

use crate::document::{Form, Leaf, Treatment};

/// The elements that CDA and its extensions have (header, body, statements, data types); others go with all that is in them.
const ELEMENTS: &str = "ClinicalDocument realmCode typeId templateId id code title effectiveTime confidentialityCode languageCode setId versionNumber \
copyTime recordTarget patientRole addr telecom patient name administrativeGenderCode birthTime maritalStatusCode religiousAffiliationCode raceCode \
ethnicGroupCode guardian guardianPerson guardianOrganization birthplace place languageCommunication modeCode proficiencyLevelCode preferenceInd \
providerOrganization standardIndustryClassCode asOrganizationPartOf wholeOrganization author functionCode time assignedAuthor assignedPerson \
assignedAuthoringDevice manufacturerModelName softwareName asMaintainedEntity maintainingPerson representedOrganization dataEnterer assignedEntity \
informant relatedEntity relatedPerson custodian assignedCustodian representedCustodianOrganization informationRecipient intendedRecipient \
receivedOrganization legalAuthenticator signatureCode authenticator participant associatedEntity associatedPerson scopingOrganization inFulfillmentOf \
order priorityCode documentationOf serviceEvent performer relatedDocument parentDocument authorization consent componentOf encompassingEncounter \
dischargeDispositionCode responsibleParty encounterParticipant location healthCareFacility serviceProviderOrganization component structuredBody \
nonXMLBody section entry act encounter observation observationMedia organizer procedure regionOfInterest substanceAdministration supply statusCode \
text value interpretationCode methodCode targetSiteCode approachSiteCode routeCode repeatNumber doseQuantity rateQuantity maxDoseQuantity \
administrationUnitCode consumable manufacturedProduct manufacturedMaterial manufacturedLabeledDrug manufacturerOrganization lotNumberText \
expirationTime product quantity expectedUseTime independentInd subject relatedSubject specimen specimenRole specimenPlayingEntity participantRole \
playingEntity playingDevice scopingEntity entryRelationship reference referenceRange observationRange precondition criterion externalAct \
externalDocument externalObservation externalProcedure sequenceNumber seperatableInd desc derivationExpr low high center width period phase offset \
numerator denominator translation originalText qualifier family given prefix suffix delimiter streetAddressLine streetName streetNameBase \
streetNameType houseNumber houseNumberNumeric direction additionalLocator unitID unitType postBox precinct county city state postalCode country \
careOf censusTract deliveryAddressLine useablePeriod event deceasedInd deceasedTime birthOrderNumber multipleBirthInd \
multipleBirthOrderNumber availabilityTime activityTime standardText administrableMaterial assignedSubject asPatientRelationship \
identifiedBy alternateIdentification patientRelationship inFulfillmentOf1 actReference priorityNumber negationRationaleCode valueSet";

/// Attributes of the structure: words of small sets.
const STRUCTURE: &[&str] = &[
    "classCode",
    "moodCode",
    "typeCode",
    "determinerCode",
    "contextControlCode",
    "contextConductionInd",
    "negationInd",
    "inversionInd",
    "independentInd",
    "nullFlavor",
    "use",
    "operator",
    "institutionSpecified",
    "qualifier",
    "partType",
    "mediaType",
    "inclusive",
    "representation",
    "alignment",
    "validTimeRangeInd",
    "isCriterionInd",
    "inverted",
    "displayable",
];

/// Words of a set that fit no narrower shape.
pub(super) fn is_structural(attribute: &str) -> bool {
    STRUCTURE.contains(&attribute)
}

/// Whether such a word is one: letters in one case, short.
pub(super) fn is_structural_word(value: &str) -> bool {
    value.split(' ').all(|word| {
        let letters = word.bytes().all(|byte| byte.is_ascii_uppercase() || b"_.".contains(&byte)) && word.len() <= 12;
        let media = word.contains('/') && word.len() <= 40 && CodeShape::Keyword.fits(word);
        letters || media || matches!(word, "true" | "false" | "completed" | "active")
    })
}

/// The elements of narrative that stay; of the others only the text.
pub(super) fn is_narrative(name: &str) -> bool {
    matches!(
        name,
        "paragraph"
            | "content"
            | "list"
            | "item"
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
            | "th"
            | "td"
            | "caption"
            | "br"
            | "sub"
            | "sup"
            | "footnote"
    )
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Name,
    DrugName,
    Street,
    City,
    County,
    PostalCode,
    State,
    Country,
    Phone,
    Fax,
    Email,
    Url,
    Record,
    Ssn,
    Licence,
    Identifier,
    BirthTime,
    Time,
    Code,
    QuasiCode,
    StatusCode,
    Language,
    CodeSystem,
    CodeSystemName,
    CodeSystemVersion,
    DisplayName,
    Number,
    Count,
    Flag,
    Unit,
    Text,
    Title,
    Lot,
    Device,
    TemplateId,
    Reference,
    Unknown,
}

/// The plans of all slots.
pub(super) struct Rules {
    leaves: HashMap<Slot, Leaf>,
    elements: std::collections::HashSet<&'static str>,
}

impl Rules {
    pub(super) fn new(treatment: &Treatment) -> Self {
        use PhiClass as P;
        use Slot as S;
        let mut leaves = HashMap::new();
        let mut add = |slot, table, column, path: &str, class, kind, form, shape| {
            let place = ValuePlace { table, column, path, class, kind, shape };
            leaves.insert(slot, treatment.leaf(&place, path, form));
        };
        let text = ValueKind::Text;
        let documents = Some("documents");
        add(S::Name, documents, "full_name", "name", P::Name, text, Form::Text, None);
        add(S::DrugName, None, "drug_name", "manufacturedMaterial.name", P::Clinical, text, Form::Text, Some(CodeShape::Display));
        add(S::Street, documents, "street", "addr.streetAddressLine", P::Geography, text, Form::Text, None);
        add(S::City, documents, "city", "addr.city", P::Geography, text, Form::Text, None);
        add(S::County, documents, "county", "addr.county", P::Geography, text, Form::Text, None);
        add(S::PostalCode, documents, "postal_code", "addr.postalCode", P::Geography, text, Form::Text, None);
        add(S::State, documents, "state", "addr.state", P::Quasi, text, Form::Text, Some(CodeShape::State));
        add(S::Country, documents, "country", "addr.country", P::Quasi, text, Form::Text, Some(CodeShape::Country));
        add(S::Phone, documents, "phone", "telecom (tel)", P::Phone, text, Form::Text, None);
        add(S::Fax, documents, "fax", "telecom (fax)", P::Fax, text, Form::Text, None);
        add(S::Email, documents, "email", "telecom (mailto)", P::Email, text, Form::Text, None);
        add(S::Url, documents, "url", "telecom (http)", P::Url, text, Form::Text, None);
        add(S::Record, documents, "patient_id", "recordTarget.patientRole.id.extension", P::Mrn, text, Form::Text, None);
        add(S::Ssn, documents, "ssn", "id.extension (social security)", P::Ssn, text, Form::Text, None);
        add(S::Licence, None, "licence", "id.extension (national provider)", P::Licence, text, Form::Text, None);
        add(S::Identifier, None, "identifier", "id.extension", P::OtherId, text, Form::Text, None);
        add(S::BirthTime, documents, "birth_date", "recordTarget.patientRole.patient.birthTime", P::Date, text, Form::Date, None);
        add(S::Time, None, "effective_time", "effectiveTime", P::Date, text, Form::Date, None);
        add(S::Code, None, "code", "code.code", P::Clinical, text, Form::Text, Some(CodeShape::Code));
        add(S::QuasiCode, None, "code", "person.code", P::Quasi, text, Form::Text, Some(CodeShape::Code));
        add(S::StatusCode, None, "status", "statusCode.code", P::Operational, text, Form::Text, Some(CodeShape::Keyword));
        add(S::Language, None, "language", "languageCode.code", P::Quasi, text, Form::Text, Some(CodeShape::Language));
        add(S::CodeSystem, None, "code_system", "code.codeSystem", P::Operational, text, Form::Text, Some(CodeShape::Canonical));
        add(
            S::CodeSystemName,
            None,
            "code_system_name",
            "code.displayName (system)",
            P::Clinical,
            text,
            Form::Text,
            Some(CodeShape::Display),
        );
        add(S::CodeSystemVersion, None, "code_system_version", "code.version", P::Operational, text, Form::Text, Some(CodeShape::Release));
        add(S::DisplayName, None, "display_name", "code.displayName", P::Clinical, text, Form::Text, Some(CodeShape::Display));
        add(S::Number, None, "value_number", "value.value", P::Clinical, ValueKind::Number, Form::Number, None);
        add(S::Count, None, "count", "sequence.number", P::Operational, ValueKind::Number, Form::Number, None);
        add(S::Flag, None, "flag", "value.flag", P::Clinical, text, Form::Text, Some(CodeShape::Keyword));
        add(S::Unit, None, "unit", "value.unit", P::Clinical, text, Form::Text, Some(CodeShape::Unit));
        add(S::Text, None, "text", "text", P::FreeText, text, Form::Text, None);
        add(S::Title, documents, "title", "title", P::FreeText, text, Form::Text, None);
        add(S::Lot, None, "lot_number", "lotNumberText", P::OtherId, text, Form::Text, None);
        add(S::Device, None, "device", "manufacturerModelName", P::Device, text, Form::Text, None);
        add(S::TemplateId, None, "template_id", "templateId", P::Operational, text, Form::Text, Some(CodeShape::Canonical));
        add(S::Reference, None, "reference", "reference.value", P::OtherId, text, Form::Text, None);
        leaves.insert(Slot::Unknown, Treatment::unknown("(element or attribute without definition)"));
        Self { leaves, elements: ELEMENTS.split_ascii_whitespace().collect() }
    }

    pub(super) fn leaf(&self, slot: Slot) -> &Leaf {
        // Every slot is in the table above.
        self.leaves.get(&slot).unwrap_or(&self.leaves[&Slot::Unknown])
    }

    pub(super) fn is_element(&self, name: &str) -> bool {
        self.elements.contains(name)
    }
}

/// What the text directly in an element is.
pub(super) fn text_slot(name: &str, parent: &str) -> Slot {
    match name {
        "name" if matches!(parent, "manufacturedMaterial" | "manufacturedLabeledDrug" | "administrableMaterial") => Slot::DrugName,
        "name" | "family" | "given" | "prefix" | "suffix" => Slot::Name,
        "city" => Slot::City,
        "county" => Slot::County,
        "postalCode" => Slot::PostalCode,
        "state" => Slot::State,
        "country" => Slot::Country,
        "addr"
        | "streetAddressLine"
        | "streetName"
        | "streetNameBase"
        | "streetNameType"
        | "houseNumber"
        | "houseNumberNumeric"
        | "direction"
        | "additionalLocator"
        | "unitID"
        | "unitType"
        | "postBox"
        | "precinct"
        | "careOf"
        | "censusTract"
        | "deliveryAddressLine" => Slot::Street,
        "title" => Slot::Title,
        "lotNumberText" => Slot::Lot,
        "softwareName" | "manufacturerModelName" => Slot::Device,
        "text" | "originalText" | "desc" | "value" | "derivationExpr" | "standardText" => Slot::Text,
        _ => Slot::Unknown,
    }
}

/// What `code` of an element is.
pub(super) fn code_slot(name: &str) -> Slot {
    match name {
        "administrativeGenderCode"
        | "raceCode"
        | "ethnicGroupCode"
        | "maritalStatusCode"
        | "religiousAffiliationCode"
        | "modeCode"
        | "proficiencyLevelCode" => Slot::QuasiCode,
        "statusCode" | "realmCode" | "confidentialityCode" | "signatureCode" => Slot::StatusCode,
        "languageCode" => Slot::Language,
        _ => Slot::Code,
    }
}

/// Elements that say that they are masked where nothing of them is left: data types, which others may require.
pub(super) fn masks(name: &str) -> bool {
    matches!(
        name,
        "id" | "addr"
            | "telecom"
            | "name"
            | "birthTime"
            | "time"
            | "effectiveTime"
            | "code"
            | "value"
            | "text"
            | "title"
            | "low"
            | "high"
            | "setId"
            | "administrativeGenderCode"
            | "raceCode"
            | "ethnicGroupCode"
            | "maritalStatusCode"
            | "lotNumberText"
            | "languageCode"
            | "doseQuantity"
            | "softwareName"
            | "manufacturerModelName"
            | "quantity"
            | "confidentialityCode"
            | "statusCode"
            | "routeCode"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_structure_are_words() {
        for word in ["EVN", "SUBJ", "REFR", "true", "HP", "SRCH PRN", "text/plain", "application/pdf", "INSTANCE"] {
            assert!(is_structural_word(word), "{word}");
        }
        for word in ["Smith", "Jane Doe", "Qz4711", "A-17", "1980"] {
            assert!(!is_structural_word(word), "{word}");
        }
    }
}
