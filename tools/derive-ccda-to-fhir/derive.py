#!/usr/bin/env python3
"""Derives the code maps of C-CDA to FHIR (crates/convert/data/ccda-codes.tsv) from the C-CDA on FHIR guide.

Codes only, no names. Run it as README.md beside this file says; the output is committed, so a build never needs this script.
"""

import argparse
import csv
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

FHIR = "{http://hl7.org/fhir}"
# Maps that only the sheet of terms has.
SHEET = [
    "CF_AllergyIntoleranceAbsentCode",
    "CF_AllergyIntoleranceReactionSeverity",
    "CF_AllergyIntoleranceCriticality",
    "CF_AllergyIntoleranceType",
    "CF_ProblemStatus",
    "CF_ImmunizationReqStatus",
    "CF_NamePartQualifier",
]
# Where a code has several targets the condition is in words; these say which one holds without the condition.
PREFERRED = {("ImmunizationStatus", "completed"): "completed", ("NameUse", "P"): "nickname"}


def value(element, name):
    child = element.find(FHIR + name)
    return child.get("value") if child is not None else None


def xml_elements(path):
    for group in ElementTree.parse(path).getroot().findall(FHIR + "group"):
        for element in group.findall(FHIR + "element"):
            targets = [(value(target, "code"), value(target, "equivalence")) for target in element.findall(FHIR + "target")]
            yield value(element, "code"), targets


def json_elements(path):
    for group in json.loads(path.read_text())["group"]:
        for element in group["element"]:
            yield element["code"], [(target.get("code"), target.get("equivalence")) for target in element.get("target", [])]


def concept_maps(folder):
    for path in sorted(folder.glob("ConceptMap-CF-*")):
        name = path.stem.removeprefix("ConceptMap-CF-")
        for code, targets in json_elements(path) if path.suffix == ".json" else xml_elements(path):
            targets = [target for target, equivalence in targets if target and equivalence not in ("unmatched", "disjoint")]
            if code and targets:
                yield name, code, PREFERRED.get((name, code), targets[0])
    # Results have a map from FHIR only; it is turned round where one status of FHIR stands for the code.
    back = {}
    for code, targets in xml_elements(folder / "ConceptMap-FC-ObservationStatus.xml"):
        for target, equivalence in targets:
            if target and equivalence != "unmatched":
                back.setdefault(target, code)
    # Of the statuses that mean "completed" the guide's examples use final.
    back["completed"] = "final"
    # CF-ResultReportStatus says cancelled for the report around it.
    back["aborted"] = "cancelled"
    for code, target in sorted(back.items()):
        yield "ObservationStatus", code, target


def sheet(path):
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            name = row["Map"].strip()
            if name not in SHEET:
                continue
            source = (row["Source Value 1"] or row["Source Value 2"]).strip()
            target = row["Target Value 1"].strip()
            if source and target and not target.startswith("<") and target != "null":
                yield name.removeprefix("CF_"), source, target


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ccda-on-fhir", type=Path, required=True, help="folder with maps/ and mappings/")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "crates/convert/data/ccda-codes.tsv")
    options = parser.parse_args()
    rows = dict()
    for name, source, target in concept_maps(options.ccda_on_fhir / "maps"):
        rows.setdefault((name, source), target)
    for name, source, target in sheet(options.ccda_on_fhir / "mappings/codesystems/CCDA-FHIR Terms - Sheet1.csv"):
        rows.setdefault((name, source), target)
    if len(rows) < 100:
        sys.exit("fewer maps than the guide has: is this the right folder?")
    with options.out.open("w", newline="\n") as out:
        out.write("# Code maps of C-CDA on FHIR (HL7 International, CC0-1.0), made by tools/derive-ccda-to-fhir; do not edit.\n")
        out.write("# map, code in C-CDA, code in FHIR\n")
        for (name, source), target in sorted(rows.items()):
            out.write(f"{name}\t{source}\t{target}\n")


if __name__ == "__main__":
    main()
