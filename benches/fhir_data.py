"""Synthea resources as NDJSON, as a server would export them: fhir_data.py SYNTHEA_DIR OUT.ndjson COPIES TYPE...

Copy k of a resource has the id ID-k, and references to entries of the same Bundle become Type/ID-k, as they do when a server takes
the transaction in. Types one after the other, as the files of an export would follow each other.
"""

import glob
import gzip
import json
import os
import sys

COPY = "@copy@"


def bundles(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.json*"))):
        with (gzip.open(path) if path.endswith(".gz") else open(path)) as file:
            yield json.load(file)


def resolve(node, targets):
    if isinstance(node, list):
        return [resolve(item, targets) for item in node]
    if isinstance(node, dict):
        return {key: targets.get(value, value) if key == "reference" else resolve(value, targets) for key, value in node.items()}
    return node


def lines(folder, kind):
    for bundle in bundles(folder):
        resources = [entry["resource"] for entry in bundle["entry"]]
        targets = {f"urn:uuid:{resource['id']}": f"{resource['resourceType']}/{resource['id']}{COPY}" for resource in resources if "id" in resource}
        for resource in resources:
            if resource["resourceType"] == kind:
                resolved = resolve({**resource, "id": resource["id"] + COPY}, targets)
                yield json.dumps(resolved, separators=(",", ":"), ensure_ascii=False)


def main(folder, out, copies, *kinds):
    count = 0
    with open(out, "w", encoding="utf-8") as file:
        for kind in kinds:
            once = list(lines(folder, kind))
            for k in range(int(copies)):
                file.writelines(line.replace(COPY, f"-{k}") + "\n" for line in once)
            count += len(once) * int(copies)
    print(f"{count} resources, {os.path.getsize(out) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
