#!/usr/bin/env python3
"""Derives crates/privacy/data/zip3-allowed-2020.txt.

Input: a CSV of `zip,population` for every ZIP Code Tabulation Area of the 2020 Census (lines that start with `#` are skipped).
The file used: philterd/phileas, src/main/resources/zip-code-population.csv at commit
9bec2a1be4da0ffafcdf01bc35e60bc7a5b1895f (Apache-2.0), adapted by them from the 2020 Census tables of the United States
Census Bureau (https://data.census.gov), which are in the public domain. Only the derived list of prefixes, a fact, is kept here.

Rule: 45 CFR 164.514(b)(2)(i)(B). The first three digits may stay where all ZIP codes that share them hold MORE than
20,000 people together; otherwise they become 000.

Usage: derive.py zip-code-population.csv > crates/privacy/data/zip3-allowed-2020.txt
"""

import csv
import sys
from collections import Counter

THRESHOLD = 20_000


def main() -> None:
    population = Counter()
    with open(sys.argv[1], newline="") as source:
        for row in csv.reader(line for line in source if not line.startswith("#")):
            population[row[0].strip()[:3]] += int(row[1])

    allowed = [prefix for prefix in range(1000) if population[f"{prefix:03}"] > THRESHOLD]
    print("# Three-digit ZIP code prefixes whose area holds more than 20,000 people (2020 Census, ZCTA population).")
    print("# 45 CFR 164.514(b)(2)(i)(B). Made by tools/derive-zip3/derive.py, which states source and licence. Ranges are inclusive.")
    print(f"# prefixes: {len(allowed)}; people counted: {sum(population.values())}")
    ranges: list[list[int]] = []
    for prefix in allowed:
        if ranges and ranges[-1][1] == prefix - 1:
            ranges[-1][1] = prefix
        else:
            ranges.append([prefix, prefix])
    words = [f"{a:03}" if a == b else f"{a:03}-{b:03}" for a, b in ranges]
    for start in range(0, len(words), 14):
        print(" ".join(words[start : start + 14]))


main()
