"""python-fhir-converter over C-CDA documents: python_fhir_converter.py LIST, a path a line; one JSON line on standard output."""

import json
import sys
import time

from fhir_converter.renderers import CcdaRenderer

paths = open(sys.argv[1]).read().splitlines()
start = time.perf_counter()
renderer = CcdaRenderer()
converted = failed = entries = 0
for path in paths:
    with open(path, "rb") as file:
        document = file.read()
    try:
        bundle = renderer.render_fhir_string("CCD", document)
    except Exception:  # whatever it raises, the document is lost
        failed += 1
        continue
    converted += 1
    entries += bundle.count('"resourceType"')
print(json.dumps({"documents": len(paths), "converted": converted, "failed": failed, "resources": entries, "convert_s": time.perf_counter() - start}))
