"""What is in the rows of the FHIR views: counts and checksums of every column and of whole rows. Needs duckdb and pyarrow.

    check_fhir.py expected VIEW FILE OUT           the rows by a plain walk over the JSON, without any of the engines, as Parquet
    check_fhir.py compare VIEW EXPECTED WITHOUT PATH...
                 what a side wrote (Parquet, Arrow, NDJSON) beside that; WITHOUT: columns that must be empty and are not compared, a,b or -

Prints one JSON line. Checksums do not depend on the order of rows; measured values are compared with six decimals, because the
DuckDB view that everybody is compared with holds them so, and a `urn:uuid:` in front of a key is no difference.
"""

import json
import sys
from decimal import Decimal

import duckdb
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
NUMBERS = {"value", "systolic", "diastolic"}


def at(node, *path):
    """The value at a path of names and positions; None where there is none."""
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None
    return node


def first(nodes, test):
    return next((node for node in nodes or [] if test(node)), None)


def coded(concept, system, code):
    return any(at(coding, "system") == system and at(coding, "code") == code for coding in at(concept, "coding") or [])


def key(reference, kind):
    text = at(reference, "reference") or ""
    return text.split("/")[1] if text.startswith(kind + "/") else None


def categorised(resource, code):
    return any(coded(category, CATEGORY, code) for category in at(resource, "category") or [])


def observations(r):
    if r["resourceType"] != "Observation":
        return
    reference = at(r, "subject", "reference")
    patient = reference and reference.removeprefix("urn:uuid:").split("/")[-1]
    for coding in at(r, "code", "coding") or []:
        yield {"id": r["id"], "patient": patient, "status": at(r, "status"), "effective": at(r, "effectiveDateTime"),
               "value": at(r, "valueQuantity", "value"), "unit": at(r, "valueQuantity", "unit"), "system": at(coding, "system"), "code": at(coding, "code")}


def us_core_patient(r):
    if r["resourceType"] != "Patient":
        return
    name = first(at(r, "name"), lambda name: at(name, "use") == "official")
    if name is None:
        return

    def extension(name):
        return first(at(r, "extension"), lambda extension: extension["url"] == US_CORE + name)

    def category(name):
        return at(first(at(extension(name), "extension"), lambda extension: extension["url"] == "ombCategory"), "valueCoding", "code")

    record = first(at(r, "identifier"), lambda identifier: coded(at(identifier, "type"), "http://terminology.hl7.org/CodeSystem/v2-0203", "MR"))
    address = at(r, "address", 0)
    yield {"id": r["id"], "mrn": at(record, "value"), "gender": at(r, "gender"), "birth_date": at(r, "birthDate"), "deceased": at(r, "deceasedDateTime"),
           "race": category("race"), "ethnicity": category("ethnicity"), "birth_sex": at(extension("birthsex"), "valueCode"),
           "marital_status": at(r, "maritalStatus", "coding", 0, "code"), "language": at(r, "communication", 0, "language", "coding", 0, "code"),
           "family": at(name, "family"), "given": at(name, "given", 0), "line": at(address, "line", 0), "city": at(address, "city"),
           "state": at(address, "state"), "postal_code": at(address, "postalCode")}


def us_core_condition(r):
    if r["resourceType"] != "Condition":
        return
    for coding in at(r, "code", "coding") or []:
        yield {"id": r["id"], "patient": key(at(r, "subject"), "Patient"), "encounter": key(at(r, "encounter"), "Encounter"),
               "category": at(r, "category", 0, "coding", 0, "code"), "clinical_status": at(r, "clinicalStatus", "coding", 0, "code"),
               "verification_status": at(r, "verificationStatus", "coding", 0, "code"), "onset": at(r, "onsetDateTime"),
               "abatement": at(r, "abatementDateTime"), "recorded": at(r, "recordedDate"),
               "system": at(coding, "system"), "code": at(coding, "code"), "display": at(coding, "display")}


def us_core_blood_pressure(r):
    if r["resourceType"] != "Observation" or not coded(at(r, "code"), LOINC, "85354-9"):
        return
    high, low = (first(at(r, "component"), lambda component: coded(at(component, "code"), LOINC, code)) for code in ("8480-6", "8462-4"))
    if high and low:
        yield {"id": r["id"], "patient": key(at(r, "subject"), "Patient"), "status": at(r, "status"), "effective": at(r, "effectiveDateTime"),
               "systolic": at(high, "valueQuantity", "value"), "systolic_unit": at(high, "valueQuantity", "code"),
               "diastolic": at(low, "valueQuantity", "value"), "diastolic_unit": at(low, "valueQuantity", "code")}


def vital_signs(r):
    if r["resourceType"] == "Observation" and categorised(r, "vital-signs"):
        yield {"id": r["id"], "patient": key(at(r, "subject"), "Patient"), "effective": at(r, "effectiveDateTime"),
               "code": at(r, "code", "coding", 0, "code"), "display": at(r, "code", "coding", 0, "display"),
               "value": at(r, "valueQuantity", "value"), "unit": at(r, "valueQuantity", "code")}


def lab_results(r):
    if r["resourceType"] != "Observation" or not categorised(r, "laboratory"):
        return
    for coding in at(r, "code", "coding") or []:
        yield {"id": r["id"], "patient": key(at(r, "subject"), "Patient"), "encounter": key(at(r, "encounter"), "Encounter"), "status": at(r, "status"),
               "effective": at(r, "effectiveDateTime"), "issued": at(r, "issued"), "value": at(r, "valueQuantity", "value"),
               "unit": at(r, "valueQuantity", "unit"), "value_code": at(r, "valueCodeableConcept", "coding", 0, "code"),
               "code": at(coding, "code"), "display": at(coding, "display")}


def observation_text(r):
    if r["resourceType"] == "Observation":
        yield {"id": r["id"], "status": at(r, "status"), "issued": at(r, "issued"), "reference": at(r, "subject", "reference"), "text": at(r, "code", "text")}


VIEWS = {made.__name__: made for made in (observations, us_core_patient, us_core_condition, us_core_blood_pressure, vital_signs, lab_results,
                                        observation_text)}
COLUMNS = {
    "observations": "id patient status effective value unit system code",
    "us_core_patient": "id mrn gender birth_date deceased race ethnicity birth_sex marital_status language family given line city state postal_code",
    "us_core_condition": "id patient encounter category clinical_status verification_status onset abatement recorded system code display",
    "us_core_blood_pressure": "id patient status effective systolic systolic_unit diastolic diastolic_unit",
    "vital_signs": "id patient effective code display value unit",
    "lab_results": "id patient encounter status effective issued value unit value_code code display",
    "observation_text": "id status issued reference text",
}


def walk(view, path):
    columns = {name: [] for name in COLUMNS[view].split()}
    with open(path, encoding="utf-8") as file:
        for line in file:
            for row in VIEWS[view](json.loads(line, parse_float=Decimal, parse_int=Decimal)):
                for name, values in columns.items():
                    values.append(None if row[name] is None else str(row[name]))
    return pyarrow.table({name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()})


def rows_of(connection, view, paths):
    """The rows under the name `made`."""
    if paths[0].endswith(".arrow"):
        connection.register("made", pyarrow.concat_tables(pyarrow.ipc.open_file(path).read_all() for path in paths))
        return
    reader = f"read_parquet({paths!r})"
    if paths[0].endswith(".ndjson"):
        # Text as it stands: dates and codes that look like numbers are not to be read as such.
        types = {name: "varchar" for name in COLUMNS[view].split()}
        reader = f"read_json({paths!r}, format='newline_delimited', columns={types!r})"
    connection.execute(f"create view made as select * from {reader}")


def canonical(name):
    if name in NUMBERS:
        return f'cast(cast(cast("{name}" as varchar) as decimal(18, 6)) as varchar) as "{name}"'
    if name == "patient":
        return f'regexp_replace(cast("{name}" as varchar), \'^urn:uuid:\', \'\') as "{name}"'
    return f'cast("{name}" as varchar) as "{name}"'


def summary(view, paths, without):
    connection = duckdb.connect()
    rows_of(connection, view, paths)
    names = [name for name in COLUMNS[view].split() if name not in without]
    sums = ", ".join(f'count("{name}"), sum(hash("{name}")) filter ("{name}" is not null)' for name in names)
    every = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(canonical(name) for name in COLUMNS[view].split())
    left = ", ".join(f'count("{name}")' for name in without) or "0"
    found = connection.execute(f"select count(*), sum(hash({every})), {sums}, {left} from (select {values} from made)").fetchone()
    columns = {name: [found[2 + 2 * at], str(found[3 + 2 * at])] for at, name in enumerate(names)}
    return {"rows": found[0], "whole rows": str(found[1]), **columns}, any(found[2 + 2 * len(names) :])


def main(what, view, *arguments):
    if what == "expected":
        path, out = arguments
        pyarrow.parquet.write_table(walk(view, path), out)
        return
    expected, without, *paths = arguments
    without = [] if without == "-" else without.split(",")
    (wanted, _), (made, unexpected) = summary(view, [expected], without), summary(view, paths, without)
    differs = {name: [made[name], value] for name, value in wanted.items() if made[name] != value}
    if unexpected:
        differs["empty columns"] = [without, "values"]
    print(json.dumps({"rows": made["rows"], "differs": differs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
