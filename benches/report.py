"""docs/benchmarks.md: the tables between markers, a pair for each block of parts; everything outside them is written by hand."""

import shlex
from pathlib import Path

from common import HERE, PEERS_DIR, ROOT, TARGET

PAGE = ROOT / "docs" / "benchmarks.md"
BLOCKS = {"bench": ("parse", "engine", "memory"), "bench-fhir": ("fhir",), "bench-convert": ("convert",), "bench-imaging": ("imaging",)}


def table(head, rows, right_from=1):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" if at < right_from else "---:" for at in range(len(head))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def shown(command):
    """The command with the places of this machine replaced by what they are."""
    for place, word in ((HERE, "benches"), (TARGET, "target"), (PEERS_DIR, "$SUTURA_BENCH_DIR"), (ROOT, ".")):
        command = command.replace(str(place), word)
    return command


def number(value, digits):
    return "" if value is None else f"{value:,.{digits}f}"


def parse_section(part):
    def verdict(row):
        target = row["target_mb_per_s"]
        if target is None:
            return ""
        met = row["median_mb_per_s"] >= target
        return f"{target:,.0f}: " + ("met" if met else f"**missed**, {row['median_mb_per_s'] / target:.0%} of it")

    ours = {row["side"]: row for row in part["rows"] if row["side"].startswith("sutura")}
    peers = [row for row in part["rows"] if row["side"] not in ours]
    rows = []
    for row in part["rows"]:
        slower = "" if row in ours.values() else f"{ours['sutura get']['median_mb_per_s'] / row['median_mb_per_s']:.1f}"
        columns = "" if row in ours.values() else f"{ours['sutura columns']['median_mb_per_s'] / row['median_mb_per_s']:.1f}"
        rows.append([row["side"], row["work"], number(row["median_mb_per_s"], 1), number(row["best_mb_per_s"], 1), number(row["messages_per_s"], 0),
                     slower, columns, verdict(row)])
    head = ["side", "work", "MB/s median", "MB/s best", "messages/s", "`get` is faster, times", "`columns` is faster, times", "target MB/s"]
    text = ["### HL7 v2, one core", "", f"100,000 messages, 177 MB, in memory before the clock starts; CPU time of one pinned thread; processes in turn, {part['repeat']} a side, "
            f"two passes in each, the better one counts. Load average {part['load_average'][0]} before and {part['load_average'][1]} after. "
            + ("All sides took the same values." if peers else "")]
    if peers:
        text[-1] += " python-hl7 read the first 5,000 messages."
    return "\n".join([*text, "", table(head, rows, 2), *notes(part)])


def engine_section(part):
    def verdict(row):
        target = row["target_times"]
        if target is None:
            return ""
        return f"{target:g}: " + ("met" if row["times_slower"] >= target else f"**missed**, {row['times_slower']:.1f}")

    rows = []
    for row in part["rows"]:
        memory = f"{row['peak_pss_mib']:,} (sum of processes)" if row["peak_pss_mib"] else number(row["peak_rss_mib"], 0)
        rows.append([row["side"], row["work"], number(row["median_s"], 2), number(row["best_s"], 2), number(row["cpu_s"], 2), memory, number(row["messages_per_s"], 0),
                     number(row["output_bytes"] / 1e6, 1), "" if row["side"] == "sutura" else number(row["times_slower"], 1),
                     "" if row["side"] == "sutura" else number(row["times_slower_best"], 1), verdict(row)])
    head = ["side", "how", "s median", "s best", "CPU s", "peak MiB", "messages/s", "output MB", "times ours, median", "times ours, best", "target, times"]
    agreed = part["agreement"]
    what = (f"50,000 messages in 100 files, whole processes from start to exit on {part['cores']} cores, {part['repeat']} counted repetitions in turn after one that warms the machine. "
            f"Load average {part['load_average'][0]} before and {part['load_average'][1]} after. Every side's output was read back and agrees with a plain recount of the messages: "
            f"{agreed['rows']:,} rows, {agreed['groups']} groups with the same counts, {agreed['patients']:,} pseudonyms, {agreed['identities']:,} encrypted identities, "
            f"{agreed['lab_results']:,} results with the sum {agreed['lab_sum_in_tenths'] / 10:,.1f}, {agreed['visits']:,} visits, {agreed['drugs']:,} drugs.")
    return "\n".join(["### The engine job", "", what, "", table(head, rows, 2), *notes(part)])


def memory_section(part):
    rows = []
    for row in part["rows"]:
        peaks = list(row["peak_rss_mib"].values())
        verdict = "met" if row["ratio"] <= row["limit"] else "**missed**"
        rows.append([f"`{row['job']}`", number(peaks[0], 0), number(peaks[1], 0), number(row["ratio"], 2), f"{row['limit']}: {verdict}"])
    head = ["job", "500,000 messages, MiB", "5,000,000 messages, MiB", "ratio", "limit"]
    return "\n".join(["### Peak memory", "", "Peak resident memory of the whole process, one run each.", "", table(head, rows), *notes(part)])


def fhir_section(part):
    def verdict(row):
        target, whole, alike = row["target_times"], row["times_slower"], row["times_slower_in_memory"]
        if target is None:
            return ""
        if whole >= target:
            return f"{target:g}: met"
        beside = f"**missed** by the whole process, {whole:.1f}"
        return f"{target:g}: {beside}" + (f"; met in memory, {alike:.1f}" if alike and alike >= target else f"; in memory {alike:.1f}" if alike else "")

    head = ["side", "how", "cores", "runs", "s median", "s best", "rows/s", "MB/s", "peak MiB", "slower than sutura, times", "target, times"]
    text = ["### SQL on FHIR views", "",
            f"Up to {part['repeat']} counted repetitions in turn after one that is checked and warms the page cache; a side that takes more than three seconds is run once. "
            f"Load average {part['load_average'][0]} before and {part['load_average'][1]} after. "
            + ("Every side's rows were read back: their number, a checksum of each column and one of the whole rows are those of a plain walk over the JSON." if part["checked"]
               else "**The rows were not compared**: no Python packages.")]
    for work in part["workloads"]:
        rows, empty = [], {}
        for row in work["sides"]:
            rows.append([row["side"], row["how"], row["cores"], row["runs"], number(row["median_s"], 3), number(row["best_s"], 3), number(row["rows_per_s"], 0),
                         number(row["mb_per_s"], 0), number(row["peak_rss_mib"], 0), "" if row["side"] == "sutura" else number(row["times_slower"], 1), verdict(row)])
            empty.update((f"{row['side']} leaves `{column}` empty: {why}.", None) for column, why in row["left_empty"].items())
        made = ", ".join(f"{count:,}" for count in work["rows"].values())
        text += ["", f"**{work['name']}.** `{work['file']}`, {work['bytes'] / 1e6:,.1f} MB; {made or 'uncounted'} rows." + (" " + " ".join(empty) if empty else ""), "", table(head, rows, 2)]
    rows = [[row["side"], row["work"], number(row["median_mb_per_s"], 0), number(row["best_mb_per_s"], 0), number(row["resources_per_s"], 0)] for row in part["parse"]]
    if rows:
        text += ["", "**The parser alone**, one core, the Observations in memory, CPU time of one thread, the best of three passes in a process.", "",
                 table(["side", "work", "MB/s median", "MB/s best", "resources/s"], rows, 2)]
    memory = part["memory"]
    met = "met" if memory["ratio"] <= memory["limit"] else "**missed**"
    text += ["", f"**Memory.** `sutura fhir view` over the Observations, two cores: peak {memory['peak_rss_mib'][0]} MiB for {memory['bytes'][0] / 1e6:,.0f} MB, "
             f"{memory['peak_rss_mib'][1]} MiB for {memory['bytes'][1] / 1e6:,.0f} MB: {memory['ratio']} times; target at most {memory['limit']}: {met}."]
    return "\n".join([*text, *notes(part)])


def convert_section(part):
    rows = {row["side"]: row for row in part["rows"]}

    def verdict(row):
        if row["side"].startswith("python"):
            return ""
        # Each is held against the peer's figure of its kind: the whole process, or the conversion alone.
        in_memory = "in memory" in row["side"]
        peer = next((other for name, other in rows.items() if name.startswith("python") and ("in memory" in name) == in_memory), None)
        wanted, value = (part["targets"]["messages"], row["records_per_s"]) if "HL7" in row["side"] else (part["targets"]["documents"], None)
        if value is None:
            if peer is None:
                return ""
            value = row["records_per_s"] / peer["records_per_s"]
        return f"{wanted[1]:,} {wanted[0]}: " + (f"met, {value:,.0f}" if value >= wanted[1] else f"**missed**, {value:,.0f}")

    lines = [[row["side"], f"{row['records']:,}", row["failed"], f"{row['resources']:,}", number(row["median_s"], 2), number(row["records_per_s"], 0),
              number(row["peak_rss_mib"], 0), verdict(row)] for row in part["rows"]]
    head = ["side", "records", "failed", "resources", "s median", "records/s", "peak MiB", "target"]
    text = ["### Conversion to FHIR, one core", "", "The whole process, from files to files (python-fhir-converter: to text in memory), wall time, pinned to one core; in memory: the conversion alone, as each program "
            "measures it, in a process where nothing is warm (HL7 v2: the best of three passes). Ours validates what it makes of C-CDA, the peer does not. "
            f"Processes in turn, {part['repeat']} a side. The 100,000 messages of the parsing table; 53 documents of vendors. "
            f"Load average {part['load_average'][0]} before and {part['load_average'][1]} after."]
    return "\n".join([*text, "", table(head, lines), *notes(part)])


def imaging_section(part):
    def verdict(row):
        target, of = row["target_per_s"], row["target_of"]
        if target is None:
            return ""
        wanted = f"{of}, {target:,.0f}" if of else f"{target:,.0f}"
        return f"{wanted}: " + ("met" if row["best_per_s"] >= target else f"**missed**, {row['best_per_s'] / target:.0%} of it")

    text = ["### DICOM and images, one core", "",
            "500 CT images of 512 x 512 with the header of a real one (262 elements), 100 of them in each codec. Ours and dicom-rs: files in memory, CPU time of one pinned thread, the best of three rounds of "
            f"0.3 s in a process. Python: CPU time of the process, best of two or three passes. Processes in turn, {part['repeat']} a side; the best is held against the target, as the machine had other "
            f"work: load average {part['load_average'][0]} before and {part['load_average'][1]} after. Read the figures as ratios of one run. The sides have as many samples of each image, and the same Laplacian variance."]
    for group in part["groups"]:
        first = group["rows"][0]["best_per_s"]
        rows = [[row["side"], row["work"], f"{row['files']:,}", number(row["median_per_s"], 0), number(row["best_per_s"], 0),
                 "" if row["side"].startswith("sutura") else number(first / row["best_per_s"], 1), verdict(row)] for row in group["rows"]]
        head = ["side", "work", "files", "files/s median", "files/s best", "slower than our first, times", "target files/s"]
        text += ["", f"**{group['title']}.**", "", table(head, rows, 2)]
    return "\n".join([*text, *notes(part)])


def notes(part):
    """What the reader of a table has to know."""
    lines = [] if part.get("quiet", True) else ["- **The machine was busy before the first repetition: these times are no result.**"]
    lines += [f"- Skipped: {note}" for note in part["skipped"]]
    return ["", *lines] if lines else []


def commands(result):
    lines = []
    for name in ("parse", "engine", "convert"):
        for row in result.get(name, {}).get("rows", []):
            lines.append(f"{row['side']}: {shown(row['command'])}")
    for work in result.get("fhir", {}).get("workloads", []):
        for row in work["sides"]:
            lines += [f"{row['side']}, {row['cores']} core{'s' if row['cores'] > 1 else ''}: {shown(command)}" for command in row["commands"]]
    for group in result.get("imaging", {}).get("groups", []):
        lines += [f"{group['name']}, {row['side']}: {shown(row['command'])}" for row in group["rows"]]
    for row in result.get("fhir", {}).get("parse", []):
        lines.append(f"{row['side']}: {shown(row['command'])}")
    return "\n".join(["### Commands", "", "```text", *lines, "```"]) if lines else ""


SECTIONS = {"parse": parse_section, "engine": engine_section, "memory": memory_section, "fhir": fhir_section, "convert": convert_section, "imaging": imaging_section}


def text_of(result):
    machine = result["machine"]
    facts = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}", f"{machine['date']}",
             f"commit {machine['commit']}; {machine['rustc']}; Python {machine['python']}", f"`{shlex.join(result['command'])}`"]
    sections = [make(result[name]) for name, make in SECTIONS.items() if name in result]
    skipped = [f"- Skipped: {name}: {reason}" for name, reason in result["skipped"].items()]
    return "\n\n".join(["\n".join(f"- {fact}" for fact in facts), *sections, *(["\n".join(skipped)] if skipped else []), commands(result)])


def blocks(result):
    """The result cut into the blocks that have anything to say, each with the facts of the run."""
    for block, parts in BLOCKS.items():
        found = {name: result[name] for name in parts if name in result}
        if found:
            skipped = {name: reason for name, reason in result["skipped"].items() if name in parts}
            yield block, {**{key: value for key, value in result.items() if key not in SECTIONS}, "skipped": skipped, **found}


def write(block, result, page=PAGE):
    begin, end = f"<!-- {block}:begin, written by benches/run.py -->", f"<!-- {block}:end -->"
    before, rest = Path(page).read_text().split(begin, 1)
    after = rest.split(end, 1)[1]
    Path(page).write_text(f"{before}{begin}\n\n{text_of(result)}\n\n{end}{after}")
