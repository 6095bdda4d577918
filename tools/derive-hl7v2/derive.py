#!/usr/bin/env python3
"""Derives the HL7 v2 dictionary (crates/formats/hl7v2/data/*.tsv) from open sources.

Facts only: names, data types, optionality, repeatability, table numbers, codes and message structures.
Run it as README.md beside this file says; the output is committed, so a build never needs this script.
"""

import argparse
import csv
import importlib
import importlib.metadata
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"]

# Tables that are checked. "hl7": the standard fixes the codes; "user": the standard suggests them and sites may add.
CHECKED = {
    "hl7": "0008 0038 0061 0065 0080 0085 0091 0100 0103 0119 0121 0122 0123 0125 0126 0136 0155 0161 0166 0167 0178 "
    "0179 0180 0183 0190 0191 0200 0201 0202 0206 0207 0211 0271 0272 0273 0275 0287 0301 0322 0356 0516",
    "user": "0001 0002 0004 0007 0027 0052 0063 0078 0116 0127 0128 0203 0357",
}
# Tables kept because their codes are shown with a meaning or used for a lookup.
SHOWN = "0003 0005 0009 0104 0074 0076 0092 0130 0162 0165 0185 0189 0204 0270 0338 0354 0364 0443 0444 0482 0488 0490 0528"
# Codes that real feeds use and that a later or earlier edition of the table, or the text of the standard, has.
EXTRA_CODES = {
    "0001": ["A", "F", "M", "N", "O", "U"],
    "0104": ["2.0", "2.0D", "2.1", "2.2", "2.3", "2.3.1", "2.3.2", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9"],
    "0123": ["A", "C", "F", "I", "M", "N", "O", "P", "R", "S", "X", "Y", "Z"],
    "0103": ["D", "P", "T"],
    "0207": ["A", "R", "I", "T"],
    "0085": ["C", "D", "F", "I", "N", "O", "P", "R", "S", "U", "W", "X", "A", "B", "V"],
    "0078": ["<", ">", "A", "AA", "B", "D", "H", "HH", "I", "L", "LL", "MS", "N", "R", "S", "U", "VS", "W", "POS", "NEG", "IND", "DET", "ND"],
    "0211": ["ISO IR13", "ISO IR58", "ISO IR149", "UTF-8"],
    "0125": ["varies"],
}
# Conditional fields that the source takes for required in some versions.
CONDITIONAL = {"OBX-2", "OBX-4", "ORC-7", "OBR-27", "SCH-1", "AIL-3", "NTE-3"}
# Segments about the message, the file or the exchange: their coded fields are operational, not clinical.
OPERATIONAL_SEGMENTS = set("MSH MSA ERR SFT BHS BTS FHS FTS QAK QRI QID QPD RCP RDF DSC NST NSC NCK MFI MFE MFA SPR VTQ EQL ERQ UAC ECD ECR ISD NDS CNS SGH SGT OVR".split())

# All of these match names written with spaces.
QUASI = re.compile(
    r"\bSEX|GENDER|\bRACE\b|ETHNIC|RELIGION|MARITAL|LANGUAGE|CITIZEN|NATIONALITY|VETERAN|MILITARY|STUDENT|EMPLOYMENT|EMPLOYEE STATUS|\bJOB|OCCUPATION|"
    r"EDUCATION|ACADEMIC|LIVING|HANDICAP|DISAB|TRIBAL|\bVIP|RELATIONSHIP|HOUSEHOLD|DECEASED|DEATH|\bSTATE\b|COUNTRY|SPECIES|BREED|INCOME|SALARY|MULTIPLE BIRTH"
)
PLACE = re.compile(
    r"LOCATION|FACILITY|DEPARTMENT|INSTITUTION|COMPANY|EMPLOYER|\bBED\b(?! STATUS)|ROOM|CLINIC\b|HOSPITAL(?! SERVICE)|NURSE UNIT|SCHOOL|WORSHIP|ORGANIZATION|\bPLACE\b|"
    r"COST CENTER|PHARMACY$|PHARMACY OF|DISPENSE TO|OUTSIDE SITE"
)
TYPED_IN = re.compile(r"NOTES|INSTRUCTION|COMMENT(?! TYPE)")
IDENTIFIER = re.compile(r"NUMBER|_ID$|\bID\b|IDENTIFIER|SERIAL|_TAG$|_KEY$|CONTROL_ID|ACCESSION|_UID$|CODE_LINE")
DEVICE = re.compile(r"DEVICE|EQUIPMENT|MACHINE|STATION")
WEIGHT = {
    c: w
    for w, cs in enumerate(
        ["operational", "clinical", "quasi", "age", "date", "geography", "", "other-id", "vehicle device url ip", "account health-plan licence",
         "phone fax email", "biometric photo", "mrn", "ssn", "name", "free-text"]
    )
    for c in cs.split()
}


def module(version, part):
    return importlib.import_module(f"hl7apy.v{version.replace('.', '_')}.{part}")


def rows(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


SMALL = {"of", "and", "or", "the", "for", "to", "in", "on", "by", "with", "from", "at", "a", "an", "thereof", "that", "as", "be", "if", "into", "is"}
UPPER = {
    "ID", "IDS", "SSN", "DNA", "HL7", "UB", "DRG", "VAT", "DEA", "TQ", "BP", "CP", "BC", "PCA", "DIN", "OID", "UID", "AE", "MFN", "SI", "ICD", "CE", "CPU",
    "PID", "PV1", "NK1", "CSR", "DB1", "MD", "VIP", "EIP", "ARQ", "LOC", "LCC", "LCH", "LDP", "LRL", "FAC", "AUT", "IPR", "ESR", "NDC", "PRN", "FT1",
    "OBX", "OBR", "MFA", "RXA", "EQL", "PAC", "PR1", "DOB", "UOM", "NPI", "PP", "UPIN", "ISBN", "GMDN", "UDI", "III", "PCCL", "OCE", "CRL", "TP",
}


def pretty(name):
    """PATIENT_S_NAME -> Patient's Name."""
    words = []
    for word in name.split("_"):
        if not word:
            continue
        if word == "S" and words:
            words[-1] += "'s"
        elif word in UPPER or re.fullmatch(r"[A-Z]{2}\d|RXA|SAC|CDM|PRA|STF|PRC|MCP|IIM", word):
            words.append(word)
        elif word.lower() in SMALL and words:
            words.append(word.lower())
        else:
            words.append(word[0] + word[1:].lower())
    return re.sub(r" E G (.*)$", r" (e.g. \1)", " ".join(words))


def letters(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


class Sources:
    def __init__(self, v2_to_fhir):
        self.v2_to_fhir = v2_to_fhir
        self.names = {}  # (segment, field) -> (name, data type) as the spreadsheets write them
        self.texts = {}  # (table, code) -> text
        self.structure_events = {}  # structure -> events
        if v2_to_fhir is None:
            return
        for path in sorted((v2_to_fhir / "segments").glob("*.csv")):
            for row in csv.reader(open(path, encoding="utf-8-sig", newline="")):
                match = re.fullmatch(r"([A-Z][A-Z0-9]{2})-(\d+)", row[1].strip()) if len(row) > 3 else None
                if match and row[2].strip() and re.fullmatch(r"[A-Z0-9]{2,3}", row[3].strip()):
                    self.names.setdefault((match[1], int(match[2])), (re.sub(r"[ *+#]+$", "", row[2].strip().replace("–", "-")), row[3].strip()))
        for path in sorted((v2_to_fhir / "codesystems").glob("*.csv")):
            for row in csv.reader(open(path, encoding="utf-8-sig", newline="")):
                if len(row) < 3 or not row[0].strip():
                    continue
                table = re.fullmatch(r"HL7?-?0?(\d{4})", row[2].strip())
                if not table:
                    continue
                if table[1] == "0354":
                    self.structure_events[row[0].strip()] = re.findall(r"[A-Z][A-Z0-9]{2}\b", row[1].replace("-", " - ")) if not re.search(r"[A-Z]\d\d\s*-", row[1]) else expand(row[1])
                else:
                    self.texts.setdefault((table[1], row[0].strip()), " ".join(row[1].split()))


def expand(text):
    """'S12-S24, S26' -> every event."""
    out = []
    for part in text.split(","):
        ends = re.findall(r"([A-Z])(\d\d)", part)
        if len(ends) == 2 and "-" in part:
            out += [f"{ends[0][0]}{n:02}" for n in range(int(ends[0][1]), int(ends[1][1]) + 1)]
        else:
            out += [a + b for a, b in ends]
    return out


def entries(structure):
    """The children of a hl7apy structure that are proper (name, reference, (min, max), kind)."""
    if not isinstance(structure, (tuple, list)) or len(structure) < 2 or not isinstance(structure[1], (tuple, list)):
        return []
    return [c for c in structure[1] if isinstance(c, (tuple, list)) and len(c) == 4 and isinstance(c[2], (tuple, list))]


def collect_parts(part, names_of):
    """Merges fields or components over the versions: the latest definition wins, versions are kept as masks."""
    merged = {}
    for index, version in enumerate(VERSIONS):
        for name, structure in names_of(version).items():
            for child in entries(structure):
                match = re.fullmatch(r"[A-Z0-9_]+?_(\d+)", child[0])
                reference = child[1]
                if not match or not isinstance(reference, (tuple, list)) or tuple(child[2]) == (0, 0):
                    continue
                table = (reference[4] or "").replace("HL7", "")
                entry = merged.setdefault(name, {}).setdefault(int(match[1]), {"defined": 0, "required": 0, "repeats": 0, "types": set(), "tables": []})
                entry["datatype"], entry["name"] = reference[2], reference[3] or ""
                # Later editions of the source leave out many bindings that earlier ones have.
                entry["table"] = table if re.fullmatch(r"\d{4}", table) else entry.get("table", "")
                entry["types"].add(reference[2])
                if table and table in entry["tables"]:
                    entry["tables"].remove(table)
                entry["tables"] += [table] if re.fullmatch(r"\d{4}", table) else []
                entry["defined"] |= 1 << index
                entry["required"] |= (child[2][0] >= 1) << index
                entry["repeats"] |= (child[2][1] != 1) << index
    return merged


def rule(segment, name, datatype, roles, depth=0):
    """The PHI class by data type and name. When unsure, the more careful class."""
    name = name.upper()
    spaced = name.replace("_", " ")
    if datatype in ("XPN", "PN", "PPN", "XCN", "CN", "CNN", "NDL", "FN"):
        return "name"
    if "SSN" in name or "SOCIAL_SECURITY" in name:
        return "ssn"
    if datatype in ("XAD", "AD", "SAD"):
        return "geography"
    if datatype in ("XTN", "TN"):
        return "fax" if "FAX" in name else "phone"
    if datatype in ("DT", "DTM", "TS", "DR", "TM", "DIN", "VH"):
        return "date"
    if datatype in ("DLN", "PLN"):
        return "licence"
    if datatype in ("PL", "LA1", "LA2", "XON"):
        return "other-id"
    if datatype in ("HD", "EI", "EIP", "RP"):
        return "device" if DEVICE.search(name) else "other-id"
    if datatype in ("CX", "CK"):
        if re.search(r"INSUR|PLAN|MEMBER|SUBSCRIBER|POLICY|PAYOR|CERTIFICATION", name):
            return "health-plan"
        if re.search(r"ACCOUNT|VISIT|PREADMIT|EPISODE", name):
            return "account"
        return "mrn" if re.search(r"PATIENT|MOTHER", name) else "other-id"
    if datatype in ("TX", "FT", "ED", "varies", "QIP", "QSC", "SCV", "VR", "TQ", "CM"):
        return "free-text"
    if datatype in ("SI", "MSG", "PT", "VID", "ERL", "ELD", "SRT", "RCD"):
        return "operational"
    if datatype == "JCC":
        return "quasi"
    if datatype in ("ID", "IS", "CWE", "CE", "CNE", "CF"):
        if "COUNTY" in name or "CENSUS" in name or "BIRTH_PLACE" in name:
            return "geography"
        if re.search(r"PHYSICIAN_ID|OPERATOR_ID|PROVIDER_ID", name):
            return "licence"
        if datatype not in ("ID", "IS") and TYPED_IN.search(spaced) and "CODED" not in name:
            return "free-text"
        if QUASI.search(spaced):
            return "quasi"
        if datatype != "ID" and PLACE.search(spaced):
            return "other-id"
        if datatype != "ID" and IDENTIFIER.search(name) and not re.search(r"CODE|OBSERVATION|SERVICE|TYPE|ANTIMICROBIAL", name):
            return "other-id"
        return "operational" if segment in OPERATIONAL_SEGMENTS else "clinical"
    if datatype == "ST":
        if DEVICE.search(name) and IDENTIFIER.search(name):
            return "device"
        return "other-id" if IDENTIFIER.search(name) and not re.search(r"TEXT|DESCRIPTION|COMMENT", name) else "free-text"
    if datatype in ("CP", "CQ", "MO") and re.search(r"INCOME|SALARY", name):
        return "quasi"
    if datatype in ("NM", "SNM"):
        if re.search(r"HOUSEHOLD|BIRTH_ORDER|INCOME|SALARY", name):
            return "quasi"
        if re.search(r"\bAGE\b", spaced):
            return "age"
        return "operational" if segment in OPERATIONAL_SEGMENTS else "clinical"
    if datatype in roles and depth < 3:
        return max(roles[datatype], key=lambda c: WEIGHT.get(c, 1))
    return "clinical" if datatype in CLINICAL_TYPES else "free-text"


CLINICAL_TYPES = set("CQ CP MO MOC MOP NR SN NA MA CD CSU DDI DLT DTN ICD PCF PTA RMC UVC WVI WVS RPT CCP OCD OSP RI GTS DT".split())


def component_classes(datatypes):
    """type -> class of each component; "@" where the field's own class stands."""
    fixed = {}
    for name, spec in rows(HERE / "phi_datatypes.tsv"):
        fixed[name] = spec.split()
    out = {}
    for name, parts in datatypes.items():
        count = max(parts)
        if name in fixed:
            spec, star = [], None
            for word in fixed[name]:
                if word.startswith("*"):
                    star = word[1:]
                else:
                    spec.append(word)
            while len(spec) < count:
                if star is None:
                    sys.exit(f"phi_datatypes.tsv: {name} has {count} components, {len(spec)} classes")
                spec.append(star)
            out[name] = spec
        else:
            out[name] = [rule("", parts[n]["name"], parts[n]["datatype"], {}) if n in parts else "free-text" for n in range(1, count + 1)]
    return out


def write(path, what, sources, lines):
    head = [f"# {what}", f"# Derived by tools/derive-hl7v2 from {sources}. Facts only. Do not edit by hand."]
    path.write_text("\n".join(head + lines) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(lines)} lines, {path.stat().st_size} bytes")


def segments_and_datatypes(sources, out, credit):
    datatypes = collect_parts("datatypes", lambda v: {k: ("sequence", s) for k, s in module(v, "datatypes").DATATYPES_STRUCTS.items()})
    datatypes = {k: v for k, v in datatypes.items() if re.fullmatch(r"[A-Z0-9]{2,3}", k)}
    classes = component_classes(datatypes)
    lines = []
    for name in sorted(datatypes):
        lines.append(f"{name}\t0")
        for number in range(1, max(datatypes[name]) + 1):
            part = datatypes[name].get(number, {"name": "", "datatype": "ST", "table": ""})
            lines.append("\t".join([name, str(number), pretty(part["name"]), part["datatype"], part["table"], classes[name][number - 1]]))
    write(out / "datatypes.tsv", "Composite data types: type, component, name, data type, table, PHI class (@: that of the field)", credit, lines)

    titles = rows(HERE / "segment_titles.tsv")
    segments = collect_parts("segments", lambda v: module(v, "segments").SEGMENTS)
    overrides = {r[0]: r[1] for r in rows(HERE / "phi_overrides.tsv")}
    for (segment, number), (name, datatype) in sources.names.items():
        fields = segments.setdefault(segment, {})
        if number in fields:
            if letters(fields[number]["name"]) == letters(name):
                fields[number]["pretty"] = name
        else:  # a field of 2.9, which the first source does not have
            fields[number] = {"name": re.sub(r"[^A-Za-z0-9]+", "_", name).upper().strip("_"), "pretty": name, "datatype": datatype, "table": "", "types": {datatype},
                              "defined": 1 << len(VERSIONS), "required": 0, "repeats": 1 << len(VERSIONS)}
    lines, used = [], set()
    for row in sorted(titles):
        segment, title = row[0], row[1]
        fields = segments.get(segment, {})
        lines.append("\t".join([segment, "0", title]))
        for number in range(1, max(fields, default=0) + 1):
            field = fields.get(number)
            key = f"{segment}-{number}"
            if field is None:
                lines.append("\t".join([segment, str(number), "", "", "0", "0", "0", "", overrides.get(key, "free-text")]))
            else:
                phi = overrides.get(key) or rule(segment, field["name"], field["datatype"], classes)
                if key not in overrides and phi in ("clinical", "operational") and field["types"] & {"TX", "FT", "ST"} and field["datatype"] in ("CWE", "CE", "CNE", "CF"):
                    phi = "free-text"  # text in an earlier version, and in many feeds to this day
                required = 0 if key in CONDITIONAL else field["required"]
                checked = set(" ".join(CHECKED.values()).split())
                # A field whose table changed takes the codes of both.
                older = [t for t in field.get("tables", []) if t != field["table"] and {t, field["table"]} <= checked]
                lines.append("\t".join([segment, str(number), field.get("pretty") or pretty(field["name"]), field["datatype"],
                                        f"{field['defined']:x}", f"{required:x}", f"{field['repeats']:x}", "/".join([field["table"]] + older[-1:]), phi]))
            used.add(key)
    unknown = set(overrides) - used
    if unknown:
        sys.exit(f"phi_overrides.tsv names fields that do not exist: {sorted(unknown)}")
    write(out / "segments.tsv", "Segments and fields: segment, field, name, data type, versions defined, required, repeating (bit masks, 2.1 first), table, PHI class",
          credit, lines)
    return segments


def tables(sources, out, credit):
    names, codes = {}, {}
    for version in VERSIONS:
        try:
            found = module(version, "tables").TABLES
        except ModuleNotFoundError:
            continue
        for key, value in found.items():
            number = key.replace("HL7", "")
            names[number] = value[0].strip(" -*")
            for code in (value[1] if len(value) > 1 and value[1] else ()):
                codes.setdefault(number, {}).setdefault(code.strip(), "")
    for number, extra in EXTRA_CODES.items():
        for code in extra:
            codes.setdefault(number, {}).setdefault(code, "")
    for (number, code), text in sources.texts.items():
        codes.setdefault(number, {})[code] = text
    for number, code, text in rows(HERE / "code_texts.tsv"):
        codes.setdefault(number, {})[code] = codes.get(number, {}).get(code) or text
    kinds = {n: kind for kind, ns in CHECKED.items() for n in ns.split()}
    lines = []
    for number in sorted(set(kinds) | set(SHOWN.split())):
        if number not in names:
            continue
        lines.append("\t".join([number, "", names[number], kinds.get(number, "open")]))
        for code in sorted(codes.get(number, {})):
            if not code or code in ("...", "No suggested values defined") or "\t" in code or re.search(r"[<(].{6,}[>)]|\.\.\.", code):
                continue
            lines.append("\t".join([number, code, codes[number][code].replace("\t", " ")]))
    write(out / "tables.tsv", 'Tables: number, code, text; a row without code names the table and how it is checked (hl7: fixed, user: suggested, open: not checked)', credit, lines)


def grammar(structure, own):
    """One structure as compact text: [optional] {repeating} (group) <choice>."""
    words = []
    for child in entries(structure):
        name, reference, (low, high), kind = child[0], child[1], child[2], child[3]
        if (low, high) == (0, 0):
            continue
        if kind == "GRP":
            inner = grammar(reference, own)
            if not inner:
                continue
            text = f"<{inner}>" if reference[0] == "choice" else f"({inner})"
        elif re.fullmatch(r"[A-Z][A-Z0-9]{2}", name):
            text = name
        elif name == "ANYHL7SEGMENT":
            text = "*"
        else:
            continue
        if high != 1:
            text = "{" + text + "}"
        if low == 0:
            text = "[" + text + "]"
        words.append(text)
    return " ".join(words)


def structures(sources, out, credit):
    found = {}
    for version in VERSIONS:
        for name, structure in module(version, "messages").MESSAGES.items():
            text = grammar(structure, name)
            if not re.fullmatch(r"[A-Z0-9]{3}(_[A-Za-z0-9]{3})?", name) or not text.startswith("MSH"):
                continue
            variants = found.setdefault(name, [])
            if variants and variants[-1][2] == text and VERSIONS.index(variants[-1][1]) == VERSIONS.index(version) - 1:
                variants[-1] = (variants[-1][0], version, text)
            else:
                variants.append((version, version, text))
    lines = []
    for name in sorted(found):
        for first, last, text in found[name]:
            lines.append("\t".join([name, first, last, text]))
    write(out / "structures.tsv", "Message structures: structure, first and last version of this form, segments ([optional] {repeating} (group) <choice>)", credit, lines)

    events = {}
    for name in found:
        if "_" in name:
            message, event = name.split("_")
            events.setdefault((message, event), name)
    for name, triggers in sources.structure_events.items():
        if name in found:
            for event in triggers:
                if event != name.split("_")[0]:
                    events[(name.split("_")[0], event)] = name
    for row in rows(HERE / "events.tsv"):
        for event in expand(row[1]) or [row[1]]:
            events[(row[0], event)] = row[2]
    bad = sorted({s for s in events.values() if s not in found})
    if bad:
        sys.exit(f"events.tsv names unknown structures: {bad}")
    lines = ["\t".join([message, event, name]) for (message, event), name in sorted(events.items())]
    write(out / "events.tsv", "Message types: type, trigger event, structure", credit, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--v2-to-fhir", type=Path, required=True, help="the mappings folder of HL7/v2-to-fhir")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "crates/formats/hl7v2/data")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    version = importlib.metadata.version("hl7apy")
    credit = f"hl7apy {version} (MIT) and HL7/v2-to-fhir mappings (Apache-2.0)"
    sources = Sources(options.v2_to_fhir)
    segments_and_datatypes(sources, options.out, credit)
    tables(sources, options.out, credit)
    structures(sources, options.out, credit)


if __name__ == "__main__":
    main()
