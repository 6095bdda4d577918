#!/usr/bin/env python3
"""Derives crates/convert/data/v2 from the v2-to-FHIR tables and our own tables in the same form. See README.md."""

import csv
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = "HL7/v2-to-fhir mapping CSV at 8c9b414be172 (2025-10-01), Apache-2.0; own rows from tools/derive-v2-to-fhir"


SNOMED = "http://snomed.info/sct"

# Maps that the program names itself.
NAMED_DATATYPES = ("CWE[CodeableConcept]", "CWE[Coding]", "CX[Identifier]", "DR[Period]")
NAMED_CODES = ("MediaType",)


class Unclear(Exception):
    """A condition or path that cannot be compiled."""


# ---- conditions ----------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'\s*("[^"]*"?|\'[^\']*\'|\(|\)|,|<=|>=|!=|=|>|<|[A-Za-z][A-Za-z0-9]*[-.][0-9]+(?:\.[0-9]+)*|[A-Za-z]+(?:\.[A-Za-z]+)?|[0-9]+)')


def tokens(text):
    at, out = 0, []
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if not found:
            raise Unclear(f"cannot read {text[at:]!r}")
        out.append(found.group(1))
        at = found.end()
    return out


class Condition:
    """`IF A-1 VALUED AND B.2 IN ("x", "y")` as a prefix expression: `(and (v A-1) (in B.2 "x" "y"))`."""

    def __init__(self, text, subject, owner):
        text = re.sub(r"\bPL(\d)\.NOT\b", r"PL.\1 NOT", text)
        text = text.replace("“", '"').replace("”", '"').replace("AREA NOT", "ARE NOT").replace("LST.count", "LST.COUNT")
        self.tokens = tokens(text)
        self.at = 0
        self.subject = subject
        self.owner = owner

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.tokens[at].upper() if at < len(self.tokens) else ""

    def take(self, *words):
        if self.peek() in words:
            self.at += 1
            return True
        return False

    def parse(self):
        out = self.disjunction()
        if self.at < len(self.tokens):
            raise Unclear(f"left over: {' '.join(self.tokens[self.at:])}")
        return out

    def disjunction(self):
        parts = [self.conjunction()]
        while self.take("OR"):
            parts.append(self.conjunction())
        return self.join("or", parts)

    def conjunction(self):
        parts = [self.term()]
        while True:
            if self.take("AND"):
                parts.append(self.term())
            elif self.is_reference():  # "IF A NOT VALUED B NOT VALUED"
                parts.append(self.term())
            else:
                return self.join("and", parts)

    @staticmethod
    def join(word, parts):
        return parts[0] if len(parts) == 1 else f"({word} {' '.join(parts)})"

    def is_reference(self):
        return bool(re.match(r"[A-Z][A-Z0-9]*[-.][0-9]", self.peek()))

    def term(self):
        self.take("IF")
        if self.take("("):
            inner = self.disjunction()
            self.take(")")  # one table row forgets it
            return inner
        names = []
        if self.is_reference():
            names = [self.reference()]
            # "IF A AND B VALUED", "IF A OR B VALUED": the predicate is shared.
            while self.peek() in ("AND", "OR") and re.match(r"[A-Z][A-Z0-9]*[-.][0-9]", self.peek(1)) and self.bare(names):
                word = self.tokens[self.at].lower()
                self.at += 1
                names.append(word)
                names.append(self.reference())
        elif self.peek() in ("NOT", "VALUED", "IN", "IS", "EQUALS", "COUNT"):
            names = [self.subject]
        elif re.match(r"[A-Z][A-Z0-9]{2}$", self.peek()):
            names = [self.tokens[self.at]]
            self.at += 1
        else:
            raise Unclear(f"no subject before {self.peek()!r}")
        return self.predicate(names)

    def bare(self, _names):
        """Whether what was read so far has no predicate of its own: the next word is a conjunction."""
        return self.peek() in ("AND", "OR")

    def reference(self):
        word = self.tokens[self.at]
        self.at += 1
        head, rest = re.match(r"([A-Za-z][A-Za-z0-9]*)[-.](.*)", word).groups()
        if self.owner is not None and head.upper() == self.owner:
            return "." + rest
        # A component of the value at hand.
        if re.fullmatch(r"(CX|CWE|EIP|EI|HD|XTN|PL|XCN)", head) and self.subject and "-" in self.subject:
            return f"{self.subject}.{rest}"
        return f"{head}-{rest}"

    def predicate(self, names):
        negated = False
        self.take("IS", "ARE", "DOES", "LIST")
        if self.take("NOT"):
            negated = True
        self.take("TO")
        count = length = False
        if self.take("LST.COUNT", "COUNT"):
            count = True
        elif self.take("LENGTH"):
            length = True
        self.take("IS")
        if self.take("NOT"):
            negated = True
        words = names[1::2]
        names = names[0::2]
        if count or length:
            kind = "count" if count else "length"
            below = self.take("LESS")
            above = self.take("GREATER", ">")
            self.take("THAN")
            orequal = self.take("OR")
            equal = self.take("EQUALS", "EQUAL", "=")
            number = self.tokens[self.at]
            self.at += 1
            relation = {(True, False): "<", (False, True): ">"}.get((below, above), "")
            if equal or orequal or not relation:
                relation += "="
            make = lambda name: f"({kind}{relation} {name} {number})"
        elif self.take("IN"):
            values = self.values()
            make = lambda name: f"(in {name} {values})"
        elif self.peek() in ("EQUALS", "EQUAL", "=", "IS") or self.peek()[:1] in "\"'":
            self.take("EQUALS", "EQUAL", "=", "IS")
            self.take("TO")
            value = self.values()
            make = lambda name: f"(in {name} {value})"
        elif self.take("VALUED", "VALUE", "EXIST", "EMPTY"):
            if self.tokens[self.at - 1].upper() == "EMPTY":
                negated = not negated
            if self.take("NOT"):  # "IS VALUED NOT EQUAL A-1"
                self.take("EQUAL", "EQUALS")
                if self.peek()[:1] in "\"'":
                    value = self.values()
                    return f"(and (v {names[0]}) (not (in {names[0]} {value})))"
                other = self.reference()
                return f"(and (v {names[0]}) (not (same {names[0]} {other})))"
            make = lambda name: f"(v {name})"
        elif self.take("ERROR"):
            raise Unclear("an error")
        else:
            make = lambda name: f"(v {name})"
        # "NOT VALUED OR NOT IN (...)" keeps its subject.
        out = f"(not {make(names[0])})" if negated else make(names[0])
        for word, name in zip(words, names[1:]):
            out = f"({word} {out} {'(not ' + make(name) + ')' if negated else make(name)})"
        return out

    def values(self):
        out = []
        many = self.take("(")
        while True:
            word = self.tokens[self.at]
            self.at += 1
            out.append('"' + word.strip("\"'") + '"')
            if not (many and self.take(",")):
                break
        if many:
            self.take(")")
        return " ".join(out)


def condition(text, subject, owner):
    text = " ".join(text.split())
    if not text or text == "c":
        return ""
    if text.startswith("("):
        text = "IF " + text
    # "IF (A" without its end, of one row of OBX.
    if text.count("(") > text.count(")"):
        text = text.replace("(", "", 1)
    return Condition(text, subject, owner).parse()


# ---- targets -------------------------------------------------------------------------------------------------------

TYPOS = {
    "valueSampedData": "valueSampledData",
    "occurenceTiming": "occurrenceTiming",
    "occurneceTiming": "occurrenceTiming",
    "sytem": "system",
    "Practioner": "Practitioner",
    "practioner": "practitioner",
    "organziation.": "organization",
    "organziation": "organization",
    "payer": "payor",
    "valuedateTime": "valueDateTime",
    "suffix[2}": "suffix[2]",
}


def target(text):
    """`performer[2](PractitionerRole[1].organization(Organization))` as `performer#2>PractitionerRole.organization>Organization`."""
    # Some cells hold characters that cannot be seen.
    text = text.encode("ascii", "ignore").decode().strip()
    for wrong, right in TYPOS.items():
        text = text.replace(wrong, right)
    if not text or "??" in text or "#ext" in text or " " in text or text.startswith("extension?") or "extension-" in text:
        raise Unclear("no element of FHIR")
    assigned = None
    if "=" in text:
        text, assigned = text.split("=", 1)
        assigned = assigned.strip('"')
    text = re.sub(r"^\[(\d+)\]\.", lambda found: "" if found.group(1) == "1" else f"$item#{found.group(1)}.", text)
    text = re.sub(r"line\[1-3\]", "$this", text)
    text = re.sub(r"^Quantity\.", "", text)
    text = re.sub(r"\.reference\(", "(", text)
    text = re.sub(r"\(Annotation\.(\w+)\)", r".\1", text)
    text = re.sub(r"(extension(?:\[\d+\])?)\.uri$", r"\1.url", text)
    # One item that RXE, RXR and TQ1 share.
    text = text.replace("dosageInstruction.", "dosageInstruction[0].")
    out, depth = "", 0
    at = 0
    while at < len(text):
        char = text[at]
        if char == "(":
            # The type of the resource that is referred to, and the path inside it.
            inner = re.match(r"\(([A-Z][A-Za-z]*)(?:\[[^\]]*\])?", text[at:])
            if not inner:
                raise Unclear("no type in brackets")
            out += ">" + inner.group(1)
            at += inner.end()
            depth += 1
            continue
        if char == ")":
            depth -= 1
        elif char == "[":
            end = text.index("]", at)
            out += "#" + text[at + 1 : end]
            at = end
        else:
            out += char
        at += 1
    if out in ("$value", "$this"):
        return "$this", assigned
    if not re.fullmatch(r"(\$item#\d+\.)?[a-zA-Z]+(#[a-z0-9]+)?(>[A-Za-z]+)?(\.[a-zA-Z]+(#[a-z0-9]+)?(>[A-Za-z]+)?)*", out):
        raise Unclear(f"unclear path {out!r}")
    return out, assigned


def assignment(text, owner, subject):
    """`"x"` is the text x; `=A-1+"x"` puts parts together; instructions in slashes are not for machines."""
    text = text.strip()
    if not text:
        return ""
    if text.startswith(("/", "#")):
        raise Unclear("an instruction")
    if re.fullmatch(r'"[^"+]*"?', text):
        return text.strip('"').strip()
    if text.startswith('"') or re.match(r"[A-Z][A-Z0-9]*[-.]\d", text):
        if ".start" in text or "Appointment." in text or "Procedure." in text or "occurrence" in text:
            raise Unclear("arithmetic on dates")
        parts = re.findall(r'"[^"]*"|[A-Z][A-Z0-9]*[-.][0-9]+(?:\.[0-9]+)?', text)
        done = []
        for part in parts:
            if part.startswith('"'):
                done.append(part)
            else:
                head, rest = re.match(r"([A-Z][A-Z0-9]*)[-.](.*)", part).groups()
                done.append("." + rest if owner and head == owner else f"{head}-{rest}")
        return "=" + "+".join(done)
    if re.fullmatch(r"[A-Za-z]+", text) or text.startswith("http://terminology"):
        return text
    raise Unclear("an instruction")


def datatype_map(text):
    text = re.sub(r"\s+", "", text)
    found = re.fullmatch(r"([A-Z]{2,3})\[([A-Za-z.-]+)\]", text)
    if not found:
        return ""
    name, to = found.groups()
    fixes = {"String": "string", "Code": "code", "Boolean": "boolean", "coding": "Coding", "location": "Location", "DateTime": "dateTime",
             "PositiveInt": "positiveInt", "Decimal": "decimal", "UnsignedInt": "unsignedInt"}
    return f"{name}[{fixes.get(to, to)}]"


# ---- reading -------------------------------------------------------------------------------------------------------


def cell(row, at):
    return " ".join(row[at].split()) if at < len(row) else ""


def read_maps(folder, owner_is_type, left_out):
    maps = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        name = re.search(r"R4_ (.*?) - ", os.path.basename(path)).group(1).strip()
        owner = name.split("[")[0]
        rows = []
        for number, row in enumerate(list(csv.reader(open(path, encoding="utf-8-sig")))[2:], 3):
            field, when, narrative = cell(row, 1), cell(row, 6), cell(row, 8)
            to, kind, codes, assign = cell(row, 9), cell(row, 14), cell(row, 15), cell(row, 16)
            if not (to or assign):
                if cell(row, 10) or when or narrative:
                    left_out.append((name, field, to or cell(row, 10), "no element of FHIR", narrative))
                continue
            field = re.sub(r"^.*?[-.]", ".", field) if owner_is_type and re.search(r"[-.]\d", field) else field
            if owner_is_type and not field.startswith("."):
                field = ""
            try:
                path_text, value = target(to)
                done = {
                    "field": field,
                    "target": path_text,
                    "cond": condition(when, field if not owner_is_type else field, owner if owner_is_type else None),
                    "map": datatype_map(kind),
                    "codes": codes,
                    "assign": value or assignment(assign, owner if owner_is_type else None, field),
                }
            except (Unclear, ValueError, IndexError) as problem:
                left_out.append((name, field, to, str(problem), narrative))
                continue
            if narrative and not when:
                left_out.append((name, field, to, "condition in words", narrative))
                done["narrative"] = True
            rows.append(done)
        maps[name] = rows
    return maps


def read_codes(folder):
    maps = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        name = re.search(r"Concept Map_ (.*?) - ", os.path.basename(path)).group(1).strip()
        rows = []
        for row in list(csv.reader(open(path, encoding="utf-8-sig")))[2:]:
            code, to, display, system = cell(row, 0), cell(row, 6), cell(row, 7) or cell(row, 8), cell(row, 9)
            if code and to and "\t" not in code:
                # The texts of SNOMED CT are under a licence of their own.
                rows.append((code, to, "" if system == SNOMED else display, system))
        maps[name] = rows
    return maps


def read_messages(folder):
    """Which map makes what of a segment, by message and place in it."""
    out = []
    for path in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        structure = re.search(r"R4_ (.*?) - ", os.path.basename(path)).group(1).strip()
        for row in list(csv.reader(open(path, encoding="utf-8-sig")))[2:]:
            where, primary, segment_map = cell(row, 1), cell(row, 9), cell(row, 10)
            if segment_map:
                out.append((structure, where, cell(row, 6), cell(row, 8), primary, segment_map, cell(row, 11)))
    return out


# ---- our own rows --------------------------------------------------------------------------------------------------

COLUMNS = ["field", "target", "cond", "map", "codes", "assign"]


def overlay(path, maps, owner_is_type):
    """Applies a file of our own: `@map`, then `+` adds a row, `-` takes the rows of a field and target away, `?` takes a row whose
    condition is in words as it is, `=` replaces. `@a <- b` makes a map a copy of another one, `@a <- none` an empty one."""
    name = None
    used = 0
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        where = f"{path}:{number}"
        if line.startswith("@"):
            name, _, source = (part.strip() for part in line[1:].partition("<-"))
            if source == "none":
                maps[name] = []
            elif source:
                maps[name] = [dict(row) for row in maps[source]]
            maps.setdefault(name, [])
            continue
        cells = [part.strip() for part in line.split("|")]
        op, cells = cells[0], cells[1:]
        reason = cells[-1] if len(cells) > 6 else ""
        cells = (cells + [""] * 6)[:6]
        given = dict(zip(COLUMNS, cells))
        owner = name.split("[")[0]
        key = lambda row: row["field"] == given["field"] and (given["target"] in ("*", row["target"]))
        try:
            if op in ("+", "="):
                row = dict(given)
                row["cond"] = condition(given["cond"], given["field"], owner if owner_is_type else None)
                if given["assign"].startswith("="):
                    row["assign"] = assignment(given["assign"][1:], owner if owner_is_type else None, given["field"])
                row["own"] = True
                places = [at for at, known in enumerate(maps[name]) if key(known)]
                if op == "=":
                    if not places:
                        raise Unclear("nothing to replace")
                    maps[name] = [known for known in maps[name] if not key(known)]
                    maps[name].insert(places[0], row)
                else:
                    # Beside the rows of its field, so that elements come in the order of fields.
                    same = [at for at, known in enumerate(maps[name]) if known["field"] == given["field"]]
                    maps[name].insert(same[-1] + 1 if same else len(maps[name]), row)
            elif op == "-":
                before = len(maps[name])
                maps[name] = [known for known in maps[name] if not key(known)]
                if before == len(maps[name]) and given["target"] != "*":
                    raise Unclear("nothing to take away")
            elif op == "?":
                found = False
                for known in maps[name]:
                    if key(known) and known.get("narrative"):
                        known["narrative"] = False
                        found = True
                if not found and given["target"] != "*":
                    raise Unclear("no such row")
            else:
                raise Unclear(f"unknown operation {op!r}")
        except Unclear as problem:
            sys.exit(f"{where}: {problem}: {line}")
        used += 1
    return used


def order_of(field):
    return [int(digits) for digits in re.findall(r"\d+", field)] or [0]


DROPS = "drops.txt"


def used(segments, datatypes, codes, rows):
    """What message rows lead to: maps that nothing names are not written."""
    segments = {row[4]: segments[row[4]] for row in rows if row[4] in segments}
    wanted, names = list(NAMED_DATATYPES), set(NAMED_CODES)
    reached = {}

    def look(map_rows):
        for row in map_rows:
            if row.get("narrative"):
                continue
            if row["codes"]:
                names.add(row["codes"])
            if row["map"]:
                wanted.append(row["map"])

    for map_rows in segments.values():
        look(map_rows)
    while wanted:
        name = wanted.pop()
        if name in datatypes and name not in reached:
            reached[name] = datatypes[name]
            look(datatypes[name])
    return segments, reached, {name: codes[name] for name in codes if name in names}


def write_maps(path, maps, title):
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"# {title}\n# {SOURCE}\n# @map, then: field, condition, target, data type map, code map, assignment, origin (g guide, o own)\n")
        for name in sorted(maps):
            rows = [row for row in maps[name] if not row.get("narrative")]
            if not rows:
                continue
            out.write(f"@{name}\n")
            for row in rows:
                cells = [row["field"], row["cond"], row["target"], row["map"], row["codes"], row["assign"], "o" if row.get("own") else "g"]
                out.write("\t".join(cells) + "\n")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: derive.py V2-TO-FHIR/mappings CRATES/CONVERT/DATA/v2")
    source, target_folder = sys.argv[1:]
    left_out = []
    segments = read_maps(os.path.join(source, "segments"), False, left_out)
    datatypes = read_maps(os.path.join(source, "datatypes"), True, left_out)
    codes = read_codes(os.path.join(source, "codesystems"))
    overlay(os.path.join(HERE, "own", "segments.txt"), segments, False)
    overlay(os.path.join(HERE, "own", "datatypes.txt"), datatypes, True)
    own_codes = os.path.join(HERE, "own", "codes.txt")
    name = None
    for line in open(own_codes, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            name, _, rest = (part.strip() for part in line[1:].partition("<-"))
            codes.setdefault(name, [])
            if rest == "none":
                codes[name] = []
            elif rest:
                codes[name] = list(codes[rest])
            continue
        cells = [part.strip() for part in line.split("|")]
        codes[name] = [row for row in codes[name] if row[0] != cells[0]]
        if len(cells) > 1 and cells[1]:
            codes[name].append(tuple((cells + ["", "", ""])[:4]))
    # What message maps ask for, to compare with own/messages.txt.
    messages = read_messages(os.path.join(source, "messages"))
    own = os.path.join(HERE, "own", "messages.txt")
    known, rows = set(), []
    for line in open(own, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        cells = [part.strip() for part in line.split("|")] + ["", "", ""]
        structure, segment, context, resource, segment_map, when = cells[:6]
        rows.append((structure, segment, context, resource, segment_map, condition(when, segment, None)))
        known.add(segment_map)
    written = used(segments, datatypes, codes, rows)
    os.makedirs(target_folder, exist_ok=True)
    write_maps(os.path.join(target_folder, "segments.tsv"), written[0], "Segments to resources")
    write_maps(os.path.join(target_folder, "datatypes.tsv"), written[1], "Data types to data types")
    with open(os.path.join(target_folder, "drops.tsv"), "w", encoding="utf-8") as out:
        out.write("# Fields that are left out on purpose: field (or segment), reason, condition\n")
        out.write("# Own work, from tools/derive-v2-to-fhir/own/drops.txt; Apache-2.0\n")
        for line in open(os.path.join(HERE, "own", DROPS), encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                field, reason, when = ([part.strip() for part in line.split("|")] + [""])[:3]
                out.write("\t".join((field, reason, condition(when, field, None))).rstrip("\t") + "\n")
    with open(os.path.join(target_folder, "codes.tsv"), "w", encoding="utf-8") as out:
        out.write(f"# Codes to codes\n# {SOURCE}\n# @map, then: code, code, display, system\n")
        for name in sorted(written[2]):
            out.write(f"@{name}\n")
            for row in written[2][name]:
                out.write("\t".join(row).rstrip("\t") + "\n")
    with open(os.path.join(target_folder, "messages.tsv"), "w", encoding="utf-8") as out:
        out.write(f"# Which map makes what of a segment\n# {SOURCE}\n# structure, segment, context, resource, segment map, condition\n")
        for row in rows:
            out.write("\t".join(row).rstrip("\t") + "\n")
    missing = sorted({row[5] for row in messages} - known)
    print("rows left out or not taken as they are:")
    for row in left_out:
        print("  " + " | ".join(row))
    print("segment maps that message maps name and ours do not:", ", ".join(missing))
    wanted = {row["map"] for maps in (segments, datatypes) for rows in maps.values() for row in rows if row["map"] and not row.get("narrative")}
    print("data type maps without a table:", ", ".join(sorted(name for name in wanted if name not in datatypes)))
    vocabularies = {row["codes"] for maps in (segments, datatypes) for rows in maps.values() for row in rows if row["codes"] and not row.get("narrative")}
    print("code maps without a table:", ", ".join(sorted(name for name in vocabularies if name not in codes)))
    print("not used:", ", ".join(sorted(set(segments) - set(written[0]) | set(datatypes) - set(written[1]) | set(codes) - set(written[2]))))
    segments, datatypes, codes = written
    print("maps:", len(segments), "segments,", len(datatypes), "data types,", len(codes), "codes,", len(rows), "message rows")


if __name__ == "__main__":
    main()
