#!/usr/bin/env python3
"""Derives the FHIR R4 tables (crates/formats/fhir/data/*.tsv) from the official R4 4.0.1 definitions.

Facts only: names of types and elements, types, cardinality, reference targets, bindings, invariants' keys
and expressions, codes, search parameters and compartments. No descriptions are copied.
Run it as README.md beside this file says; the output is committed, so a build never needs this script.
"""

import argparse
import gzip
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "crates" / "formats" / "fhir" / "data"

SD = "http://hl7.org/fhir/StructureDefinition/"
VS = "http://hl7.org/fhir/ValueSet/"
FHIR_TYPE = SD + "structuredefinition-fhir-type"
MAX_VALUE_SET = SD + "elementdefinition-maxValueSet"
# Sets of extensible and preferred bindings are kept up to this many codes, required ones always.
MAX_CODES_OF_OPEN_BINDING = 400
# Value sets whose codes follow a grammar: checked by the program, not by a list.
GRAMMAR = {
    VS + "all-languages": "language",
    VS + "languages": "language",
    VS + "mimetypes": "mime",
    VS + "ucum-units": "ucum",
    VS + "ucum-common": "ucum",
    VS + "currencies": "currency",
    "http://www.rfc-editor.org/bcp/bcp13.txt": "mime",
}
HEADER = "# Facts of FHIR R4 4.0.1 (HL7 International, CC0-1.0), made by tools/derive-fhir; do not edit.\n"


def load(folder, name):
    for path in (folder / f"{name}.json.gz", folder / f"{name}.json"):
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
                bundle = json.load(file)
            return [entry["resource"] for entry in bundle["entry"]] if isinstance(bundle, dict) and "entry" in bundle else bundle
    raise SystemExit(f"{name} not found in {folder}")


def short(url, prefix):
    return url[len(prefix) :] if url.startswith(prefix) else url


def extension(element, url):
    for item in element.get("extension", []):
        if item["url"] == url:
            return next(value for key, value in item.items() if key.startswith("value"))
    return None


class Types:
    """The types, one line each, and below each its own elements (inherited ones stand with the base)."""

    def __init__(self, structures):
        self.structures = {s["name"]: s for s in structures if s["derivation_"] != "constraint" and s["kind"] != "logical"}
        self.invariants = {}
        self.bindings = {}
        self.lines = []
        self.root_keys = {
            name: [c["key"] for c in s["snapshot"]["element"][0].get("constraint", [])] for name, s in self.structures.items()
        }

    def order(self):
        """Bases before what derives from them."""
        done = []

        def visit(name):
            if name in done:
                return
            base = self.base(name)
            if base:
                visit(base)
            done.append(name)

        for name in sorted(self.structures):
            visit(name)
        return done

    def base(self, name):
        url = self.structures.get(name, {}).get("baseDefinition", "")
        return url[len(SD) :] if url else ""

    def note(self, constraint, path):
        """The key; with `@path` behind it where two elements use one key for different expressions (inv-1)."""
        known = (constraint.get("severity"), constraint.get("expression", ""))
        key = constraint["key"]
        if self.invariants.setdefault(key, known) != known:
            key += "@" + path
            self.invariants[key] = known
        return key

    def chain_keys(self, name):
        keys = set()
        while name:
            keys.update(self.root_keys.get(name, []))
            name = self.base(name)
        return keys

    def element_types(self, element):
        out = []
        for entry in element.get("type", []):
            code = entry["code"]
            if code.startswith("http://hl7.org/fhirpath/"):
                code = extension(entry, FHIR_TYPE) or code.rsplit(".", 1)[-1].lower()
            targets = [short(t, SD) for t in entry.get("targetProfile", [])]
            out.append(code + (f"({'|'.join(targets)})" if targets else ""))
        return ",".join(out)

    def type_codes(self, element):
        return [entry["code"] for entry in element.get("type", [])]

    def binding(self, element):
        bound = element.get("binding")
        if not bound or "valueSet" not in bound:
            return ""
        url = bound["valueSet"].split("|")[0]
        strength = bound["strength"]
        self.bindings.setdefault(url, set()).add(strength)
        text = {"required": "r", "extensible": "e", "preferred": "p", "example": "x"}[strength] + ":" + url
        maximum = extension(bound, MAX_VALUE_SET)
        if maximum:
            maximum = maximum.split("|")[0]
            self.bindings.setdefault(maximum, set()).add("required")
            text += " m:" + maximum
        return text

    def write(self):
        for name in self.order():
            structure = self.structures[name]
            base = self.base(name)
            kind = {"primitive-type": "P", "complex-type": "C", "resource": "R"}[structure["kind"]]
            kind += "a" if structure.get("abstract") else ""
            root = structure["snapshot"]["element"][0]
            inherited = self.chain_keys(base) if base else set()
            keys = [self.note(c, name) for c in root.get("constraint", []) if c["key"] not in inherited]
            self.lines.append("\t".join(["@" + name, kind, base, " ".join(keys)]))
            if kind.startswith("P"):
                continue  # in JSON a primitive has no element `value`
            for element in structure["snapshot"]["element"][1:]:
                if not element["base"]["path"].startswith(name + ".") and not self.changed(name, element):
                    continue
                self.element(name, element)

    def changed(self, name, element):
        """An inherited element whose types or cardinality this type narrows."""
        path = element["base"]["path"]
        owner = path.split(".")[0]
        if element["path"].count(".") > 1 or owner not in self.structures:
            return False
        for other in self.structures[owner]["snapshot"]["element"]:
            if other["path"] == path:
                return (other["min"], other["max"], self.element_types(other)) != (element["min"], element["max"], self.element_types(element))
        return False

    def element(self, name, element):
        path = element["path"][len(name) + 1 :]
        codes = self.type_codes(element)
        known = {"ele-1"}
        for code in codes:
            known |= self.chain_keys(code)
        keys = [self.note(c, element["path"]) for c in element.get("constraint", []) if c["key"] not in known]
        for entry in element.get("type", []):
            if SD + "SimpleQuantity" in entry.get("profile", []) and "sqt-1" not in keys:
                keys.append("sqt-1")
        flags = ("s" if element.get("isSummary") else "") + ("m" if element.get("isModifier") else "")
        reference = element.get("contentReference", "")
        types = reference if reference else self.element_types(element)
        if element["path"] == "Resource.id":
            types = "id"  # the definition says `string`, the text of the standard says `id`
        self.lines.append(
            "\t".join([path, str(element["min"]), element["max"], flags, types, self.binding(element), " ".join(keys)]).rstrip("\t")
        )


class Codes:
    """Value sets as lists of (system, codes)."""

    def __init__(self, resources):
        self.systems = {}
        self.sets = {}
        for r in resources:
            if r["resourceType"] == "CodeSystem" and r.get("content") in ("complete", "fragment", None):
                if r["url"] not in self.systems and r.get("content") != "fragment":
                    self.systems[r["url"]] = r
            if r["resourceType"] == "ValueSet":
                self.sets.setdefault(r["url"], r)

    def concepts(self, url):
        out = {}

        def walk(concepts, parents):
            for concept in concepts:
                more = [p["valueCode"] for p in concept.get("property", []) if p["code"] in ("subsumedBy", "parent")]
                out[concept["code"]] = (concept, parents | set(more))
                walk(concept.get("concept", []), parents | {concept["code"]})

        walk(self.systems[url].get("concept", []), frozenset())
        return out

    def descends(self, concepts, code, ancestor, seen=frozenset()):
        parents = concepts[code][1] if code in concepts else ()
        return ancestor in parents or any(p not in seen and self.descends(concepts, p, ancestor, seen | {p}) for p in parents)

    def part(self, include):
        """The (system, code) pairs of one include or exclude; None where they cannot be known here."""
        pairs = None
        if "system" in include:
            system = include["system"]
            if "concept" in include:
                pairs = {(system, c["code"]) for c in include["concept"]}
            elif system not in self.systems or self.systems[system].get("content") not in ("complete", None):
                return None
            else:
                concepts = self.concepts(system)
                codes = {
                    code
                    for code, (concept, _) in concepts.items()
                    if not any(p["code"] == "notSelectable" and p.get("valueBoolean") for p in concept.get("property", []))
                }
                if not concepts:
                    return None
                for rule in include.get("filter", []):
                    op, value, prop = rule["op"], rule["value"], rule["property"]
                    if op == "is-a" and prop == "concept":
                        codes = {c for c in codes if c == value or self.descends(concepts, c, value)}
                    elif op == "descendent-of" and prop == "concept":
                        codes = {c for c in codes if self.descends(concepts, c, value)}
                    elif op == "is-not-a" and prop == "concept":
                        codes = {c for c in codes if not (c == value or self.descends(concepts, c, value))}
                    elif op == "=":
                        def has(code):
                            for p in concepts[code][0].get("property", []):
                                if p["code"] == prop and str(p.get("valueCode", p.get("valueString", p.get("valueBoolean")))).lower() == value.lower():
                                    return True
                            return False
                        codes = {c for c in codes if has(c)}
                    else:
                        return None
                pairs = {(system, code) for code in codes}
        for url in include.get("valueSet", []):
            other = self.expand(url.split("|")[0])
            if other is None:
                return None
            pairs = other if pairs is None else pairs & other
        return pairs

    def expand(self, url, depth=0):
        value_set = self.sets.get(url)
        if value_set is None or depth > 8:
            return None
        compose = value_set.get("compose")
        if not compose:
            return None
        out = set()
        for include in compose.get("include", []):
            pairs = self.part(include)
            if pairs is None:
                return None
            out |= pairs
        for exclude in compose.get("exclude", []):
            pairs = self.part(exclude)
            if pairs is None:
                return None
            out -= pairs
        return out


def value_sets(types, codes):
    """Whole code systems once (`=` lines), value sets (`@` lines) as systems or lists of codes."""
    lines, whole, unknown = [], {}, []
    for url in sorted(types.bindings):
        strengths = types.bindings[url]
        if strengths == {"example"}:
            continue
        if url in GRAMMAR:
            lines.append(f"@{url}\t!{GRAMMAR[url]}")
            continue
        pairs = codes.expand(url)
        if pairs is None or any(" " in code for _, code in pairs):
            unknown.append(f"{url} ({', '.join(sorted(strengths))})")
            continue
        if "required" not in strengths and len(pairs) > MAX_CODES_OF_OPEN_BINDING:
            unknown.append(f"{url} ({len(pairs)} codes)")
            continue
        lines.append("@" + url)
        for system in sorted({system for system, _ in pairs}):
            these = sorted(code for s, code in pairs if s == system)
            complete = sorted(codes.concepts(system)) if system in codes.systems else []
            if these == complete and len(these) > 8:
                whole[system] = these
                lines.append(f"{system}\t*")
            else:
                lines.append(f"{system}\t{' '.join(these)}")
    systems = [f"={system}\t{' '.join(these)}" for system, these in sorted(whole.items())]
    print(f"{len(unknown)} bound value sets are left out (not expandable here, or large and not required)")
    for line in unknown:
        print("  ", line)
    return systems + lines


def search_lines(parameters):
    lines = []
    for p in parameters:
        if p["resourceType"] != "SearchParameter":
            continue
        components = ";".join(f"{c['definition'].rsplit('/', 1)[-1]}={c['expression']}" for c in p.get("component", []))
        lines.append(
            "\t".join([p["code"], p["type"], " ".join(p["base"]), p.get("expression", ""), " ".join(p.get("target", [])), components]).rstrip("\t")
        )
    return sorted(set(lines))


def write(name, columns, lines):
    OUT.mkdir(parents=True, exist_ok=True)
    text = HEADER + f"# {columns}\n" + "\n".join(lines) + "\n"
    (OUT / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(lines)} lines, {len(text.encode())} bytes")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--definitions", type=Path, required=True, help="folder of the official definitions (see README.md)")
    folder = arguments.parse_args().definitions

    structures = [
        r for name in ("profiles-types", "profiles-resources") for r in load(folder, name) if r["resourceType"] == "StructureDefinition"
    ]
    for s in structures:
        s["derivation_"] = s.get("derivation", "")
    types = Types(structures)
    types.write()
    for s in structures:  # sqt-1 stands on a profile of Quantity only
        for c in s["snapshot"]["element"][0].get("constraint", []):
            if c["key"] == "sqt-1":
                types.note(c, "SimpleQuantity")
    write("types.tsv", "@type kind base invariants / path min max flags types binding invariants", types.lines)
    write(
        "invariants.tsv",
        "key severity expression",
        ["\t".join([key, severity[0], " ".join(expression.split())]) for key, (severity, expression) in sorted(types.invariants.items())],
    )
    codes = Codes([r for name in ("valuesets", "v3-codesystems", "v2-tables") for r in load(folder, name)])
    write("valuesets.tsv", "=system codes / @value set [!grammar] / system codes", value_sets(types, codes))
    write("search.tsv", "code type bases expression targets components", search_lines(load(folder, "search-parameters")))
    compartments = [r for r in load(folder, "profiles-resources") if r["resourceType"] == "CompartmentDefinition"]
    write(
        "compartments.tsv",
        "compartment resource parameters",
        [
            f"{c['code']}\t{r['code']}\t{' '.join(r['param'])}"
            for c in sorted(compartments, key=lambda c: c["code"])
            for r in sorted(c["resource"], key=lambda r: r["code"])
            if r.get("param")
        ],
    )


if __name__ == "__main__":
    main()
