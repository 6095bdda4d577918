#!/usr/bin/env python3
"""Derives the word lists of crates/privacy/data/text: names.lst, words-en.lst and words-es.lst.

Inputs (folders or files given on the command line; nothing is downloaded):

- `--lists DIR`: first-names.txt, surnames.txt, cities.txt, counties.txt of philterd/phileas at commit
  9bec2a1be4da0ffafcdf01bc35e60bc7a5b1895f (Apache-2.0), there taken from the lists of the United States Census Bureau and Social
  Security Administration, which are in the public domain.
- `--common FILE --words FILE`: the word lists american-english-small and american-english of the Debian packages
  wamerican-small and wamerican 2020.12.07-2, made from SCOWL (copyright 2000-2018 Kevin Atkinson; free to use, copy, modify and
  distribute with this notice).
- `--spanish FILE.jsonl`: clinical cases of MEDDOCAN (SPACCC, copyright 2019 Secretaria de Estado para el Avance Digital, CC BY 4.0). Only
  words written in small letters at least twice, outside the marked spans, are taken, and only from cases of even number.

Only the words, which are facts, are kept. Form: sorted, front-coded, without line breaks inside a group of one first letter: the
length of the prefix shared with the word before (`0` to `?`), the rest of the word in small letters without marks, and a flag
byte: `@` plus 1 given name, 2 family name, 4 place, 8 common word, 16 rarer word.

Usage: derive.py --lists DIR --common FILE --words FILE --spanish FILE --out crates/privacy/data/text
"""

import argparse
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

GIVEN, FAMILY, CITY, COMMON, WORD = 1, 2, 4, 8, 16


def fold(word: str) -> str:
    plain = unicodedata.normalize("NFD", word.strip())
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).lower()


def write(path: Path, head: list[str], words: dict[str, int]) -> None:
    words = {word: flags for word, flags in words.items() if re.fullmatch(r"[a-z]+( [a-z]+)*", word) and len(word) < 40}
    groups: list[str] = []
    before = ""
    for word in sorted(words):
        shared = 0
        while shared < min(len(before), len(word), 15) and before[shared] == word[shared]:
            shared += 1
        entry = chr(ord("0") + shared) + word[shared:] + chr(ord("@") + words[word])
        if not before or before[0] != word[0]:
            groups.append("")
        groups[-1] += entry
        before = word
    lines = [f"# {line}" for line in [*head, f"Entries: {len(words)}. Made by tools/derive-text-lists/derive.py, which states form, source and licence."]]
    path.write_text("\n".join([*lines, *groups]) + "\n")
    print(path.name, len(words), path.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("lists", "common", "words", "spanish", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()

    names: Counter = Counter()
    for file, flag in (("first-names.txt", GIVEN), ("surnames.txt", FAMILY), ("cities.txt", CITY), ("counties.txt", CITY)):
        for line in (given.lists / file).read_text().splitlines():
            word = fold(line)
            if len(word) > 1:
                names[word] |= flag
    write(given.out / "names.lst", ["Given names, family names and places (Apache-2.0; public domain at their source)."], names)

    small = given.common.read_text().splitlines()
    large = given.words.read_text().splitlines()
    words: Counter = Counter()
    for word in large:
        if re.fullmatch(r"[a-z]+", word):
            words[word] |= WORD
        elif re.fullmatch(r"[A-Z][a-z]+", word) and word.lower() not in names:
            # Nationalities, brands, planets: capital words that are no names.
            words[word.lower()] |= WORD
    for word in small:
        if re.fullmatch(r"[a-z]+", word):
            words[word] |= COMMON
    write(given.out / "words-en.lst", ["English words, common and rarer, from SCOWL (copyright 2000-2018 Kevin Atkinson; free with this notice)."], words)

    seen: Counter = Counter()
    for number, line in enumerate(given.spanish.read_text().splitlines()):
        if number % 2:
            continue
        case = json.loads(line)
        text = list(case["text"])
        for start, end, _ in case["spans"]:
            text[start:end] = " " * (end - start)
        seen.update(fold(word) for word in re.findall(r"(?<![\w@.])[a-záéíóúüñ]{2,}(?![\w@])", "".join(text)))
    spanish = {word: COMMON for word, count in seen.items() if count >= 2}
    write(given.out / "words-es.lst", ["Spanish words of clinical cases (from MEDDOCAN, CC BY 4.0)."], spanish)


main()
