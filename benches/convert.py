"""Part: HL7 v2 and C-CDA to FHIR on one core beside python-fhir-converter: the whole command, and the conversion alone from memory to memory."""

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

from common import DATA, HERE, ROOT, SUTURA, TARGET, Disagreement, Samples, Skip, cargo, last_json_line, load_average, run_child, say, venv, wait_until_idle
from hl7v2_parse import CORPUS_MESSAGES, corpus

DOCUMENTS = 53
PACKAGES = ["python-fhir-converter==0.3.0"]
# What a program says of its own work.
Timed = namedtuple("Timed", "wall_s peak_rss_mib")
TARGETS = {"messages": ("messages/s", 20_000), "documents": ("times python-fhir-converter", 20)}


def documents():
    """The documents of vendors, below the shared test data."""
    data = Path(os.environ.get("SUTURA_TEST_DATA") or ROOT.parent / "shared" / "data").resolve() / "ccda"
    folders = ("sample_ccdas", "msft-fhir-converter/documents", "nurra-ccda-to-fhir/documents")
    found = sorted(path for folder in folders for path in (data / folder).rglob("*") if path.suffix.lower() in (".xml", ".ccda"))
    if len(found) != DOCUMENTS:
        raise Skip(f"{data} has {len(found)} documents of vendors, not {DOCUMENTS}; set SUTURA_TEST_DATA")
    return found


def convert(inputs, records):
    """Our command, to a folder that is new each time."""
    out = DATA / "convert-out"
    shutil.rmtree(out, ignore_errors=True)
    command = [SUTURA, "convert", "--to", "fhir", *inputs, out, "--jobs", 1, "--json", "--allow-phi", "--purpose", "benchmark of public documents"]
    child = run_child(command, count=1)
    counts = json.loads(child.stdout)
    if counts["records"]["converted"] != records or counts["records"]["rejected"]:
        raise Disagreement(f"{counts['records']} of {records} records")
    return child, sum(counts["resources"].values()), command


def shown(command, found):
    """The command as words, with the documents as one."""
    words = [str(word) for word in command if word not in found]
    if len(words) < len(command):
        words.insert(words.index("fhir") + 1, f"<the {len(found)} documents>")
    return " ".join(words)


def run(repeat, build, patience_s):
    say("conversion to FHIR, one core")
    feed, found, skipped = corpus(), documents(), []
    if build:
        cargo("build", "--release", "--locked", "-p", "sutura", "--bin", "sutura")
        cargo("build", "--release", "--locked", "-p", "sutura-convert", "--example", "v2_throughput", "--example", "ccda_throughput")
    names = DATA / "documents.txt"
    names.write_text("\n".join(map(str, found)) + "\n")
    examples = TARGET / "release" / "examples"

    def library(records, *command):
        """The conversion alone, as its program says."""
        child = run_child(command, count=1)
        said = last_json_line(child.stdout)
        if said["records"] != records or said["failed"]:
            raise Disagreement(f"{said} of {records} records")
        return Timed(said["convert_s"], child.peak_rss_mib), said["resources"], list(command)

    sides = {
        "sutura, HL7 v2": lambda: convert([feed], CORPUS_MESSAGES),
        "sutura, HL7 v2, in memory": lambda: library(CORPUS_MESSAGES, examples / "v2_throughput", feed),
        "sutura, C-CDA": lambda: convert(found, DOCUMENTS),
        "sutura, C-CDA, in memory": lambda: library(DOCUMENTS, examples / "ccda_throughput", names, 1, "unchecked"),
        "sutura, C-CDA, in memory, validated": lambda: library(DOCUMENTS, examples / "ccda_throughput", names, 1),
    }
    try:
        python = [venv("fhir-converter", PACKAGES), HERE / "python_fhir_converter.py", names]

        def peer():
            child = run_child(python, count=1)
            said = json.loads(child.stdout)
            failed.append(said["failed"])
            alone.append(said["convert_s"])
            return child, said["resources"], python

        sides["python-fhir-converter 0.3.0, C-CDA"] = peer
        sides["python-fhir-converter 0.3.0, C-CDA, in memory"] = lambda: (Timed(alone[-1], 0), facts["python-fhir-converter 0.3.0, C-CDA"]["resources"], ["(the same run)"])
    except Skip as skip:
        skipped.append(f"python-fhir-converter: {skip}")
    failed, alone, rows, samples, facts = [], [], [], {}, {}
    quiet = wait_until_idle(patience_s)
    load = [load_average()]
    for turn in range(repeat):
        for name, side in sides.items():
            child, resources, command = side()
            samples.setdefault(name, Samples()).add(child.wall_s)
            facts[name] = {"resources": resources, "peak_rss_mib": round(child.peak_rss_mib), "command": shown(command, found)}
            say(f"  {turn + 1}/{repeat} {name}: {child.wall_s:.2f} s")
    load.append(load_average())
    for name, sample in samples.items():
        records = CORPUS_MESSAGES if "HL7" in name else DOCUMENTS
        lost = failed[-1] if name.startswith("python") else 0
        rows.append({"side": name, "records": records, "failed": lost, **facts[name], "median_s": round(sample.median(), 3),
                     "values_s": [round(value, 3) for value in sample.values], "records_per_s": round((records - lost) / sample.median(), 1)})
    return {"rows": rows, "skipped": skipped, "quiet": quiet, "load_average": load, "repeat": repeat, "targets": TARGETS}
