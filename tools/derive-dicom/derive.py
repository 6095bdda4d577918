#!/usr/bin/env python3
"""Derives the DICOM dictionary (crates/formats/dicom/data/*.tsv) from tables of the standard in JSON.

Facts only: tags, value representations, multiplicities, keywords, names, the actions of PS3.15 table E.1-1 and UIDs with their names.
Run it as README.md beside this file says; the output is committed, so a build never needs this script.
"""

import argparse
import json
import re
from pathlib import Path

HEADER = """# {what}
# Derived by tools/derive-dicom/derive.py from {file} of innolitics/dicom-standard @ 7f4749d09ed3 (MIT licence); facts of {part}.
"""
UID_HEADER = """# Registered UIDs, of kinds and well-known things: UID, type. No UID of an instance is here.
# Derived by tools/derive-dicom/derive.py from _uid_dict.py of pydicom 3.0.2 (MIT licence), facts of PS3.6 annex A; sops.json of innolitics/dicom-standard @ 7f4749d09ed3
# (MIT licence); object identifiers of terminologies (HL7's registry).
"""
# Options of PS3.15 table E.1-1 and the letter each has in the file.
OPTIONS = {
    "rtnSafePrivOpt": "r", "rtnUIDsOpt": "u", "rtnDevIdOpt": "v", "rtnInstIdOpt": "i", "rtnPatCharsOpt": "p", "rtnLongFullDatesOpt": "d",
    "rtnLongModifDatesOpt": "m", "cleanDescOpt": "c", "cleanStructContOpt": "s", "cleanGraphOpt": "g",
}
# Reviewed by hand: where the rules below would be wrong.
OVERRIDES = {
    "PatientID": "mrn", "OtherPatientIDs": "mrn", "OtherPatientIDsSequence": "mrn", "MedicalRecordLocator": "mrn",
    "PatientSex": "quasi", "PatientSize": "quasi", "PatientWeight": "quasi", "EthnicGroup": "quasi", "SmokingStatus": "quasi", "PregnancyStatus": "quasi",
    "PatientReligiousPreference": "quasi", "Occupation": "quasi", "MilitaryRank": "quasi", "BranchOfService": "quasi", "CountryOfResidence": "quasi",
    "PatientSexNeutered": "quasi", "PatientSpeciesDescription": "quasi", "PatientBreedDescription": "quasi", "PatientState": "free-text",
    "PatientAge": "age", "RegionOfResidence": "geography", "PatientAddress": "geography", "PatientInsurancePlanCodeSequence": "health-plan",
    "PatientTelephoneNumbers": "phone", "PatientTelecomInformation": "phone", "PersonTelephoneNumbers": "phone", "PersonTelecomInformation": "phone",
    "InstitutionName": "geography", "InstitutionAddress": "geography", "InstitutionalDepartmentName": "geography", "InstitutionalDepartmentTypeCodeSequence": "geography",
    "ReferencedPatientPhotoSequence": "photo", "PixelData": "photo", "FloatPixelData": "photo", "DoubleFloatPixelData": "photo", "OverlayData": "photo",
    "EncapsulatedDocument": "free-text", "TextValue": "free-text", "UnformattedTextValue": "free-text",
    "CodeMeaning": "clinical", "CodeValue": "clinical", "LongCodeValue": "clinical", "URNCodeValue": "clinical", "Manufacturer": "operational", "ManufacturerModelName": "operational",
    "ImplementationVersionName": "operational", "SpecificCharacterSet": "operational", "TimezoneOffsetFromUTC": "quasi",
    "PrivateInformation": "free-text", "SourceApplicationEntityTitle": "device", "SendingApplicationEntityTitle": "device", "ReceivingApplicationEntityTitle": "device",
    "MediaStorageSOPInstanceUID": "other-id", "BurnedInAnnotation": "operational", "RecognizableVisualFeatures": "operational",
    "FileSetID": "other-id", "PatientBirthDateInAlternativeCalendar": "date", "PatientDeathDateInAlternativeCalendar": "date", "NTPSourceAddress": "ip",
    "ContactDisplayName": "name", "HangingProtocolCreator": "name", "OwnerID": "name", "ComponentWelderIDs": "licence", "BreedRegistrationNumber": "other-id",
    "AuthorizationEquipmentCertificationNumber": "licence", "RecordKey": "other-id", "PriorRecordKey": "other-id", "TimeSource": "device",
    "ImplantTemplateGroupIssuer": "geography", "ImplantAssemblyTemplateIssuer": "geography", "SoftwareVersions": "device",
    "SecondaryCaptureDeviceSoftwareVersions": "device", "HardcopyDeviceSoftwareVersion": "device",
}
# LO, SH and UC that the profile does not name and that hold what a device writes or a terminology has: kinds of acquisition, reconstruction, codes. Every other
# one may be typed in: a label, a name, an order number. When unsure an attribute is not here.
TECHNICAL = set("""
    Manufacturer ManufacturerModelName CodeValue ExtendedCodeValue LongCodeValue CodingSchemeDesignator CodingSchemeVersion CodeMeaning MappingResourceName
    SequenceName PulseSequenceName Radionuclide Radiopharmaceutical SourceIsotopeName ImagedNucleus ContrastBolusRoute RadiopharmaceuticalRoute TriggerSourceOrType
    CardiacFramingType PVCRejection VideoImageFormatAcquired DigitalImageFormatAcquired FilterType TypeOfFilters CollimatorGridName AcquisitionMode DoseModeName
    ConvolutionKernel ReceiveCoilName TransmitCoilName PlateType PhosphorType AcquisitionDeviceProcessingCode OutputPower TransducerData ProcessingFunction
    PostprocessingFunction MultiCoilConfiguration MultiCoilElementName ASLBolusCutoffTechnique ImageFilter ImageGeometryType PositionReferenceIndicator
    TargetPositionReferenceIndicator RescaleType ModalityLUTType AttenuationCorrectionMethod ReconstructionMethod ScatterCorrectionMethod
    DetectorLinesOfResponseUsed MIMETypeOfEncapsulatedDocument ListOfMIMETypes AlgorithmName AlgorithmVersion SegmentAlgorithmName FontName CSSFontName
    RequestedProcedurePriority ReportingPriority ImplementationVersionName DeidentificationMethod WedgeMaterial SecondaryCaptureDeviceManufacturer
    SecondaryCaptureDeviceManufacturerModelName DetectorManufacturerName DetectorManufacturerModelName ReceiveCoilManufacturerName
    TransmitCoilManufacturerName HardcopyDeviceManufacturer HardcopyDeviceManufacturerModelName ModifyingDeviceManufacturer ApplicationManufacturer
    ApplicationSetupManufacturer IOLManufacturer SelectorAttributeKeyword CompressionRecognitionCode TransformVersionNumber
""".split())
# What has ID or Number in its name and joins parts of one object by a short text: cleaned, not removed.
JOINS = set("""
    StackID OpticalPathIdentifier ReferencedOpticalPathIdentifier FiducialIdentifier WedgeID BolusID MaterialID CompensatorID CompensatorTrayID BlockTrayID
    ApplicatorID SourceModelID SnoutID RangeShifterID LateralSpreadingDeviceID RangeModulatorID BeamCurrentModulationID PatientSupportID ScanSpotTuneID
    GeneralAccessoryID FluenceModeID AfterloaderChannelID ChannelShieldID RespiratorySignalSourceID GridID
""".split())
# Codes (CS) that are a label somebody gives.
LABELS = {"ContentLabel", "SourceImageIDs", "ModifiedImageID", "CodeLabel", "OverlayCodeLabel"}
# UIDs of kinds of things; every other UID is of a thing.
KINDS = re.compile(r"SOPClass|TransferSyntax|CodingSchemeUID|ContextUID|MappingResourceUID|ContextGroupExtensionCreatorUID")
# Object identifiers of terminologies (HL7's registry; facts), beside those of PS3.6.
TERMINOLOGIES = {
    "2.16.840.1.113883.6.96": "SNOMED CT", "2.16.840.1.113883.6.1": "LOINC", "2.16.840.1.113883.6.8": "UCUM", "2.16.840.1.113883.6.3": "ICD-10",
    "2.16.840.1.113883.6.90": "ICD-10-CM", "2.16.840.1.113883.6.4": "ICD-10-PCS", "2.16.840.1.113883.6.103": "ICD-9-CM", "2.16.840.1.113883.6.12": "CPT-4",
    "2.16.840.1.113883.6.256": "RadLex", "2.16.840.1.113883.6.86": "UMLS", "2.16.840.1.113883.6.119": "FMA", "2.16.840.1.113883.3.26.1.1": "NCI Thesaurus",
    "2.16.840.1.113883.6.88": "RxNorm", "2.16.840.1.113883.6.24": "MDC", "2.16.840.1.113883.6.177": "MeSH", "2.16.840.1.113883.6.43.1": "ICD-O-3",
}
NAME = re.compile(r"Physician|Operators|Person|Author|Observer|Reviewer|Interpreter|Owner|Creator|Performer|Transcriber|Recorder|Signer")
PLACE = re.compile(r"Address|Institution|Location|Residence|Organization|Site\b|Department|Geographic|Facility|Center Name|Committee Name|Requesting Service")
DEVICE = re.compile(r"Station|Device|Detector|Serial|Radiation Machine Name|Printer Name|AE Title|\bAE\b|Machine|Equipment|Cassette|Plate|Gantry")
IDENTIFIER = re.compile(r"\bIDs?\b|Identif|Number|Barcode|UID|Issuer|Locator|Accession")
TYPED_IN = re.compile(r"Description|Comment|Text|Notes?\b|History|Reason|Instructions|Narrative|Remark")
BYTES = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}


def vr_of(row):
    """Of several, what implicit VR falls back to; XS is US or SS, as Pixel Representation says."""
    vr = row["valueRepresentation"]
    if not vr or vr.startswith("See"):
        return "UN"
    if " or " in vr:
        choices = vr.split(" or ")
        return "OW" if "OW" in choices else "XS"
    return vr


def phi_of(row, profile):
    """The class of identifying information; when unsure, the more careful one."""
    keyword, name, vr, group = row["keyword"], row["name"], vr_of(row), row["id"][:4].lower()
    if keyword in OVERRIDES:
        return OVERRIDES[keyword]
    if vr == "PN":
        return "name"
    if vr in ("DA", "DT", "TM"):
        return "date"
    if vr == "AS":
        return "age"
    if vr == "UR":
        return "url"
    if profile is None:
        if vr == "UI":
            return "operational" if KINDS.search(keyword) or group == "0002" else "other-id"
        if vr in ("LO", "SH", "UC") and keyword not in TECHNICAL:
            return typed_in_of(keyword, name)
        if vr in ("LT", "ST", "UT") or keyword in LABELS:
            return "free-text"
        if group in ("0002", "0004", "fffe", "0028"):
            return "operational"
        return "clinical"
    if vr == "UI":
        return "other-id"
    if re.search("Telephone|Telecom", name):
        return "phone"
    if "rtnPatCharsOpt" in profile and vr not in ("SQ", "LT", "ST", "UT"):
        return "quasi" if vr in ("CS", "DS", "IS", "US", "FD", "FL") else "free-text"
    if vr in ("LT", "ST", "UT") or "cleanDescOpt" in profile or TYPED_IN.search(name):
        return "free-text"
    if vr == "SQ" or vr in BYTES:
        return "free-text"
    if "rtnDevIdOpt" in profile or DEVICE.search(name):
        return "device"
    if IDENTIFIER.search(name):
        return "other-id"
    if NAME.search(name):
        return "name"
    if PLACE.search(name) or "rtnInstIdOpt" in profile:
        return "geography"
    return "free-text"


def typed_in_of(keyword, name):
    """The class of a short text that the profile does not name and that may be typed in."""
    if keyword in JOINS or TYPED_IN.search(name) or re.search(r"\bLabel\b", name):
        return "free-text"
    for pattern, phi in ((DEVICE, "device"), (IDENTIFIER, "other-id"), (re.compile(r"Address"), "geography")):
        if pattern.search(name) and not re.search(r"Type of|ID Type|Source or Type", name):
            return phi
    return "free-text"


def uids_of(file):
    """UIDs of PS3.6 annex A as pydicom has them: a dictionary of literals, which is not run."""
    import ast
    tree = ast.parse(file.read_text())
    found = next(node.value for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign)) and getattr(node, "value", None) is not None)
    return {uid: row[1] for uid, row in ast.literal_eval(found).items()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--standard", type=Path, required=True, help="folder `standard/` of innolitics/dicom-standard, or one with its three JSON files")
    arguments.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "crates/formats/dicom/data")
    arguments.add_argument("--uids", type=Path, required=True, help="pydicom's _uid_dict.py")
    given = arguments.parse_args()
    load = lambda file: json.loads((given.standard / file).read_text())
    profiles = {row["id"].lower(): row for row in load("confidentiality_profile_attributes.json")}
    attributes = {row["id"].lower(): row for row in load("attributes.json")}
    # In the profile and not in the dictionary: private attributes (a rule of the reader's) and whole curve groups.
    for tag, row in profiles.items():
        if tag not in attributes and re.fullmatch("[0-9a-fx]{8}", tag):
            attributes[tag] = {"id": tag, "name": row["name"], "keyword": "", "valueRepresentation": "UN", "valueMultiplicity": "1-n", "retired": "Y"}
    lines = [HEADER.format(what="Attributes: tag, VR, VM, R if retired, PHI class, action of the Basic Profile, options (letter and K or C), keyword, name",
                           file="attributes.json and confidentiality_profile_attributes.json", part="PS3.6, PS3.7 and PS3.15 table E.1-1")]
    for tag, row in sorted(attributes.items()):
        profile = profiles.get(tag)
        action = profile["basicProfile"] if profile else "-"
        options = "".join(letter + profile[key] for key, letter in OPTIONS.items() if key in profile) if profile else ""
        vm = row["valueMultiplicity"] or "1-n"
        retired = "R" if row["retired"] == "Y" else "-"
        clean = lambda text: " ".join(text.replace("\u200b", "").split())
        lines.append("\t".join([tag, vr_of(row), vm, retired, phi_of(row, profile), action, options or "-", clean(row["keyword"]) or "-", clean(row["name"]) or "-"]) + "\n")
    (given.out / "attributes.tsv").write_text("".join(lines))
    lines = [HEADER.format(what="SOP classes of storage: UID, name", file="sops.json", part="PS3.4 and PS3.6")]
    lines += [f"{row['id']}\t{row['name']}\n" for row in sorted(load("sops.json"), key=lambda row: row["id"])]
    (given.out / "sop_classes.tsv").write_text("".join(lines))
    kinds = {row["id"]: "SOP Class" for row in load("sops.json")} | uids_of(given.uids) | {uid: "Coding Scheme" for uid in TERMINOLOGIES}
    lines = [UID_HEADER] + [f"{uid}\t{kind}\n" for uid, kind in sorted(kinds.items())]
    (given.out / "registered_uids.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
