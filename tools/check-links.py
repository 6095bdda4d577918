#!/usr/bin/env python3
"""Checks that every relative link in the Markdown files leads to a file, and that every page of the book is in its summary."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"target", ".git", "node_modules", "book"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages():
    for page in sorted(ROOT.rglob("*.md")):
        if not any(part in SKIPPED or part.startswith("target") for part in page.relative_to(ROOT).parts):
            yield page


def prose(page):
    """The text without code blocks and code spans, which hold no links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


def main():
    broken = []
    for page in pages():
        for link in LINK.findall(prose(page)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{page.relative_to(ROOT)}: {link} leads nowhere")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                broken.append(f"{page.relative_to(ROOT)}: {link}: no such heading")
    book = ROOT / "docs" / "src"
    summary = (book / "SUMMARY.md").read_text(encoding="utf-8")
    for page in sorted(book.rglob("*.md")):
        name = page.relative_to(book).as_posix()
        if name != "SUMMARY.md" and f"({name})" not in summary:
            broken.append(f"docs/src/SUMMARY.md: {name} is not listed")
    print("\n".join(broken) or "every link leads somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
