#!/usr/bin/env python3
"""Ours beside other tools on the same input, in one run: `make bench-peers`.

    python3 benches/run.py                     five repetitions; writes target/bench*.json and docs/benchmarks.md
    python3 benches/run.py --parts fhir        one part; the tables of the others stay as they are
    python3 benches/run.py --repeat 1 --trial  shows that everything works; writes target/bench-trial.json only
    python3 benches/run.py --memory            also 500,000 and 5,000,000 messages for peak memory (long)

Needs nothing but Python 3.11 and cargo. The peers' scripts are looked for in ../shared/bench or SUTURA_BENCH_DIR, Synthea's Bundles in
../shared/data or SUTURA_TEST_DATA; the Python packages and Rust crates they need are installed below the target folder (helios-sof
builds for a quarter of an hour). What is absent is skipped, loudly. Sides that do not agree on the data stop the run, or (views)
are left out: no timing without agreement. Exit code 1 then, 0 otherwise, also when a target is missed.
"""

import argparse
import json
import sys

import convert
import engine_job
import fhir_views
import hl7v2_parse
import imaging
import memory
import report
from common import DATA, TARGET, Disagreement, Skip, machine, say

PARTS = ("parse", "engine", "fhir", "convert", "imaging", "memory")


def arguments():
    parser = argparse.ArgumentParser(description="Ours beside other tools on the same input, in one run.")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of every side (5)")
    parser.add_argument("--parts", default="parse,engine,fhir,convert,imaging", help="which parts: parse,engine,fhir,convert,imaging,memory (all but memory)")
    parser.add_argument("--memory", action="store_true", help="also the part memory: about 2 GB of messages, long")
    parser.add_argument("--trial", action="store_true", help="write target/bench-trial.json and print the page; leave docs/benchmarks.md alone")
    parser.add_argument("--no-build", action="store_true", help="take the release binaries as they are")
    options = parser.parse_args()
    options.parts = [part for part in PARTS if part in options.parts.split(",") or (part == "memory" and options.memory)]
    if options.repeat < 1 or not options.parts:
        parser.error("at least one repetition of one part")
    return options


def main():
    options = arguments()
    DATA.mkdir(parents=True, exist_ok=True)
    patience_s = 0 if options.trial else 300
    result = {"command": ["python3", "benches/run.py", *sys.argv[1:]], "machine": machine(), "skipped": {}}
    runs = {"parse": lambda: hl7v2_parse.run(options.repeat, not options.no_build, patience_s),
            "engine": lambda: engine_job.run(options.repeat, not options.no_build, patience_s),
            "fhir": lambda: fhir_views.run(options.repeat, not options.no_build, patience_s),
            "convert": lambda: convert.run(options.repeat, not options.no_build, patience_s),
            "imaging": lambda: imaging.run(options.repeat, not options.no_build, patience_s),
            "memory": lambda: memory.run(not options.no_build)}
    for part in options.parts:
        try:
            result[part] = runs[part]()
        except Skip as skip:
            result["skipped"][part] = str(skip)
            say(f"SKIPPED: {part}: {skip}")
        except Disagreement as disagreement:
            say(f"NO AGREEMENT: {part}: {disagreement}")
            return 1
        for note in result.get(part, {}).get("skipped", []):
            say(f"SKIPPED: {note}")
    if options.trial:
        path = TARGET / "bench-trial.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        say(f"written: {path}")
        print(report.text_of(result))
        return disagreed(result)
    for block, found in report.blocks(result):
        path = TARGET / f"{block}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        report.write(block, found)
        say(f"written: {path}, {report.PAGE}")
    return disagreed(result)


def disagreed(result):
    """1 where a side was left out because its rows are others; the tables say so."""
    return int(any(isinstance(part, dict) and part.get("disagreement") for part in result.values()))


if __name__ == "__main__":
    sys.exit(main())
