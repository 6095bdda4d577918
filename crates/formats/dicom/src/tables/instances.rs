//! `instances`: one row for each file, and the columns that every table has.

use std::borrow::Cow;

use sutura_core::{PartialDateTime, PhiClass, record};

use super::spec::{Column, Form::*, Read, Row, Rows, Table, computed, file, table};
use crate::{
    dictionary,
    element::{DataSet, Element},
    json,
    syntax::Encoding,
    tag::Tag,
    value,
};

/// Identity of the file.
pub(super) fn identity() -> Vec<Column> {
    let identity = |name, doc, read| computed(name, "", PhiClass::OtherId, doc, read);
    vec![
        identity(
            record::COL_SOURCE,
            "URI of the file or stream the record came from",
            Read::FileText(|record| Some(Cow::Borrowed(record.source))),
        ),
        identity(record::COL_OFFSET, "byte offset of the record in the source (after decompression)", Read::FileInteger(|_| Some(0))),
        identity(record::COL_LENGTH, "length of the record in bytes", Read::FileInteger(|record| i64::try_from(record.length).ok())),
        identity(
            record::COL_SHA256,
            "SHA-256 of the record's bytes, hexadecimal",
            Read::FileText(|record| Some(Cow::Owned(record.sha256().to_owned()))),
        ),
    ]
}

/// Identity of the file and of the instance in it.
pub(super) fn common() -> Vec<Column> {
    let mut columns = identity();
    columns.extend([
        file("sop_instance_uid", "SOPInstanceUID", Text),
        file("series_instance_uid", "SeriesInstanceUID", Text),
        file("study_instance_uid", "StudyInstanceUID", Text),
        file("patient_id", "PatientID", Text).of_patient(),
    ]);
    columns
}

/// The files themselves, for steps that treat them whole.
pub(super) fn raw() -> Table {
    // Of a file above the limit only the beginning is held, and a beginning is no file.
    let whole = Read::Bytes(|row| (row.record.bytes.len() as u64 == row.record.length).then_some(row.record.bytes));
    let doc = "the whole file as it was sent; null of one that is larger than the limit";
    table(
        "raw",
        "one row for each instance: the file as a whole",
        Rows::Instances,
        vec![computed("content", "", PhiClass::FreeText, doc, whole)],
    )
}

/// An element of the file meta information.
fn meta<'d>(row: &Row<'d>, tag: u32) -> Option<Cow<'d, str>> {
    row.record.file.meta().text(Tag(tag))
}

/// The offset from UTC that the data set states.
fn offset(data_set: DataSet<'_>) -> Option<i16> {
    value::offset_minutes(data_set.get(Tag(0x0008_0201))?.bytes())
}

/// Date and time of two elements together.
fn moment(data_set: DataSet<'_>, date: u32, time: u32) -> Option<PartialDateTime> {
    let date = value::date(data_set.get(Tag(date))?.bytes())?;
    let time = data_set.get(Tag(time)).and_then(|time| value::time(time.bytes()));
    value::joined(date, time, offset(data_set))
}

fn acquired(row: &Row<'_>) -> Option<PartialDateTime> {
    let data_set = row.record.data_set;
    if let Some(stated) = data_set.get(Tag(0x0008_002A)).and_then(|element| value::date_time(element.bytes())) {
        let offset = stated.offset_minutes().or_else(|| offset(data_set));
        return PartialDateTime::new(stated.local(), stated.precision(), offset);
    }
    moment(data_set, 0x0008_0022, 0x0008_0032)
}

fn pixels<'d>(row: &Row<'d>) -> Option<Element<'d>> {
    row.record.file.pixel_data()
}

/// Bytes of the pixel data in the file: also of those that were not read.
fn pixel_bytes(row: &Row<'_>) -> Option<i64> {
    let element = pixels(row)?;
    let is_open = row.record.file.is_beginning() && element.is_fragments();
    if is_open && row.record.file.deflated_bytes().is_none() {
        return i64::try_from(row.record.length).ok().map(|length| length - element.offset() as i64);
    }
    (!is_open).then_some(element.length() as i64)
}

pub(super) fn instances() -> Table {
    use PhiClass::{FreeText, Operational};
    let own = vec![
        file("sop_class_uid", "SOPClassUID", Text),
        computed(
            "sop_class_name",
            "(0008,0016)",
            Operational,
            "name of the SOP class",
            Read::Text(|row| dictionary::sop_class_name(&row.record.data_set.text(Tag(0x0008_0016))?).map(Cow::Borrowed)),
        ),
        computed("transfer_syntax_uid", "(0002,0010)", Operational, "Transfer Syntax UID", Read::Text(|row| meta(row, 0x0002_0010))),
        computed(
            "encoding",
            "",
            Operational,
            "how the data set is really written: implicit-little, explicit-little, explicit-big; with -deflated",
            Read::Text(|row| {
                let syntax = row.record.file.transfer_syntax();
                Some(Cow::Borrowed(match (syntax.encoding, syntax.deflated) {
                    (Encoding::ImplicitLittle, false) => "implicit-little",
                    (Encoding::ExplicitLittle, false) => "explicit-little",
                    (Encoding::ExplicitBig, false) => "explicit-big",
                    (Encoding::ImplicitLittle, true) => "implicit-little-deflated",
                    (Encoding::ExplicitLittle, true) => "explicit-little-deflated",
                    (Encoding::ExplicitBig, true) => "explicit-big-deflated",
                }))
            }),
        ),
        computed(
            "implementation_class_uid",
            "(0002,0012)",
            Operational,
            "Implementation Class UID",
            Read::Text(|row| meta(row, 0x0002_0012)),
        ),
        computed(
            "implementation_version_name",
            "(0002,0013)",
            Operational,
            "Implementation Version Name",
            Read::Text(|row| meta(row, 0x0002_0013)),
        ),
        computed(
            "source_ae_title",
            "(0002,0016)",
            PhiClass::Device,
            "Source Application Entity Title",
            Read::Text(|row| meta(row, 0x0002_0016)),
        ),
        file("specific_character_set", "SpecificCharacterSet", Text),
        file("timezone_offset_from_utc", "TimezoneOffsetFromUTC", Text),
        computed(
            "elements",
            "",
            Operational,
            "number of elements of the data set, those in sequences not counted",
            Read::Integer(|row| Some(row.record.data_set.elements().count() as i64)),
        ),
        computed(
            "has_pixel_data",
            "(7FE0,0010)",
            Operational,
            "whether there is pixel data",
            Read::Flag(|row| Some(pixels(row).is_some())),
        ),
        computed(
            "pixel_data_offset",
            "(7FE0,0010)",
            Operational,
            "where the value of the pixel data begins in the file; null where the data set is deflated",
            Read::Integer(|row| pixels(row).filter(|_| row.record.file.deflated_bytes().is_none()).map(|element| element.offset() as i64)),
        ),
        computed("pixel_data_bytes", "(7FE0,0010)", Operational, "bytes of the pixel data, as stored", Read::Integer(pixel_bytes)),
    ];
    let mut columns = own;
    columns.extend(patient_and_study());
    columns.extend(series_and_equipment());
    columns.extend(image());
    columns.extend(modalities());
    columns.push(computed(
        "data_set",
        "",
        FreeText,
        "the whole data set as the DICOM JSON model (PS3.18 annex F); pixel data and other large values by their place in the file",
        Read::Text(|row| Some(Cow::Owned(json::to_json(row.record.data_set)))),
    ));
    table(
        "instances",
        "one row for each file but DICOMDIRs: what it is, whose, from where, and how its pixels are stored",
        Rows::Instances,
        columns,
    )
}

fn patient_and_study() -> Vec<Column> {
    vec![
        file("patient_name", "PatientName", Text),
        file("issuer_of_patient_id", "IssuerOfPatientID", Text),
        file("other_patient_ids", "OtherPatientIDs", Text),
        file("patient_birth_date", "PatientBirthDate", Date),
        file("patient_sex", "PatientSex", Text),
        file("patient_age", "PatientAge", Text),
        file("patient_age_years", "PatientAge", Years).in_unit("a"),
        file("patient_size", "PatientSize", Number).in_unit("m"),
        file("patient_weight", "PatientWeight", Number).in_unit("kg"),
        file("patient_address", "PatientAddress", Text),
        file("patient_telephone_numbers", "PatientTelephoneNumbers", Text),
        file("ethnic_group", "EthnicGroup", Text),
        file("pregnancy_status", "PregnancyStatus", Integer),
        file("patient_comments", "PatientComments", Text),
        file("patient_identity_removed", "PatientIdentityRemoved", Is("YES")),
        file("deidentification_method", "DeidentificationMethod", Text),
        file("clinical_trial_subject_id", "ClinicalTrialSubjectID", Text),
        file("clinical_trial_protocol_id", "ClinicalTrialProtocolID", Text),
        file("study_date", "StudyDate", Date),
        file("study_time", "StudyTime", Time),
        computed(
            "study_utc",
            "(0008,0020) (0008,0030)",
            PhiClass::Date,
            "study date and time as an instant, where an offset from UTC is stated",
            Read::Instant(|row| moment(row.record.data_set, 0x0008_0020, 0x0008_0030)),
        ),
        file("study_id", "StudyID", Text),
        file("accession_number", "AccessionNumber", Text),
        file("study_description", "StudyDescription", Text),
        file("referring_physician_name", "ReferringPhysicianName", Text),
        file("admitting_diagnoses_description", "AdmittingDiagnosesDescription", Text),
        file("requested_procedure_description", "RequestedProcedureDescription", Text),
    ]
}

fn series_and_equipment() -> Vec<Column> {
    vec![
        file("modality", "Modality", Text),
        file("series_number", "SeriesNumber", Integer),
        file("series_date", "SeriesDate", Date),
        file("series_time", "SeriesTime", Time),
        file("series_description", "SeriesDescription", Text),
        file("protocol_name", "ProtocolName", Text),
        file("body_part_examined", "BodyPartExamined", Text),
        file("laterality", "Laterality", Text),
        file("patient_position", "PatientPosition", Text),
        file("performing_physician_name", "PerformingPhysicianName", Text),
        file("operators_name", "OperatorsName", Text),
        file("performed_procedure_step_description", "PerformedProcedureStepDescription", Text),
        file("frame_of_reference_uid", "FrameOfReferenceUID", Text),
        file("position_reference_indicator", "PositionReferenceIndicator", Text),
        file("manufacturer", "Manufacturer", Text),
        file("manufacturer_model_name", "ManufacturerModelName", Text),
        file("device_serial_number", "DeviceSerialNumber", Text),
        file("software_versions", "SoftwareVersions", Text),
        file("station_name", "StationName", Text),
        file("institution_name", "InstitutionName", Text),
        file("institution_address", "InstitutionAddress", Text),
        file("institutional_department_name", "InstitutionalDepartmentName", Text),
    ]
}

fn image() -> Vec<Column> {
    vec![
        file("instance_number", "InstanceNumber", Integer),
        file("image_type", "ImageType", Text),
        file("acquisition_number", "AcquisitionNumber", Integer),
        file("acquisition_date", "AcquisitionDate", Date),
        file("acquisition_time", "AcquisitionTime", Time),
        file("acquisition_datetime", "AcquisitionDateTime", DateTime),
        computed("acquisition_utc", "(0008,002A)", PhiClass::Date, "when it was acquired, as an instant", Read::Instant(acquired))
            .meaning(UTC_DOC),
        file("content_date", "ContentDate", Date),
        file("content_time", "ContentTime", Time),
        file("instance_creation_date", "InstanceCreationDate", Date),
        file("instance_creation_time", "InstanceCreationTime", Time),
        file("image_comments", "ImageComments", Text),
        file("derivation_description", "DerivationDescription", Text),
        file("conversion_type", "ConversionType", Text),
        file("presentation_intent_type", "PresentationIntentType", Text),
        file("image_laterality", "ImageLaterality", Text),
        file("view_position", "ViewPosition", Text),
        file("burned_in_annotation", "BurnedInAnnotation", Is("YES")),
        file("recognizable_visual_features", "RecognizableVisualFeatures", Is("YES")),
        file("lossy_image_compression", "LossyImageCompression", Is("01")),
        file("lossy_image_compression_ratio", "LossyImageCompressionRatio", Number),
        file("lossy_image_compression_method", "LossyImageCompressionMethod", Text),
        file("samples_per_pixel", "SamplesPerPixel", Integer),
        file("photometric_interpretation", "PhotometricInterpretation", Text),
        file("planar_configuration", "PlanarConfiguration", Integer),
        file("rows", "Rows", Integer),
        file("columns", "Columns", Integer),
        file("number_of_frames", "NumberOfFrames", Integer),
        file("bits_allocated", "BitsAllocated", Integer),
        file("bits_stored", "BitsStored", Integer),
        file("high_bit", "HighBit", Integer),
        file("pixel_representation", "PixelRepresentation", Integer),
        file("pixel_spacing_row", "PixelSpacing", At(0)).in_unit("mm").meaning("Pixel Spacing: distance between rows"),
        file("pixel_spacing_column", "PixelSpacing", At(1)).in_unit("mm").meaning("Pixel Spacing: distance between columns"),
        file("imager_pixel_spacing_row", "ImagerPixelSpacing", At(0)).in_unit("mm"),
        file("imager_pixel_spacing_column", "ImagerPixelSpacing", At(1)).in_unit("mm"),
        file("pixel_aspect_ratio", "PixelAspectRatio", Text),
        file("slice_thickness", "SliceThickness", Number).in_unit("mm"),
        file("spacing_between_slices", "SpacingBetweenSlices", Number).in_unit("mm"),
        file("slice_location", "SliceLocation", Number).in_unit("mm"),
        file("image_position_x", "ImagePositionPatient", At(0)).in_unit("mm"),
        file("image_position_y", "ImagePositionPatient", At(1)).in_unit("mm"),
        file("image_position_z", "ImagePositionPatient", At(2)).in_unit("mm"),
        file("row_direction_x", "ImageOrientationPatient", At(0)),
        file("row_direction_y", "ImageOrientationPatient", At(1)),
        file("row_direction_z", "ImageOrientationPatient", At(2)),
        file("column_direction_x", "ImageOrientationPatient", At(3)),
        file("column_direction_y", "ImageOrientationPatient", At(4)),
        file("column_direction_z", "ImageOrientationPatient", At(5)),
        file("rescale_intercept", "RescaleIntercept", Number),
        file("rescale_slope", "RescaleSlope", Number),
        file("rescale_type", "RescaleType", Text),
        file("window_center", "WindowCenter", Number).meaning("Window Center, the first of several"),
        file("window_width", "WindowWidth", Number).meaning("Window Width, the first of several"),
        file("voi_lut_function", "VOILUTFunction", Text),
        file("presentation_lut_shape", "PresentationLUTShape", Text),
        file("smallest_image_pixel_value", "SmallestImagePixelValue", Integer),
        file("largest_image_pixel_value", "LargestImagePixelValue", Integer),
        file("pixel_padding_value", "PixelPaddingValue", Integer),
    ]
}

const UTC_DOC: &str = "Acquisition DateTime, or date and time, as an instant where an offset from UTC is stated";

fn modalities() -> Vec<Column> {
    vec![
        file("contrast_bolus_agent", "ContrastBolusAgent", Text),
        file("kvp", "KVP", Number).in_unit("kV"),
        file("x_ray_tube_current", "XRayTubeCurrent", Number).in_unit("mA"),
        file("exposure_time", "ExposureTime", Number).in_unit("ms"),
        file("exposure", "Exposure", Number).in_unit("mA.s"),
        file("filter_type", "FilterType", Text),
        file("convolution_kernel", "ConvolutionKernel", Text),
        file("reconstruction_diameter", "ReconstructionDiameter", Number).in_unit("mm"),
        file("gantry_detector_tilt", "GantryDetectorTilt", Number).in_unit("deg"),
        file("table_height", "TableHeight", Number).in_unit("mm"),
        file("spiral_pitch_factor", "SpiralPitchFactor", Number),
        file("ctdi_vol", "CTDIvol", Number).in_unit("mGy"),
        file("scanning_sequence", "ScanningSequence", Text),
        file("sequence_variant", "SequenceVariant", Text),
        file("scan_options", "ScanOptions", Text),
        file("sequence_name", "SequenceName", Text),
        file("mr_acquisition_type", "MRAcquisitionType", Text),
        file("magnetic_field_strength", "MagneticFieldStrength", Number).in_unit("T"),
        file("repetition_time", "RepetitionTime", Number).in_unit("ms"),
        file("echo_time", "EchoTime", Number).in_unit("ms"),
        file("inversion_time", "InversionTime", Number).in_unit("ms"),
        file("flip_angle", "FlipAngle", Number).in_unit("deg"),
        file("echo_numbers", "EchoNumbers", Text),
        file("echo_train_length", "EchoTrainLength", Integer),
        file("number_of_averages", "NumberOfAverages", Number),
        file("imaging_frequency", "ImagingFrequency", Number).in_unit("MHz"),
        file("pixel_bandwidth", "PixelBandwidth", Number).in_unit("Hz"),
        file("receive_coil_name", "ReceiveCoilName", Text),
        file("diffusion_b_value", "DiffusionBValue", Number).in_unit("s/mm2"),
        file("units", "Units", Text),
        file("decay_correction", "DecayCorrection", Text),
        file("transducer_type", "TransducerType", Text),
        file("mechanical_index", "MechanicalIndex", Number),
        file("completion_flag", "CompletionFlag", Text),
        file("verification_flag", "VerificationFlag", Text),
    ]
}
