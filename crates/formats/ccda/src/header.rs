//! What stands before the body: who the document is about, who wrote and keeps it, which encounter it is of.
//!
//! Everything is read when asked for.

use std::borrow::Cow;

use crate::{
    document::Document,
    element::Element,
    value::{Address, Code, Identifier, Interval, Name, Telecom, TimeStamp, trimmed_text},
};

/// The header of a document.
#[derive(Debug, Clone, Copy)]
pub struct Header<'d> {
    root: Element<'d>,
}

impl<'d> Header<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self { root: document.root() }
    }

    /// The document's identifier.
    pub fn id(&self) -> Option<Identifier<'d>> {
        self.root.child("id").map(Identifier::read)
    }

    /// Identifier of the set of versions.
    pub fn set_id(&self) -> Option<Identifier<'d>> {
        self.root.child("setId").map(Identifier::read)
    }

    /// Which version it is.
    pub fn version_number(&self) -> Option<&'d str> {
        self.root.child("versionNumber").and_then(|number| number.attr("value"))
    }

    /// What kind of document it is.
    pub fn code(&self) -> Option<Code<'d>> {
        self.root.child("code").map(Code::read)
    }

    /// Its title.
    pub fn title(&self) -> Option<Cow<'d, str>> {
        self.root.child("title").and_then(trimmed_text)
    }

    /// When it was made.
    pub fn effective_time(&self) -> Option<TimeStamp<'d>> {
        self.root.child("effectiveTime").map(TimeStamp::read)
    }

    /// How confidential it is.
    pub fn confidentiality(&self) -> Option<Code<'d>> {
        self.root.child("confidentialityCode").map(Code::read)
    }

    /// The language it is written in.
    pub fn language(&self) -> Option<&'d str> {
        self.root.child("languageCode").and_then(|language| language.attr("code")).map(str::trim)
    }

    /// Whose record it is, `recordTarget/patientRole`: one, most often.
    pub fn patients(&self) -> impl Iterator<Item = Patient<'d>> + use<'d> {
        self.root.children_named("recordTarget").filter_map(|target| target.child("patientRole")).map(|role| Patient { role })
    }

    /// The first patient.
    pub fn patient(&self) -> Option<Patient<'d>> {
        self.patients().next()
    }

    /// Who wrote it: people or devices.
    pub fn authors(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.participations("author", "assignedAuthor")
    }

    /// Who typed it in.
    pub fn data_enterer(&self) -> Option<Participation<'d>> {
        self.participations("dataEnterer", "assignedEntity").next()
    }

    /// Who gave information.
    pub fn informants(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        let root = self.root;
        root.children_named("informant").filter_map(|informant| {
            let role = informant.child("assignedEntity").or_else(|| informant.child("relatedEntity"))?;
            Some(Participation { element: informant, role })
        })
    }

    /// Who keeps it.
    pub fn custodian(&self) -> Option<Organization<'d>> {
        self.root.path(&["custodian", "assignedCustodian", "representedCustodianOrganization"]).map(|element| Organization { element })
    }

    /// Who it is meant for.
    pub fn recipients(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.participations("informationRecipient", "intendedRecipient")
    }

    /// Who is legally responsible for it.
    pub fn legal_authenticator(&self) -> Option<Participation<'d>> {
        self.participations("legalAuthenticator", "assignedEntity").next()
    }

    /// Who attests that it is right.
    pub fn authenticators(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.participations("authenticator", "assignedEntity")
    }

    /// Others who take part: relatives, insurers, callers.
    pub fn participants(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.participations("participant", "associatedEntity")
    }

    /// What it documents: `documentationOf/serviceEvent`.
    pub fn service_events(&self) -> impl Iterator<Item = ServiceEvent<'d>> + use<'d> {
        self.root.children_named("documentationOf").filter_map(|of| of.child("serviceEvent")).map(|element| ServiceEvent { element })
    }

    /// The encounter it is of: `componentOf/encompassingEncounter`.
    pub fn encounter(&self) -> Option<EncompassingEncounter<'d>> {
        self.root.path(&["componentOf", "encompassingEncounter"]).map(|element| EncompassingEncounter { element })
    }

    /// Documents that it replaces, appends to or transforms: the kind (`RPLC`, `APND`, `XFRM`) and the identifier.
    pub fn related_documents(&self) -> impl Iterator<Item = (Option<&'d str>, Option<Identifier<'d>>)> + use<'d> {
        self.root
            .children_named("relatedDocument")
            .map(|related| (related.attr("typeCode"), related.path(&["parentDocument", "id"]).map(Identifier::read)))
    }

    /// Orders it fulfils.
    pub fn orders(&self) -> impl Iterator<Item = Identifier<'d>> + use<'d> {
        self.root.children_named("inFulfillmentOf").filter_map(|of| of.path(&["order", "id"])).map(Identifier::read)
    }

    fn participations(&self, name: &'static str, role: &'static str) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.root.children_named(name).filter_map(move |element| Some(Participation { element, role: element.child(role)? }))
    }
}

/// Reads lists that many roles have.
macro_rules! contact_methods {
    ($of:ident) => {
        /// Identifiers.
        pub fn ids(&self) -> impl Iterator<Item = Identifier<'d>> + use<'d> {
            Identifier::all(self.$of)
        }

        /// Addresses.
        pub fn addresses(&self) -> impl Iterator<Item = Address<'d>> + use<'d> {
            self.$of.children_named("addr").map(Address::read)
        }

        /// Telephone numbers and the like.
        pub fn telecoms(&self) -> impl Iterator<Item = Telecom<'d>> + use<'d> {
            Telecom::all(self.$of)
        }
    };
}

/// Whose record it is.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'d> {
    /// `patientRole`.
    pub role: Element<'d>,
}

impl<'d> Patient<'d> {
    contact_methods!(role);

    /// `patientRole/patient`.
    pub fn person(&self) -> Option<Element<'d>> {
        self.role.child("patient")
    }

    fn in_person(&self, name: &str) -> Option<Element<'d>> {
        self.person()?.child(name)
    }

    fn codes(&self, name: &'static str) -> impl Iterator<Item = Code<'d>> + use<'d> {
        let here = self.person().into_iter().flat_map(move |person| person.children_named(name));
        let more = self.person().into_iter().flat_map(move |person| {
            person.children().filter(move |child| child.namespace() == crate::Namespace::Sdtc && child.name() == name)
        });
        here.chain(more).map(Code::read)
    }

    /// Names.
    pub fn names(&self) -> impl Iterator<Item = Name<'d>> + use<'d> {
        self.person().into_iter().flat_map(|person| person.children_named("name")).map(Name::read)
    }

    /// Administrative gender: `F`, `M`, `UN`.
    pub fn gender(&self) -> Option<Code<'d>> {
        self.in_person("administrativeGenderCode").map(Code::read)
    }

    /// When the person was born.
    pub fn birth_time(&self) -> Option<TimeStamp<'d>> {
        self.in_person("birthTime").map(TimeStamp::read)
    }

    /// `sdtc:deceasedInd`.
    pub fn deceased(&self) -> Option<bool> {
        let value = self.person()?.sdtc("deceasedInd")?.attr("value")?.trim();
        match value {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// `sdtc:deceasedTime`.
    pub fn deceased_time(&self) -> Option<TimeStamp<'d>> {
        self.person()?.sdtc("deceasedTime").map(TimeStamp::read)
    }

    /// Marital status.
    pub fn marital_status(&self) -> Option<Code<'d>> {
        self.in_person("maritalStatusCode").map(Code::read)
    }

    /// Religious affiliation.
    pub fn religion(&self) -> Option<Code<'d>> {
        self.in_person("religiousAffiliationCode").map(Code::read)
    }

    /// Races: `raceCode`, then `sdtc:raceCode`.
    pub fn races(&self) -> impl Iterator<Item = Code<'d>> + use<'d> {
        self.codes("raceCode")
    }

    /// Ethnic groups: `ethnicGroupCode`, then `sdtc:ethnicGroupCode`.
    pub fn ethnicities(&self) -> impl Iterator<Item = Code<'d>> + use<'d> {
        self.codes("ethnicGroupCode")
    }

    /// Guardians.
    pub fn guardians(&self) -> impl Iterator<Item = Guardian<'d>> + use<'d> {
        self.person().into_iter().flat_map(|person| person.children_named("guardian")).map(|element| Guardian { element })
    }

    /// Where the person was born.
    pub fn birthplace(&self) -> Option<Address<'d>> {
        self.in_person("birthplace")?.path(&["place", "addr"]).map(Address::read)
    }

    /// Languages, with whether each is preferred.
    pub fn languages(&self) -> impl Iterator<Item = Language<'d>> + use<'d> {
        self.person().into_iter().flat_map(|person| person.children_named("languageCommunication")).map(|element| Language {
            code: element.child("languageCode").and_then(|code| code.attr("code")).map(str::trim),
            mode: element.child("modeCode").map(Code::read),
            proficiency: element.child("proficiencyLevelCode").map(Code::read),
            preferred: element.child("preferenceInd").and_then(|flag| flag.attr("value")).map(|flag| flag.trim() == "true"),
        })
    }

    /// The organisation whose patient it is.
    pub fn provider(&self) -> Option<Organization<'d>> {
        self.role.child("providerOrganization").map(|element| Organization { element })
    }
}

/// A language that somebody speaks.
#[derive(Debug, Clone)]
pub struct Language<'d> {
    /// Its code, such as `en` or `en-US`.
    pub code: Option<&'d str>,
    /// Spoken, written, ...
    pub mode: Option<Code<'d>>,
    /// How well.
    pub proficiency: Option<Code<'d>>,
    /// Whether it is preferred, if that is stated.
    pub preferred: Option<bool>,
}

/// A guardian.
#[derive(Debug, Clone, Copy)]
pub struct Guardian<'d> {
    /// `guardian`.
    pub element: Element<'d>,
}

impl<'d> Guardian<'d> {
    contact_methods!(element);

    /// The relationship to the patient.
    pub fn relationship(&self) -> Option<Code<'d>> {
        self.element.child("code").map(Code::read)
    }

    /// Names.
    pub fn names(&self) -> impl Iterator<Item = Name<'d>> + use<'d> {
        self.element.child("guardianPerson").into_iter().flat_map(|person| person.children_named("name")).map(Name::read)
    }

    /// The organisation, where the guardian is none of flesh and blood.
    pub fn organization(&self) -> Option<Organization<'d>> {
        self.element.child("guardianOrganization").map(|element| Organization { element })
    }
}

/// Somebody or something that takes part: author, informant, authenticator, performer, participant.
#[derive(Debug, Clone, Copy)]
pub struct Participation<'d> {
    /// `author` and so on.
    pub element: Element<'d>,
    /// `assignedAuthor`, `assignedEntity`, `associatedEntity` and so on.
    pub role: Element<'d>,
}

impl<'d> Participation<'d> {
    contact_methods!(role);

    /// Reads any participation, of a header or an entry: the first role in it.
    pub fn read(element: Element<'d>) -> Option<Self> {
        const ROLES: [&str; 7] = [
            "assignedAuthor",
            "assignedEntity",
            "associatedEntity",
            "relatedEntity",
            "intendedRecipient",
            "participantRole",
            "responsibleParty",
        ];
        let role = element.children().find(|child| ROLES.contains(&child.name()))?;
        Some(Self { element, role })
    }

    /// `typeCode`: how it takes part.
    pub fn type_code(&self) -> Option<&'d str> {
        self.element.attr("typeCode")
    }

    /// When, as a point.
    pub fn time(&self) -> Option<TimeStamp<'d>> {
        self.element.child("time").map(TimeStamp::read)
    }

    /// When, as an interval.
    pub fn interval(&self) -> Option<Interval<'d>> {
        self.element.child("time").map(Interval::read)
    }

    /// `functionCode` of the participation.
    pub fn function(&self) -> Option<Code<'d>> {
        self.element.child("functionCode").or_else(|| self.element.sdtc("functionCode")).map(Code::read)
    }

    /// What the role is: specialty or relationship.
    pub fn code(&self) -> Option<Code<'d>> {
        self.role.child("code").map(Code::read)
    }

    /// The person.
    pub fn person(&self) -> Option<Element<'d>> {
        const PERSONS: [&str; 6] =
            ["assignedPerson", "associatedPerson", "relatedPerson", "informationRecipient", "playingEntity", "assignedAuthorPerson"];
        self.role.children().find(|child| PERSONS.contains(&child.name()))
    }

    /// The person's names.
    pub fn names(&self) -> impl Iterator<Item = Name<'d>> + use<'d> {
        self.person().into_iter().flat_map(|person| person.children_named("name")).map(Name::read)
    }

    /// The device that wrote it: model and software.
    pub fn device(&self) -> Option<DeviceNames<'d>> {
        let device = self.role.child("assignedAuthoringDevice")?;
        Some((device.child("manufacturerModelName").and_then(trimmed_text), device.child("softwareName").and_then(trimmed_text)))
    }

    /// The organisation it acts for.
    pub fn organization(&self) -> Option<Organization<'d>> {
        const ORGANIZATIONS: [&str; 4] = ["representedOrganization", "scopingOrganization", "receivedOrganization", "scopingEntity"];
        self.role.children().find(|child| ORGANIZATIONS.contains(&child.name())).map(|element| Organization { element })
    }
}

/// Model and software of a device.
pub type DeviceNames<'d> = (Option<Cow<'d, str>>, Option<Cow<'d, str>>);

/// An organisation.
#[derive(Debug, Clone, Copy)]
pub struct Organization<'d> {
    /// The element.
    pub element: Element<'d>,
}

impl<'d> Organization<'d> {
    contact_methods!(element);

    /// Its name.
    pub fn name(&self) -> Option<Cow<'d, str>> {
        self.element.child("name").and_then(trimmed_text)
    }
}

/// What a document documents.
#[derive(Debug, Clone, Copy)]
pub struct ServiceEvent<'d> {
    /// `serviceEvent`.
    pub element: Element<'d>,
}

impl<'d> ServiceEvent<'d> {
    /// What was done.
    pub fn code(&self) -> Option<Code<'d>> {
        self.element.child("code").map(Code::read)
    }

    /// When.
    pub fn effective_time(&self) -> Option<Interval<'d>> {
        self.element.child("effectiveTime").map(Interval::read)
    }

    /// Who did it.
    pub fn performers(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.element.children_named("performer").filter_map(Participation::read)
    }
}

/// The encounter a document is of.
#[derive(Debug, Clone, Copy)]
pub struct EncompassingEncounter<'d> {
    /// `encompassingEncounter`.
    pub element: Element<'d>,
}

impl<'d> EncompassingEncounter<'d> {
    /// Identifiers.
    pub fn ids(&self) -> impl Iterator<Item = Identifier<'d>> + use<'d> {
        Identifier::all(self.element)
    }

    /// What kind of encounter.
    pub fn code(&self) -> Option<Code<'d>> {
        self.element.child("code").map(Code::read)
    }

    /// When.
    pub fn effective_time(&self) -> Option<Interval<'d>> {
        self.element.child("effectiveTime").map(Interval::read)
    }

    /// Where the patient went.
    pub fn discharge_disposition(&self) -> Option<Code<'d>> {
        self.element.child("dischargeDispositionCode").map(Code::read)
    }

    /// Who is responsible.
    pub fn responsible(&self) -> Option<Participation<'d>> {
        self.element.child("responsibleParty").and_then(Participation::read)
    }

    /// Who took part.
    pub fn participants(&self) -> impl Iterator<Item = Participation<'d>> + use<'d> {
        self.element.children_named("encounterParticipant").filter_map(Participation::read)
    }

    /// Where: `healthCareFacility`.
    pub fn facility(&self) -> Option<Element<'d>> {
        self.element.path(&["location", "healthCareFacility"])
    }
}
