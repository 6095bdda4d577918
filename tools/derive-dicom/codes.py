#!/usr/bin/env python3
"""Derives crates/deid/data/dcm_codes.tsv: the codes of DICOM's own terminology (DCM, PS3.16 annex D) with what each means.

Facts only, from the tables that pydicom has of PS3.16; read as a literal, not run. The output is committed, so a build never needs this script.
"""

import argparse
import ast
from pathlib import Path

HEADER = """# Codes of DICOM's own terminology: code, meaning.
# Derived by tools/derive-dicom/codes.py from sr/_concepts_dict.py of pydicom 3.0.2 (MIT licence); facts of PS3.16.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concepts", type=Path, required=True, help="sr/_concepts_dict.py of pydicom")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "crates/deid/data/dcm_codes.tsv")
    arguments = parser.parse_args()
    found = {}
    for statement in ast.parse(arguments.concepts.read_text()).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Subscript) and ast.literal_eval(target.slice) == "DCM":
            for codes in ast.literal_eval(statement.value).values():
                for code, (meaning, _groups) in codes.items():
                    # Of several spellings the shortest, which is that of the annex more often than not.
                    known = found.get(code)
                    if known is None or (len(meaning), meaning) < (len(known), known):
                        found[code] = " ".join(meaning.split())
    assert len(found) > 1000, "the table is not where it was"
    rows = [f"{code}\t{meaning}" for code, meaning in sorted(found.items()) if len(meaning) <= 64]
    arguments.out.write_text(HEADER + "\n".join(rows) + "\n")


main()
