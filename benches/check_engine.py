"""What is in the output of the engine job: rows, counts by facility and type, lab results, pseudonyms. Needs pyarrow.

    check_engine.py expected CORPUS   a plain recount of the messages, without any of the tools
    check_engine.py tables FOLDER     our output: tables in folders
    check_engine.py wide PATH         the other tools' output: one wide table, a file or a folder

Prints one JSON line. Lab values have one decimal: their sum is exact in tenths.
"""

import collections
import glob
import json
import os
import sys

DIRECT = {"patient_id", "family_name", "given_name", "birth_date", "address", "street", "city", "zip", "postal_code", "phone", "phone_home", "ssn"}


def summary(types, patients, identities, births, places, labs, visits, drugs):
    """`types`: facility and type of every message; the rest: lists of values, nulls left out."""
    return {
        "rows": len(types),
        "counts": sorted([*key, count] for key, count in collections.Counter(types).items()),
        "patients": len(set(patients)),
        "identities": len(identities),
        "birth_years": sorted(collections.Counter(births).items()),
        "zip3": sorted(collections.Counter(places).items()),
        "lab_results": len(labs),
        "lab_sum_in_tenths": sum(round(value * 10) for value in labs),
        "visits": len(visits),
        "drugs": len(drugs),
    }


def expected(corpus):
    types, patients, births, places, labs, visits, drugs = [], [], [], [], [], [], []
    for path in sorted(glob.glob(os.path.join(corpus, "*.hl7"))):
        with open(path, encoding="utf-8", newline="") as file:
            segments = [line.split("|") for line in file.read().replace("\n", "").split("\r") if line]
        for fields in segments:
            match fields[0]:
                case "MSH":
                    types.append((fields[3], fields[8]))
                case "PID":
                    patients.append(fields[3].split("^")[0])
                    births.append(fields[7][:4])
                    places.append(fields[11].split("^")[4][:3])
                case "OBX":
                    labs.append(float(fields[5]))
                case "PV1":
                    visits.append(fields[19])
                case "RXE":
                    drugs.append(fields[2])
    return summary(types, patients, patients, births, places, labs, visits, drugs)


def present(column):
    return [value for value in column.to_pylist() if value is not None]


def read(path):
    import pyarrow
    import pyarrow.parquet as parquet

    files = sorted(glob.glob(os.path.join(path, "*.parquet"))) if os.path.isdir(path) else [path]
    table = pyarrow.concat_tables(parquet.read_table(file) for file in files)
    left = DIRECT & set(table.column_names)
    if left:
        sys.exit(f"{path} still has the direct identifiers {', '.join(sorted(left))}")
    return table


def tables(folder):
    records, visits, labs, drugs = (read(os.path.join(folder, name)) for name in ("records", "visits", "lab_results", "drugs"))
    types = list(zip(records["hospital"].to_pylist(), records["message_type"].to_pylist()))
    return summary(types, present(records["patient_key"]), present(records["encrypted_identity"]), present(records["birth_year"]),
                   present(records["zip3"]), present(labs["value"]), present(visits["visit_id"]), present(drugs["drug_code"]))


def wide(path):
    table = read(path)
    types = list(zip(table["hospital"].to_pylist(), table["message_type"].to_pylist()))
    labs = [result["value"] for row in present(table["lab_results"]) for result in row if result["value"] is not None]
    return summary(types, present(table["patient_key"]), present(table["encrypted_identity"]), present(table["birth_year"]),
                   present(table["zip3"]), labs, present(table["visit_id"]), present(table["drug_code"]))


if __name__ == "__main__":
    print(json.dumps({"expected": expected, "tables": tables, "wide": wide}[sys.argv[1]](sys.argv[2])))
