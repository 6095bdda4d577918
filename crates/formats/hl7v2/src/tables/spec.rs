//! What the tables are: every column with its HL7 path, type, PHI class and meaning.
//!
//! This is data, read top to bottom like the reference page that is generated from it
//! (`docs/src/reference/hl7v2-tables.md`). How a value is found and converted is in
//! [`super::plan`] and [`super::extract`].

use std::sync::LazyLock;

use arrow::datatypes::{DataType, TimeUnit};
use sutura_core::{ColumnDef, PhiClass, TableDef, record};

use PhiClass::{
    Account, Clinical, Date, Device, Email, FreeText, Geography, HealthPlan, Licence, Mrn, Name, Operational, OtherId, Phone, Quasi, Ssn,
};

/// What produces the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One row a message.
    Message,
    /// One row for each segment of these names.
    Segments(&'static [&'static str]),
    /// One row for each ORC, joined with the OBR that follows it; an OBR of its own is a row too.
    Orders,
    /// One row for each RXA in a VXU message.
    Immunizations,
    /// One row for each value of every field.
    LongForm,
    /// One row for each finding.
    Findings,
}

/// How a value becomes a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text with escapes resolved; absent and `""` are null.
    Text,
    /// All repetitions of the field as text, joined by line feeds.
    AllText,
    /// Number.
    Number,
    /// Whole number.
    Integer,
    /// HL7 date or time as ISO 8601 text with the precision and offset as sent.
    DateTime,
    /// The instant in UTC; null unless an offset is known.
    Instant,
    /// Computed.
    Computed(Computed),
}

/// Cells that are not simply a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Computed {
    Source,
    Offset,
    Length,
    Sha256,
    SegmentCount,
    ObservationCount,
    LabResultCount,
    ZSegmentCount,
    MissingSegments,
    KnownMessageType,
    CharacterSet,
    MessageType,
    TriggerEvent,
    MessageStructure,
    RowSegment,
    DeletedFields,
    Obx(ObxPart),
    DocumentText,
    MessageText,
    NoteParent,
    NoteParentOrdinal,
    LongSegment,
    LongOrdinal,
    LongField,
    LongRepetition,
    LongComponent,
    LongSubcomponent,
    LongPath,
    LongValue,
    LongState,
    FindingCode,
    FindingSeverity,
    FindingLocation,
    FindingMessage,
}

/// Parts of a typed OBX-5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObxPart {
    Text,
    Number,
    Comparator,
    NumberHigh,
    Code,
    CodeText,
    CodeSystem,
    DateTime,
    DataType,
    DataEncoding,
    Data,
}

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: &'static str,
    /// `SEG-f.c.s`; alternatives by row segment are separated by ` | `; `SEG-f(MR)` prefers the
    /// repetition whose fifth component is MR.
    pub path: &'static str,
    pub kind: Kind,
    pub phi: PhiClass,
    pub doc: &'static str,
    pub patient: bool,
}

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub name: &'static str,
    pub doc: &'static str,
    pub rows: Rows,
    pub columns: Vec<Column>,
}

fn column(name: &'static str, path: &'static str, kind: Kind, phi: PhiClass, doc: &'static str) -> Column {
    Column { name, path, kind, phi, doc, patient: false }
}

fn text(name: &'static str, path: &'static str, phi: PhiClass, doc: &'static str) -> Column {
    column(name, path, Kind::Text, phi, doc)
}

fn when(name: &'static str, path: &'static str, doc: &'static str) -> Column {
    column(name, path, Kind::DateTime, Date, doc)
}

fn instant(name: &'static str, path: &'static str, doc: &'static str) -> Column {
    column(name, path, Kind::Instant, Date, doc)
}

fn number(name: &'static str, path: &'static str, phi: PhiClass, doc: &'static str) -> Column {
    column(name, path, Kind::Number, phi, doc)
}

fn integer(name: &'static str, path: &'static str, doc: &'static str) -> Column {
    column(name, path, Kind::Integer, Operational, doc)
}

fn computed(name: &'static str, path: &'static str, what: Computed, phi: PhiClass, doc: &'static str) -> Column {
    column(name, path, Kind::Computed(what), phi, doc)
}

/// The record identity: on every table.
fn identity() -> Vec<Column> {
    let kinds = [Computed::Source, Computed::Offset, Computed::Length, Computed::Sha256];
    let docs = [
        "URI of the file or stream the message came from",
        "byte offset of the message in the source (after decompression)",
        "length of the message in bytes",
        "SHA-256 of the message's bytes, hexadecimal",
    ];
    let names = [record::COL_SOURCE, record::COL_OFFSET, record::COL_LENGTH, record::COL_SHA256];
    names.into_iter().zip(kinds).zip(docs).map(|((name, kind), doc)| computed(name, "", kind, OtherId, doc)).collect()
}

fn patient_id() -> Column {
    let mut column = text("patient_id", "PID-3(MR).1", Mrn, "patient identifier: the repetition of type MR, else the first that is there");
    column.patient = true;
    column
}

/// What joins every clinical row to its message and patient.
fn keys() -> Vec<Column> {
    let mut columns = identity();
    columns.extend([
        text("message_control_id", "MSH-10", OtherId, "message control id"),
        computed("message_type", "MSH-9.1", Computed::MessageType, Operational, "message code"),
        computed("trigger_event", "MSH-9.2", Computed::TriggerEvent, Operational, "trigger event"),
        text("sending_facility", "MSH-4.1", OtherId, "sending facility, namespace id"),
        when("message_datetime", "MSH-7", "date and time of the message"),
        patient_id(),
    ]);
    columns
}

fn table(name: &'static str, doc: &'static str, rows: Rows, own: Vec<Column>) -> Table {
    let mut columns = keys();
    columns.extend(own);
    Table { name, doc, rows, columns }
}

/// All tables; the first is the default one.
pub(crate) fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        vec![
            messages(),
            patients(),
            visits(),
            observations(),
            orders(),
            medications(),
            immunizations(),
            diagnoses(),
            procedures(),
            allergies(),
            insurance(),
            next_of_kin(),
            appointments(),
            documents(),
            charges(),
            notes(),
            segments(),
            findings(),
            raw(),
        ]
    });
    &TABLES
}

fn messages() -> Table {
    let mut columns = identity();
    columns.extend([
        text("message_control_id", "MSH-10", OtherId, "message control id"),
        computed("message_type", "MSH-9.1", Computed::MessageType, Operational, "message code (ADT, ORU, ...)"),
        computed(
            "trigger_event",
            "MSH-9.2",
            Computed::TriggerEvent,
            Operational,
            "trigger event (A01, R01, ...); EVN-1 where MSH-9.2 is absent",
        ),
        computed(
            "message_structure",
            "MSH-9.3",
            Computed::MessageStructure,
            Operational,
            "message structure; derived from type and event where it is absent",
        ),
        text("version", "MSH-12.1", Operational, "HL7 version"),
        text("processing_id", "MSH-11.1", Operational, "processing id: P production, T training, D debugging"),
        text("sending_application", "MSH-3.1", OtherId, "sending application, namespace id"),
        text("sending_facility", "MSH-4.1", OtherId, "sending facility, namespace id"),
        text("receiving_application", "MSH-5.1", OtherId, "receiving application, namespace id"),
        text("receiving_facility", "MSH-6.1", OtherId, "receiving facility, namespace id"),
        when("message_datetime", "MSH-7", "date and time of the message, ISO 8601 with precision and offset as sent"),
        instant("message_datetime_utc", "MSH-7", "the same instant in UTC; null unless an offset is known"),
        text("security", "MSH-8", OtherId, "security"),
        text("country_code", "MSH-17", Quasi, "country code"),
        text("character_set_declared", "MSH-18", Operational, "character sets as declared"),
        computed("character_set", "MSH-18", Computed::CharacterSet, Operational, "character set the message was decoded with"),
        when("recorded_datetime", "EVN-2", "date and time the event was recorded"),
        when("event_datetime", "EVN-6", "date and time the event occurred"),
        instant("event_datetime_utc", "EVN-6", "the same instant in UTC"),
        patient_id(),
        text("patient_id_authority", "PID-3(MR).4.1", OtherId, "assigning authority of the patient identifier"),
        when("patient_birth_date", "PID-7", "date of birth"),
        text("patient_sex", "PID-8.1", Quasi, "administrative sex (table 0001)"),
        text("patient_state", "PID-11.4", Quasi, "state or province of the first address"),
        text("patient_postal_code", "PID-11.5", Geography, "postal code of the first address"),
        text("patient_country", "PID-11.6", Quasi, "country of the first address"),
        text("patient_class", "PV1-2.1", Clinical, "patient class (table 0004)"),
        text("assigned_location", "PV1-3.1", OtherId, "assigned point of care"),
        text("visit_number", "PV1-19.1", Account, "visit number"),
        computed("segment_count", "", Computed::SegmentCount, Operational, "segments in the message"),
        computed("observation_count", "", Computed::ObservationCount, Operational, "OBX segments in the message"),
        computed("lab_result_count", "", Computed::LabResultCount, Operational, "OBX segments with a value in an ORU, OUL or OML message"),
        computed("z_segment_count", "", Computed::ZSegmentCount, Operational, "site-defined (Z) segments in the message"),
        computed(
            "missing_segments",
            "",
            Computed::MissingSegments,
            Operational,
            "required segments that are missing, comma separated; null when complete or the type is not known",
        ),
        computed("known_message_type", "", Computed::KnownMessageType, Operational, "whether type and event are in the dictionary"),
    ]);
    Table { name: "messages", doc: "one row a message: header, event, and who and where it is about", rows: Rows::Message, columns }
}

fn patients() -> Table {
    table(
        "patients",
        "one row for each PID segment: demographics as this message states them",
        Rows::Segments(&["PID"]),
        vec![
            text("patient_id_authority", "PID-3(MR).4.1", OtherId, "assigning authority of the patient identifier"),
            text("patient_id_type", "PID-3(MR).5", Operational, "type of the patient identifier (table 0203)"),
            column("patient_ids", "PID-3", Kind::AllText, Mrn, "every patient identifier as sent, one a line"),
            text("alternate_patient_id", "PID-4.1", Mrn, "alternate patient id (old versions)"),
            text("prior_patient_id", "MRG-1.1", Mrn, "the identifier that is merged away (ADT merges)"),
            text("family_name", "PID-5.1.1", Name, "family name"),
            text("given_name", "PID-5.2", Name, "given name"),
            text("middle_name", "PID-5.3", Name, "second and further given names"),
            text("name_suffix", "PID-5.4", Name, "suffix"),
            text("name_prefix", "PID-5.5", Name, "prefix"),
            column("names", "PID-5", Kind::AllText, Name, "every name as sent, one a line"),
            text("mothers_maiden_name", "PID-6.1.1", Name, "mother's maiden name"),
            when("birth_date", "PID-7", "date of birth, ISO 8601 with the precision as sent"),
            text("sex", "PID-8.1", Quasi, "administrative sex (table 0001)"),
            text("alias_family_name", "PID-9.1.1", Name, "alias, family name"),
            text("race", "PID-10.1", Quasi, "race, code"),
            text("race_text", "PID-10.2", Quasi, "race, text"),
            text("street", "PID-11.1.1", Geography, "street address"),
            text("street_other", "PID-11.2", Geography, "other designation (apartment)"),
            text("city", "PID-11.3", Geography, "city"),
            text("state", "PID-11.4", Quasi, "state or province"),
            text("postal_code", "PID-11.5", Geography, "postal code"),
            text("country", "PID-11.6", Quasi, "country"),
            text("county", "PID-12", Geography, "county code (withdrawn)"),
            text("phone_home", "PID-13.1", Phone, "home telephone, as sent"),
            text("email", "PID-13.4", Email, "e-mail address"),
            text("phone_business", "PID-14.1", Phone, "business telephone, as sent"),
            text("primary_language", "PID-15.1", Quasi, "primary language"),
            text("marital_status", "PID-16.1", Quasi, "marital status (table 0002)"),
            text("religion", "PID-17.1", Quasi, "religion"),
            text("account_number", "PID-18.1", Account, "patient account number"),
            text("ssn", "PID-19", Ssn, "social security number"),
            text("driver_license", "PID-20.1", Licence, "driver's licence number"),
            text("mothers_id", "PID-21.1", Mrn, "mother's identifier"),
            text("ethnic_group", "PID-22.1", Quasi, "ethnic group"),
            text("birth_place", "PID-23", Geography, "birth place"),
            text("multiple_birth", "PID-24", Quasi, "multiple birth indicator"),
            integer("birth_order", "PID-25", "birth order"),
            when("death_datetime", "PID-29", "date and time of death"),
            text("death_indicator", "PID-30", Clinical, "death indicator"),
            when("last_update_datetime", "PID-33", "last update of the record"),
            text("primary_care_provider_id", "PD1-4.1", Licence, "primary care provider, identifier"),
            computed(
                "deleted_fields",
                "PID",
                Computed::DeletedFields,
                Operational,
                "paths sent as \"\" (delete the stored value), comma separated",
            ),
        ],
    )
}

fn visits() -> Table {
    table(
        "visits",
        "one row for each PV1 segment",
        Rows::Segments(&["PV1"]),
        vec![
            text("visit_number", "PV1-19.1", Account, "visit number"),
            text("patient_class", "PV1-2.1", Clinical, "patient class (table 0004)"),
            text("location_point_of_care", "PV1-3.1", OtherId, "assigned location: point of care"),
            text("location_room", "PV1-3.2", OtherId, "assigned location: room"),
            text("location_bed", "PV1-3.3", OtherId, "assigned location: bed"),
            text("location_facility", "PV1-3.4.1", OtherId, "assigned location: facility"),
            text("admission_type", "PV1-4.1", Clinical, "admission type"),
            text("preadmit_number", "PV1-5.1", Account, "preadmit number"),
            text("prior_location", "PV1-6.1", OtherId, "prior location: point of care"),
            text("attending_id", "PV1-7.1", Licence, "attending doctor: identifier"),
            text("attending_family_name", "PV1-7.2.1", Name, "attending doctor: family name"),
            text("attending_given_name", "PV1-7.3", Name, "attending doctor: given name"),
            text("referring_id", "PV1-8.1", Licence, "referring doctor: identifier"),
            text("referring_family_name", "PV1-8.2.1", Name, "referring doctor: family name"),
            text("consulting_id", "PV1-9.1", Licence, "consulting doctor: identifier"),
            text("hospital_service", "PV1-10.1", Clinical, "hospital service"),
            text("admit_source", "PV1-14.1", Clinical, "admit source"),
            text("vip_indicator", "PV1-16.1", Quasi, "VIP indicator"),
            text("admitting_id", "PV1-17.1", Licence, "admitting doctor: identifier"),
            text("patient_type", "PV1-18.1", Clinical, "patient type"),
            text("financial_class", "PV1-20.1.1", Quasi, "financial class"),
            text("discharge_disposition", "PV1-36.1", Clinical, "discharge disposition"),
            text("discharged_to", "PV1-37.1", OtherId, "discharged to location"),
            text("servicing_facility", "PV1-39.1", OtherId, "servicing facility"),
            text("account_status", "PV1-41.1", Operational, "account status"),
            when("admit_datetime", "PV1-44", "admission date and time"),
            instant("admit_datetime_utc", "PV1-44", "the same instant in UTC"),
            when("discharge_datetime", "PV1-45", "discharge date and time"),
            instant("discharge_datetime_utc", "PV1-45", "the same instant in UTC"),
            text("alternate_visit_id", "PV1-50.1", Account, "alternate visit id"),
            text("admit_reason_code", "PV2-3.1", Clinical, "admit reason, code"),
            text("admit_reason", "PV2-3.2", FreeText, "admit reason, text"),
            when("expected_discharge_datetime", "PV2-9", "expected discharge date and time"),
        ],
    )
}

fn observations() -> Table {
    table(
        "observations",
        "one row for each OBX segment with its order (OBR, ORC) and the value in typed columns",
        Rows::Segments(&["OBX"]),
        vec![
            text("patient_class", "PV1-2.1", Clinical, "patient class of the visit"),
            text("visit_number", "PV1-19.1", Account, "visit number"),
            text("placer_order_number", "OBR-2.1", OtherId, "placer order number of the order"),
            text("filler_order_number", "OBR-3.1", OtherId, "filler order number of the order"),
            text("order_control", "ORC-1", Operational, "order control of the order"),
            text("order_code", "OBR-4.1", Clinical, "universal service identifier: code"),
            text("order_name", "OBR-4.2", Clinical, "universal service identifier: text"),
            text("order_coding_system", "OBR-4.3", Operational, "universal service identifier: coding system"),
            when("specimen_datetime", "OBR-7", "observation (specimen collection) date and time of the order"),
            text("specimen_source", "OBR-15.1.1", Clinical, "specimen source of the order"),
            text("order_result_status", "OBR-25", Operational, "result status of the order (table 0123)"),
            integer("set_id", "OBX-1", "set id"),
            text("value_type", "OBX-2", Operational, "value type (table 0125)"),
            text("observation_code", "OBX-3.1", Clinical, "observation identifier: code"),
            text("observation_name", "OBX-3.2", Clinical, "observation identifier: text"),
            text("observation_coding_system", "OBX-3.3", Operational, "observation identifier: coding system"),
            text("observation_alternate_code", "OBX-3.4", Clinical, "observation identifier: alternate code"),
            text("observation_sub_id", "OBX-4.1", Operational, "observation sub-id"),
            computed(
                "value_text",
                "OBX-5",
                Computed::Obx(ObxPart::Text),
                FreeText,
                "the value as text, whatever its type; repetitions one a line (encapsulated data is in value_data)",
            ),
            computed("value_number", "OBX-5", Computed::Obx(ObxPart::Number), Clinical, "the number of an NM or SN value"),
            computed(
                "value_comparator",
                "OBX-5.1",
                Computed::Obx(ObxPart::Comparator),
                Clinical,
                "comparator of an SN value (<, >, <=, >=, =, <>)",
            ),
            computed(
                "value_number_high",
                "OBX-5.4",
                Computed::Obx(ObxPart::NumberHigh),
                Clinical,
                "second number of an SN value (upper end of a range, denominator of a ratio)",
            ),
            computed("value_code", "OBX-5.1", Computed::Obx(ObxPart::Code), Clinical, "code of a CE, CWE, CNE or CF value"),
            computed("value_code_text", "OBX-5.2", Computed::Obx(ObxPart::CodeText), FreeText, "text of a coded value"),
            computed("value_coding_system", "OBX-5.3", Computed::Obx(ObxPart::CodeSystem), Operational, "coding system of a coded value"),
            computed("value_datetime", "OBX-5", Computed::Obx(ObxPart::DateTime), Date, "ISO 8601 text of a DT, TM, TS or DTM value"),
            computed("value_data_type", "OBX-5.2", Computed::Obx(ObxPart::DataType), Operational, "type and subtype of an ED or RP value"),
            computed(
                "value_data_encoding",
                "OBX-5.4",
                Computed::Obx(ObxPart::DataEncoding),
                Operational,
                "encoding of an ED value (A, Hex, Base64)",
            ),
            computed(
                "value_data",
                "OBX-5.5",
                Computed::Obx(ObxPart::Data),
                FreeText,
                "data of an ED value as sent, pointer of an RP value",
            ),
            text("units", "OBX-6.1", Clinical, "units: code"),
            text("units_system", "OBX-6.3", Operational, "units: coding system"),
            text("reference_range", "OBX-7", Clinical, "reference range"),
            text("abnormal_flags", "OBX-8.1", Clinical, "interpretation code (table 0078)"),
            number("probability", "OBX-9", Clinical, "probability"),
            text("result_status", "OBX-11", Operational, "observation result status (table 0085)"),
            when("observation_datetime", "OBX-14", "date and time of the observation"),
            instant("observation_datetime_utc", "OBX-14", "the same instant in UTC"),
            text("producer_id", "OBX-15.1", OtherId, "producer's id"),
            text("responsible_observer_id", "OBX-16.1", Licence, "responsible observer: identifier"),
            text("method_code", "OBX-17.1", Clinical, "observation method"),
            text("device_id", "OBX-18.1", Device, "equipment instance identifier"),
            when("analysis_datetime", "OBX-19", "date and time of the analysis"),
            text("performing_organization", "OBX-23.1", OtherId, "performing organization"),
        ],
    )
}

fn orders() -> Table {
    table(
        "orders",
        "one row for each order: ORC joined with its OBR; an OBR without ORC is a row too",
        Rows::Orders,
        vec![
            text("order_control", "ORC-1", Operational, "order control (table 0119)"),
            text("placer_order_number", "OBR-2.1 | ORC-2.1", OtherId, "placer order number"),
            text("filler_order_number", "OBR-3.1 | ORC-3.1", OtherId, "filler order number"),
            text("placer_group_number", "ORC-4.1", OtherId, "placer group number"),
            text("order_status", "ORC-5", Operational, "order status (table 0038)"),
            when("transaction_datetime", "ORC-9", "date and time of the transaction"),
            instant("transaction_datetime_utc", "ORC-9", "the same instant in UTC"),
            text("ordering_provider_id", "OBR-16.1 | ORC-12.1", Licence, "ordering provider: identifier"),
            text("ordering_provider_family_name", "OBR-16.2.1 | ORC-12.2.1", Name, "ordering provider: family name"),
            text("ordering_facility", "ORC-21.1", OtherId, "ordering facility"),
            integer("set_id", "OBR-1", "set id"),
            text("order_code", "OBR-4.1", Clinical, "universal service identifier: code"),
            text("order_name", "OBR-4.2", Clinical, "universal service identifier: text"),
            text("order_coding_system", "OBR-4.3", Operational, "universal service identifier: coding system"),
            when("requested_datetime", "OBR-6", "requested date and time (withdrawn)"),
            when("specimen_datetime", "OBR-7", "observation (specimen collection) date and time"),
            instant("specimen_datetime_utc", "OBR-7", "the same instant in UTC"),
            when("specimen_received_datetime", "OBR-14", "specimen received date and time"),
            text("specimen_source", "OBR-15.1.1", Clinical, "specimen source"),
            when("result_datetime", "OBR-22", "date and time of the results report or status change"),
            text("diagnostic_service", "OBR-24", Operational, "diagnostic service section (table 0074)"),
            text("result_status", "OBR-25", Operational, "result status (table 0123)"),
            text("reason_code", "OBR-31.1", Clinical, "reason for study: code"),
            text("reason", "OBR-31.2", FreeText, "reason for study: text"),
            text("relevant_clinical_information", "OBR-13", FreeText, "relevant clinical information"),
        ],
    )
}

fn medications() -> Table {
    table(
        "medications",
        "one row for each RXO, RXE, RXD, RXG, RXC segment and each RXA outside VXU messages",
        Rows::Segments(&["RXO", "RXE", "RXD", "RXG", "RXA", "RXC"]),
        vec![
            computed(
                "source_segment",
                "",
                Computed::RowSegment,
                Operational,
                "segment of the row: RXO ordered, RXE encoded, RXD dispensed, RXG given, RXA administered, RXC component",
            ),
            text("order_control", "ORC-1", Operational, "order control of the order"),
            text("placer_order_number", "ORC-2.1", OtherId, "placer order number"),
            text("filler_order_number", "ORC-3.1", OtherId, "filler order number"),
            text("drug_code", "RXO-1.1 | RXE-2.1 | RXD-2.1 | RXG-4.1 | RXA-5.1 | RXC-2.1", Clinical, "drug: code"),
            text("drug_name", "RXO-1.2 | RXE-2.2 | RXD-2.2 | RXG-4.2 | RXA-5.2 | RXC-2.2", Clinical, "drug: text"),
            text("drug_coding_system", "RXO-1.3 | RXE-2.3 | RXD-2.3 | RXG-4.3 | RXA-5.3 | RXC-2.3", Operational, "drug: coding system"),
            number("amount", "RXO-2 | RXE-3 | RXD-4 | RXG-5 | RXA-6 | RXC-3", Clinical, "amount (the minimum, where a range is ordered)"),
            number("amount_maximum", "RXO-3 | RXE-4 | RXG-6", Clinical, "maximum amount"),
            text("amount_units", "RXO-4.1 | RXE-5.1 | RXD-5.1 | RXG-7.1 | RXA-7.1 | RXC-4.1", Clinical, "units of the amount"),
            text("dosage_form", "RXO-5.1 | RXE-6.1 | RXD-6.1 | RXG-8.1 | RXA-8.1", Clinical, "dosage form"),
            column("instructions", "RXO-6.2 | RXE-7.2 | RXD-9", Kind::Text, FreeText, "administration instructions or notes"),
            text("component_type", "RXC-1", Clinical, "component type: B base, A additive"),
            text("route_code", "RXR-1.1", Clinical, "route: code"),
            text("route_name", "RXR-1.2", Clinical, "route: text"),
            text("site_code", "RXR-2.1", Clinical, "administration site: code"),
            text("frequency", "TQ1-3.1.1 | RXE-1.2.1", Clinical, "repeat pattern"),
            number("dispense_amount", "RXE-10", Clinical, "dispense amount"),
            integer("refills", "RXE-12", "number of refills"),
            text("prescription_number", "RXE-15 | RXD-7", OtherId, "prescription number"),
            when("start_datetime", "RXA-3 | RXG-3.4 | RXD-3 | RXE-1.4", "start of administration, dispense time, or start of the order"),
            when("end_datetime", "RXA-4 | RXE-1.5", "end of administration or of the order"),
            text(
                "administering_provider_id",
                "RXA-10.1 | RXG-10.1 | RXD-10.1",
                Licence,
                "administering or dispensing provider: identifier",
            ),
            text("lot_number", "RXA-15 | RXD-18 | RXG-19", OtherId, "lot number"),
            text("completion_status", "RXA-20", Operational, "completion status (table 0322)"),
        ],
    )
}

fn immunizations() -> Table {
    table(
        "immunizations",
        "one row for each RXA segment of a VXU message",
        Rows::Immunizations,
        vec![
            text("placer_order_number", "ORC-2.1", OtherId, "placer order number"),
            text("filler_order_number", "ORC-3.1", OtherId, "filler order number"),
            integer("sub_id", "RXA-2", "administration sub-id"),
            when("administered_datetime", "RXA-3", "start of administration"),
            instant("administered_datetime_utc", "RXA-3", "the same instant in UTC"),
            text("vaccine_code", "RXA-5.1", Clinical, "vaccine: code (usually CVX)"),
            text("vaccine_name", "RXA-5.2", Clinical, "vaccine: text"),
            text("vaccine_coding_system", "RXA-5.3", Operational, "vaccine: coding system"),
            text("vaccine_alternate_code", "RXA-5.4", Clinical, "vaccine: alternate code (often NDC)"),
            number("amount", "RXA-6", Clinical, "administered amount (999 means not recorded)"),
            text("amount_units", "RXA-7.1", Clinical, "units"),
            text("information_source", "RXA-9.1", FreeText, "administration notes: 00 new, 01 historical (NIP001)"),
            text("administering_provider_id", "RXA-10.1", Licence, "administering provider: identifier"),
            text("administered_at", "RXA-11.4.1", OtherId, "administered-at location: facility"),
            text("lot_number", "RXA-15", OtherId, "lot number"),
            when("expiration_date", "RXA-16", "expiration date of the substance"),
            text("manufacturer_code", "RXA-17.1", Clinical, "manufacturer: code (MVX)"),
            text("manufacturer_name", "RXA-17.2", Clinical, "manufacturer: text"),
            text("refusal_reason", "RXA-18.1", Clinical, "substance refusal reason"),
            text("completion_status", "RXA-20", Operational, "completion status (table 0322)"),
            text("action_code", "RXA-21", Operational, "action code (A add, D delete, U update)"),
            text("route_code", "RXR-1.1", Clinical, "route: code"),
            text("site_code", "RXR-2.1", Clinical, "administration site: code"),
        ],
    )
}

fn diagnoses() -> Table {
    table(
        "diagnoses",
        "one row for each DG1 segment",
        Rows::Segments(&["DG1"]),
        vec![
            text("visit_number", "PV1-19.1", Account, "visit number"),
            integer("set_id", "DG1-1", "set id"),
            text("coding_method", "DG1-2", Operational, "coding method (old versions)"),
            text("diagnosis_code", "DG1-3.1", Clinical, "diagnosis: code"),
            text("diagnosis_name", "DG1-3.2", Clinical, "diagnosis: text"),
            text("diagnosis_coding_system", "DG1-3.3", Operational, "diagnosis: coding system"),
            text("description", "DG1-4", FreeText, "diagnosis description (old versions)"),
            when("diagnosis_datetime", "DG1-5", "diagnosis date and time"),
            text("diagnosis_type", "DG1-6.1", Clinical, "diagnosis type (table 0052: A admitting, W working, F final)"),
            text("priority", "DG1-15", Clinical, "diagnosis priority"),
            text("clinician_id", "DG1-16.1", Licence, "diagnosing clinician: identifier"),
            text("action_code", "DG1-21", Operational, "action code"),
        ],
    )
}

fn procedures() -> Table {
    table(
        "procedures",
        "one row for each PR1 segment",
        Rows::Segments(&["PR1"]),
        vec![
            text("visit_number", "PV1-19.1", Account, "visit number"),
            integer("set_id", "PR1-1", "set id"),
            text("procedure_code", "PR1-3.1", Clinical, "procedure: code"),
            text("procedure_name", "PR1-3.2", Clinical, "procedure: text"),
            text("procedure_coding_system", "PR1-3.3", Operational, "procedure: coding system"),
            text("description", "PR1-4", FreeText, "procedure description (old versions)"),
            when("procedure_datetime", "PR1-5", "procedure date and time"),
            text("functional_type", "PR1-6.1", Clinical, "functional type (table 0230)"),
            number("minutes", "PR1-7", Clinical, "duration in minutes"),
            text("surgeon_id", "PR1-11.1", Licence, "surgeon: identifier"),
            text("associated_diagnosis", "PR1-15.1", Clinical, "associated diagnosis: code"),
            text("modifier", "PR1-16.1", Clinical, "procedure code modifier"),
        ],
    )
}

fn allergies() -> Table {
    table(
        "allergies",
        "one row for each AL1 or IAM segment",
        Rows::Segments(&["AL1", "IAM"]),
        vec![
            computed("source_segment", "", Computed::RowSegment, Operational, "AL1 or IAM"),
            text("set_id", "AL1-1.1 | IAM-1", Operational, "set id"),
            text("allergen_type", "AL1-2.1 | IAM-2.1", Clinical, "allergen type (table 0127)"),
            text("allergen_code", "AL1-3.1 | IAM-3.1", Clinical, "allergen: code"),
            text("allergen_name", "AL1-3.2 | IAM-3.2", Clinical, "allergen: text"),
            text("allergen_coding_system", "AL1-3.3 | IAM-3.3", Operational, "allergen: coding system"),
            text("severity", "AL1-4.1 | IAM-4.1", Clinical, "severity (table 0128)"),
            column("reactions", "AL1-5 | IAM-5", Kind::AllText, FreeText, "reactions, one a line"),
            when("identification_date", "AL1-6 | IAM-13", "identification or reported date"),
            text("action_code", "IAM-6.1", Operational, "action code (table 0323)"),
            text("clinical_status", "IAM-17.1", Clinical, "clinical status of the allergy"),
        ],
    )
}

fn insurance() -> Table {
    table(
        "insurance",
        "one row for each IN1 segment",
        Rows::Segments(&["IN1"]),
        vec![
            integer("set_id", "IN1-1", "set id"),
            text("plan_id", "IN1-2.1", OtherId, "health plan id"),
            text("plan_name", "IN1-2.2", OtherId, "health plan: text"),
            text("company_id", "IN1-3.1", OtherId, "insurance company id"),
            text("company_name", "IN1-4.1", OtherId, "insurance company name"),
            text("group_number", "IN1-8", HealthPlan, "group number"),
            text("group_name", "IN1-9.1", HealthPlan, "group name"),
            when("plan_effective_date", "IN1-12", "plan effective date"),
            when("plan_expiration_date", "IN1-13", "plan expiration date"),
            text("plan_type", "IN1-15.1", Quasi, "plan type"),
            text("insured_family_name", "IN1-16.1.1", Name, "insured: family name"),
            text("insured_given_name", "IN1-16.2", Name, "insured: given name"),
            text("insured_relationship", "IN1-17.1", Quasi, "insured's relationship to the patient"),
            when("insured_birth_date", "IN1-18", "insured's date of birth"),
            text("policy_number", "IN1-36", HealthPlan, "policy number"),
            text("insured_id", "IN1-49.1", HealthPlan, "insured's id number"),
            text("insured_ssn", "IN2-2", Ssn, "insured's social security number"),
            text("medicare_number", "IN2-6", HealthPlan, "medicare health insurance card number"),
            text("medicaid_number", "IN2-8", HealthPlan, "medicaid case number"),
        ],
    )
}

fn next_of_kin() -> Table {
    table(
        "next_of_kin",
        "one row for each NK1 segment",
        Rows::Segments(&["NK1"]),
        vec![
            integer("set_id", "NK1-1", "set id"),
            text("family_name", "NK1-2.1.1", Name, "family name"),
            text("given_name", "NK1-2.2", Name, "given name"),
            text("relationship_code", "NK1-3.1", Quasi, "relationship: code (table 0063)"),
            text("relationship", "NK1-3.2", Quasi, "relationship: text"),
            text("street", "NK1-4.1.1", Geography, "street address"),
            text("city", "NK1-4.3", Geography, "city"),
            text("state", "NK1-4.4", Quasi, "state or province"),
            text("postal_code", "NK1-4.5", Geography, "postal code"),
            text("phone", "NK1-5.1", Phone, "telephone, as sent"),
            text("business_phone", "NK1-6.1", Phone, "business telephone, as sent"),
            text("contact_role", "NK1-7.1", Quasi, "contact role (table 0131)"),
            when("start_date", "NK1-8", "start date"),
            when("birth_date", "NK1-16", "date of birth"),
            text("sex", "NK1-15.1", Quasi, "administrative sex"),
        ],
    )
}

fn appointments() -> Table {
    table(
        "appointments",
        "one row for each SCH segment with the first service (AIS), person (AIP) and location (AIL) that follow",
        Rows::Segments(&["SCH"]),
        vec![
            text("placer_appointment_id", "SCH-1.1", OtherId, "placer appointment id"),
            text("filler_appointment_id", "SCH-2.1", OtherId, "filler appointment id"),
            text("event_reason_code", "SCH-6.1", Clinical, "event reason: code"),
            text("appointment_reason_code", "SCH-7.1", Clinical, "appointment reason: code"),
            text("appointment_reason", "SCH-7.2", FreeText, "appointment reason: text"),
            text("appointment_type", "SCH-8.1", Clinical, "appointment type"),
            number("duration", "SCH-9", Operational, "duration"),
            text("duration_units", "SCH-10.1", Operational, "duration units"),
            when("start_datetime", "AIS-4 | SCH-11.4", "start date and time"),
            instant("start_datetime_utc", "AIS-4 | SCH-11.4", "the same instant in UTC"),
            when("end_datetime", "SCH-11.5", "end date and time"),
            text("filler_contact_id", "SCH-16.1", Licence, "filler contact person: identifier"),
            text("filler_status", "SCH-25.1", Operational, "filler status (table 0278)"),
            text("service_code", "AIS-3.1", Clinical, "service: code"),
            text("service_name", "AIS-3.2", Clinical, "service: text"),
            text("personnel_id", "AIP-3.1", Licence, "personnel: identifier"),
            text("location", "AIL-3.1", OtherId, "location: point of care"),
        ],
    )
}

fn documents() -> Table {
    table(
        "documents",
        "one row for each TXA segment with the text of the OBX segments that follow",
        Rows::Segments(&["TXA"]),
        vec![
            integer("set_id", "TXA-1", "set id"),
            text("document_type", "TXA-2.1", Clinical, "document type (table 0270)"),
            text("document_type_text", "TXA-2.2", Clinical, "document type: text"),
            text("content_presentation", "TXA-3", Operational, "document content presentation"),
            when("activity_datetime", "TXA-4", "activity date and time"),
            when("origination_datetime", "TXA-6", "origination date and time"),
            when("transcription_datetime", "TXA-7", "transcription date and time"),
            text("originator_id", "TXA-9.1", Licence, "originator: identifier"),
            text("originator_family_name", "TXA-9.2.1", Name, "originator: family name"),
            text("document_number", "TXA-12.1", OtherId, "unique document number"),
            text("parent_document_number", "TXA-13.1", OtherId, "parent document number"),
            text("file_name", "TXA-16", OtherId, "unique document file name"),
            text("completion_status", "TXA-17", Operational, "document completion status (table 0271)"),
            text("confidentiality", "TXA-18", Operational, "confidentiality status (table 0272)"),
            text("availability", "TXA-19", Operational, "availability status (table 0273)"),
            text("title", "TXA-25", FreeText, "document title"),
            computed(
                "content",
                "OBX-5",
                Computed::DocumentText,
                FreeText,
                "text of the OBX segments (ST, TX, FT) that follow, one value a line",
            ),
        ],
    )
}

fn charges() -> Table {
    table(
        "charges",
        "one row for each FT1 segment",
        Rows::Segments(&["FT1"]),
        vec![
            text("visit_number", "PV1-19.1", Account, "visit number"),
            integer("set_id", "FT1-1", "set id"),
            text("transaction_id", "FT1-2.1", OtherId, "transaction id"),
            text("batch_id", "FT1-3", OtherId, "transaction batch id"),
            when("transaction_date", "FT1-4.1", "transaction date"),
            when("posting_date", "FT1-5", "posting date"),
            text("transaction_type", "FT1-6.1", Operational, "transaction type (table 0017)"),
            text("transaction_code", "FT1-7.1", Clinical, "transaction: code"),
            text("transaction_name", "FT1-7.2", Clinical, "transaction: text"),
            number("quantity", "FT1-10", Clinical, "quantity"),
            number("amount_extended", "FT1-11.1.1", Clinical, "extended amount"),
            number("amount_unit", "FT1-12.1.1", Clinical, "unit amount"),
            text("currency", "FT1-11.1.2", Operational, "currency of the extended amount"),
            text("diagnosis_code", "FT1-19.1", Clinical, "diagnosis: code"),
            text("performed_by_id", "FT1-20.1", Licence, "performed by: identifier"),
            text("ordered_by_id", "FT1-21.1", Licence, "ordered by: identifier"),
            text("filler_order_number", "FT1-23.1", OtherId, "filler order number"),
            text("procedure_code", "FT1-25.1", Clinical, "procedure: code"),
            text("procedure_modifier", "FT1-26.1", Clinical, "procedure code modifier"),
        ],
    )
}

fn notes() -> Table {
    table(
        "notes",
        "one row for each NTE segment with the segment it comments on",
        Rows::Segments(&["NTE"]),
        vec![
            integer("set_id", "NTE-1", "set id"),
            computed("parent_segment", "", Computed::NoteParent, Operational, "name of the segment the note belongs to"),
            computed("parent_ordinal", "", Computed::NoteParentOrdinal, Operational, "which segment of that name, from 1"),
            text("note_source", "NTE-2", Operational, "source of the comment (table 0105)"),
            column("note_text", "NTE-3", Kind::AllText, FreeText, "the comment; repetitions one a line"),
            text("note_type", "NTE-4.1", Operational, "comment type (table 0364)"),
        ],
    )
}

fn segments() -> Table {
    let mut columns = identity();
    columns.extend([
        text("message_control_id", "MSH-10", OtherId, "message control id"),
        patient_id(),
        computed("segment", "", Computed::LongSegment, Operational, "segment name as sent"),
        computed("segment_ordinal", "", Computed::LongOrdinal, Operational, "place among the segments of that name, from 1"),
        computed("field", "", Computed::LongField, Operational, "field number, from 1"),
        computed("repetition", "", Computed::LongRepetition, Operational, "repetition, from 1"),
        computed("component", "", Computed::LongComponent, Operational, "component, from 1"),
        computed("subcomponent", "", Computed::LongSubcomponent, Operational, "sub-component, from 1"),
        computed("path", "", Computed::LongPath, Operational, "the whole path, such as PID-3[2].4.1 or OBX[3]-5"),
        computed("value", "", Computed::LongValue, FreeText, "the value with escapes resolved; null for \"\""),
        computed(
            "state",
            "",
            Computed::LongState,
            Operational,
            "value, or null for \"\" (delete the stored value); absent parts have no row",
        ),
    ]);
    Table {
        name: "segments",
        doc: "every field of every segment in long form, Z segments and unknown ones too; one row a value",
        rows: Rows::LongForm,
        columns,
    }
}

fn findings() -> Table {
    let mut columns = keys();
    columns.extend([
        computed("code", "", Computed::FindingCode, Operational, "stable code of the finding"),
        computed("severity", "", Computed::FindingSeverity, Operational, "error, warning or info"),
        computed("location", "", Computed::FindingLocation, Operational, "HL7 path of the place"),
        computed("message", "", Computed::FindingMessage, Operational, "what is wrong, without any content"),
    ]);
    Table { name: "findings", doc: "one row for each finding: what was read but is not right", rows: Rows::Findings, columns }
}

fn raw() -> Table {
    let mut columns = identity();
    columns.push(computed("text", "", Computed::MessageText, FreeText, "the whole message as text, in UTF-8, its segments as sent"));
    Table {
        name: "raw",
        doc: "one row for each message, as it was sent: what hl7() and hl7v2_to_fhir() take",
        rows: Rows::Message,
        columns,
    }
}

/// The Arrow type of a kind.
fn data_type(kind: Kind) -> DataType {
    use Computed as C;
    match kind {
        Kind::Text | Kind::AllText | Kind::DateTime => DataType::Utf8View,
        Kind::Number | Kind::Computed(C::Obx(ObxPart::Number | ObxPart::NumberHigh)) => DataType::Float64,
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Computed(C::KnownMessageType) => DataType::Boolean,
        Kind::Integer
        | Kind::Computed(
            C::Offset
            | C::Length
            | C::SegmentCount
            | C::ObservationCount
            | C::LabResultCount
            | C::ZSegmentCount
            | C::NoteParentOrdinal
            | C::LongOrdinal
            | C::LongField
            | C::LongRepetition
            | C::LongComponent
            | C::LongSubcomponent,
        ) => DataType::Int64,
        Kind::Computed(_) => DataType::Utf8View,
    }
}

/// The tables as the engine sees them.
pub(crate) fn definitions() -> &'static [TableDef] {
    static DEFINITIONS: LazyLock<Vec<TableDef>> = LazyLock::new(|| {
        let define = |column: &Column| {
            let path = column.path.replace("(MR)", "");
            let definition = ColumnDef::new(column.name, data_type(column.kind), path, column.phi.clone(), column.doc);
            if column.patient { definition.identifies_patient() } else { definition }
        };
        tables().iter().map(|table| TableDef::new(table.name, table.doc, table.columns.iter().map(define).collect())).collect()
    });
    &DEFINITIONS
}
