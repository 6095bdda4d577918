#!/usr/bin/env python3
"""Derives crates/terminology/data/{codesystems,valuesets,maps}.tsv from HL7's published definitions and mapping tables.

Facts only: codes, displays, hierarchies, OIDs, contents of value sets, pairs of mapped codes. No definition or other prose is copied.
Run it as README.md beside this file says; the output is committed, so a build never needs this script.
"""

import argparse
import csv
import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "crates" / "terminology" / "data"
THO = "http://terminology.hl7.org/CodeSystem/"
NOTE = "made by tools/derive-terminology; do not edit.\n"
# Content of other owners inside HL7's package: left to the user's own release.
FOREIGN = {
    "http://dicom.nema.org/resources/ontology/DCM",
    "http://snomed.info/sct",
    "http://loinc.org",
    "urn:iso-astm:E1762-95:2013",
    "urn:oid:1.2.36.1.2001.1001.101.104.16592",
    "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    "http://terminology.hl7.org/CodeSystem/ex-revenue-center",
    "http://terminology.hl7.org/CodeSystem/ex-diagnosis-on-admission",
    "http://terminology.hl7.org/CodeSystem/contractsignertypecodes",
    "http://hl7.org/fhir/sid/ex-icd-10-procedures",
    "urn:iso:std:iso:11073:10101",
    "urn:oid:2.16.840.1.113883.3.26.1.1",
}
# Texts of these systems are not ours to give, not even beside a code of a mapping.
NO_DISPLAY = {"http://snomed.info/sct", "http://loinc.org"}


def clean(text):
    return re.sub(r"\s+", " ", text or "").strip()


def load(folder, name):
    path = folder / f"{name}.json.gz"
    opened = gzip.open(path, "rt", encoding="utf-8") if path.exists() else open(folder / f"{name}.json", encoding="utf-8")
    with opened as file:
        bundle = json.load(file)
    return [entry["resource"] for entry in bundle["entry"]] if isinstance(bundle, dict) else bundle


def oid_of(resource):
    for identifier in resource.get("identifier", []) if isinstance(resource.get("identifier"), list) else [resource.get("identifier") or {}]:
        if identifier.get("value", "").startswith("urn:oid:"):
            return identifier["value"][8:]
    return ""


def flags_of(concept):
    flags = ""
    for item in concept.get("property", []):
        code = item["code"]
        value = next((v for k, v in item.items() if k.startswith("value")), None)
        if code == "status" and value in ("retired", "inactive"):
            flags += "i"
        elif code == "inactive" and value is True:
            flags += "i"
        elif code == "status" and value == "deprecated":
            flags += "d"
        elif code in ("notSelectable", "abstract") and value is True:
            flags += "a"
    return "".join(sorted(set(flags)))


def concept_lines(concepts, depth, lines, extra):
    for concept in concepts:
        code, display = concept["code"], clean(concept.get("display"))
        flags = flags_of(concept)
        fields = [str(depth), code, "" if display == code else display, flags]
        lines.append("\t".join(fields).rstrip("\t"))
        for item in concept.get("property", []):
            if item["code"] == "child":
                extra.append(f"+\t{code}\t{item.get('valueCode') or item.get('valueString')}")
        concept_lines(concept.get("concept", []), depth + 1, lines, extra)


def code_systems(resources):
    out = [f"# Code systems of FHIR R4 4.0.1 with the HL7 v2 tables and v3 code systems (HL7 International, CC0-1.0), {NOTE}"]
    out.append("# @url version oid name; depth code display flags (a not selectable, d deprecated, i inactive); + parent child\n")
    seen = set()
    for system in sorted((r for r in resources if r["resourceType"] == "CodeSystem"), key=lambda r: r["url"]):
        url = system["url"]
        if url in FOREIGN or url in seen or system["content"] != "complete" or url.startswith("http://hl7.org/fhir/CodeSystem/example"):
            continue
        seen.add(url)
        case = "" if system.get("caseSensitive", True) else "fold"
        # A few v2 tables carry their version in the URL.
        bare, _, own = url.partition("|")
        out.append("\t".join(["@" + bare, own or system.get("version", ""), oid_of(system), clean(system.get("title") or system["name"]), case]).rstrip("\t") + "\n")
        lines, extra = [], []
        concept_lines(system.get("concept", []), 0, lines, extra)
        out.extend(line + "\n" for line in lines + extra)
    return "".join(out), seen


def rule(sign, part):
    lines = []
    sets = part.get("valueSet", [])
    if sets:
        lines.append(f"{sign}^" + " ".join(sets))
    if "system" in part:
        line = f"{sign}{part['system']}"
        if part.get("concept"):
            line += "\t" + "\t".join(c["code"] for c in part["concept"])
        for item in part.get("filter", []):
            line += f"\t?{item['property']} {item['op']} {item['value']}"
        lines.append(line)
    return lines


def value_sets(resources, known):
    out = [f"# Value sets of FHIR R4 4.0.1 (HL7 International, CC0-1.0), {NOTE}"]
    out.append("# @url version; +system [codes] [?property op value], +^value sets, - excludes; no line: the code system of the same name, whole\n")
    kept = {}
    for vset in sorted((r for r in resources if r["resourceType"] == "ValueSet"), key=lambda r: r["url"]):
        url, compose = vset["url"], vset.get("compose", {})
        parts = compose.get("include", []) + compose.get("exclude", [])
        mixed = any("system" in p and "valueSet" in p for p in parts)
        foreign = any("system" in p and p["system"] not in known for p in parts)
        if url not in kept and parts and not mixed and not foreign:
            kept[url] = vset
    # What imports a set that is left out is left out too.
    while True:
        imports = {url: [i for p in s["compose"]["include"] + s["compose"].get("exclude", []) for i in p.get("valueSet", [])] for url, s in kept.items()}
        broken = [url for url, sets in imports.items() if any(s.split("|")[0] not in kept for s in sets)]
        if not broken:
            break
        for url in broken:
            del kept[url]
    for url, vset in kept.items():
        compose = vset["compose"]
        lines = [line for p in compose["include"] for line in rule("+", p)] + [line for p in compose.get("exclude", []) for line in rule("-", p)]
        if lines == ["+" + url.replace("/ValueSet/", "/CodeSystem/")]:
            lines = []
        out.append("\t".join(["@" + url, vset.get("version", "")]).rstrip("\t") + "\n")
        out.extend(line + "\n" for line in lines)
    return "".join(out)


def map_lines(key, url, source_set, target_set, groups):
    out = ["\t".join(["@" + key, url, source_set, target_set]).rstrip("\t") + "\n"]
    for (source, target), rows in groups.items():
        out.append(f">{source}\t{target}\n")
        for code, found, equivalence, display in rows:
            text = "" if target in NO_DISPLAY else clean(display)
            out.append("\t".join(["", code, found, equivalence, text]).rstrip("\t") + "\n")
    return "".join(out)


def v2_system(text):
    match = re.search(r"(\d{3,4})$", text.strip())
    return f"{THO}v2-{match.group(1).zfill(4)[-4:]}" if match else ""


def v2_maps(folder):
    tables = {}
    with open(folder / "v2-to-FHIR Map Inventory - Code System.csv", encoding="utf-8-sig", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            if len(row) > 1 and row[1].strip():
                tables[row[0].strip()] = v2_system(row[1])
    out = []
    for path in sorted((folder / "codesystems").glob("HL7 Concept Map_ *.csv")):
        name = path.name[len("HL7 Concept Map_ ") :].split(" - ")[0]
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))[1:]
        # Some sheets lack the blank column between code and display.
        header = rows.pop(0)
        code_at, display_at = header.index("Code", 3), header.index("Display", 3)
        system_at = header.index("Code System", 3)
        rows = [row + [""] * (12 - len(row)) for row in rows]
        own = [v2_system(row[2]) for row in rows if row[2].strip()]
        default = tables.get(name) or (max(set(own), key=own.count) if own else "")
        groups = {}
        for row in rows:
            code = row[0].strip()
            if not code or re.search(r"\s", code):
                continue
            source = v2_system(row[2]) or default
            target, system = row[code_at].strip(), row[system_at].strip().rstrip("/")
            display = row[display_at].strip() or row[code_at + 1].strip()
            display = "" if display == system else display
            if re.search(r"\s", target):
                # A remark where a code should be.
                target = ""
            if not target:
                system, display = "", ""
            same = target == code and system == source
            equivalence = "unmatched" if not target else "equal" if same else "equivalent"
            groups.setdefault((source, system), []).append((code, target, equivalence, display))
        # What has no target stands with the group of the same source that has most rows, or alone.
        for source, system in list(groups):
            if system:
                continue
            others = [pair for pair in groups if pair[0] == source and pair[1]]
            if others:
                best = max(others, key=lambda pair: len(groups[pair]))
                groups[best].extend(groups.pop((source, system)))
        if any(row[1] for rows in groups.values() for row in rows):
            out.append(map_lines(f"v2-to-fhir/{name}", "", "", "", groups))
    return "".join(out)


def xml_value(element, name):
    found = element.find("{http://hl7.org/fhir}" + name)
    return "" if found is None else found.get("value", "")


def concept_map_groups(resource):
    groups = {}
    for group in resource.get("group", []):
        pair = (group.get("source", "").split("|")[0], group.get("target", "").split("|")[0])
        for element in group.get("element", []):
            for target in element.get("target", []):
                row = (element["code"], target.get("code", ""), target.get("equivalence", "equivalent"), target.get("display", ""))
                groups.setdefault(pair, []).append(row)
    return groups


def xml_concept_map(path):
    root = ElementTree.parse(path).getroot()
    tag = "{http://hl7.org/fhir}"
    resource = {key: xml_value(root, key) for key in ("id", "url", "sourceUri", "targetUri")}
    resource["group"] = [
        {
            "source": xml_value(group, "source"),
            "target": xml_value(group, "target"),
            "element": [
                {
                    "code": xml_value(element, "code"),
                    "target": [{key: xml_value(target, key) for key in ("code", "display", "equivalence")} for target in element.findall(tag + "target")],
                }
                for element in group.findall(tag + "element")
            ],
        }
        for group in root.findall(tag + "group")
    ]
    return resource


def resource_map(resource, prefix):
    groups = concept_map_groups(resource)
    source = resource.get("sourceUri") or resource.get("sourceCanonical") or ""
    target = resource.get("targetUri") or resource.get("targetCanonical") or ""
    return map_lines(prefix + resource["id"], resource["url"], source, target, groups) if groups else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--definitions", type=Path, required=True, help="HL7 FHIR R4 definitions (JSON)")
    parser.add_argument("--v2-to-fhir", type=Path, required=True, help="the folder mappings of HL7/v2-to-fhir")
    parser.add_argument("--ccda-on-fhir", type=Path, required=True, help="the folder of ConceptMap files of HL7/ccda-on-fhir")
    given = parser.parse_args()
    resources = [r for name in ("valuesets", "v2-tables", "v3-codesystems") for r in load(given.definitions, name)]
    text, known = code_systems(resources)
    (OUT / "codesystems.tsv").write_text(text, encoding="utf-8")
    (OUT / "valuesets.tsv").write_text(value_sets(resources, known), encoding="utf-8")

    maps = [f"# Concept maps: HL7/v2-to-fhir (Apache-2.0), HL7/ccda-on-fhir and FHIR R4 (HL7 International, CC0-1.0), {NOTE}"]
    maps.append("# @key url source-value-set target-value-set; >source target; (blank) code target equivalence display\n")
    maps.append(v2_maps(given.v2_to_fhir))
    for path in sorted(given.ccda_on_fhir.glob("ConceptMap-*")):
        resource = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else xml_concept_map(path)
        maps.append(resource_map(resource, "ccda-on-fhir/"))
    for resource in sorted(load(given.definitions, "conceptmaps"), key=lambda r: r["id"]):
        if resource["id"].startswith("cm-"):
            maps.append(resource_map(resource, "fhir/"))
    (OUT / "maps.tsv").write_text("".join(maps), encoding="utf-8")


if __name__ == "__main__":
    main()
