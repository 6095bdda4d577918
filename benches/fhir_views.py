"""Part fhir: SQL on FHIR views over NDJSON, beside the same views by other engines."""

import glob
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from common import (DATA, HERE, ROOT, SUTURA, TARGET, Disagreement, Samples, Skip, cargo, last_json_line, load_average, peer_script, run_child, say, venv,
                    wait_until_idle)

FHIR_PACKAGES = ["duckdb==2.0.0", "pyarrow==26.0.1", "fhir4ds==0.5.1"]
HELIOS_VERSION = "0.2.7"
SYNTHEA = Path(os.environ.get("SUTURA_TEST_DATA") or ROOT.parent / "shared" / "data").resolve() / "fhir" / "synthea"
VIEWS = HERE / "fhir_views"
OURS = ["us_core_patient", "us_core_condition", "us_core_blood_pressure", "vital_signs", "lab_results"]
FOLDER, OUT = DATA / "fhir", DATA / "out" / "fhir"
PURPOSE = ["--allow-phi", "--purpose", "performance comparison on synthetic data"]

THROUGHPUT = TARGET / "release" / "examples" / "fhir_throughput"
IN_MEMORY = "sutura, in memory"  # stands beside the sides that are timed without their start
PASSES = 3  # DuckDB goes over the file so many times in a process and states the best pass
SLOW_S = 3.0  # a side that takes longer is run once
DUCKDB_TIMES, HELIOS_TIMES = 2.0, 70.0
MEMORY_COPIES, MEMORY_LIMIT = 10, 1.3


@dataclass
class Workload:
    """Views over one file."""

    name: str
    file: Path
    views: dict  # name of the view in check_fhir.py, to its ViewDefinition
    scripts: dict  # the same, to its SQL by hand
    cores: tuple
    targets: dict = field(default_factory=dict)
    # columns that a side leaves empty, and why this is no disagreement
    empty: dict = field(default_factory=dict)


@dataclass
class Side:
    """One engine on one workload."""

    name: str
    how: str
    commands: list  # run one after the other, their times summed
    outputs: dict  # view, to the pattern of the files with its rows; none where the rows stay in memory
    printed: bool = False  # the command says its time itself: the work alone, without start and imports
    may_differ: bool = False  # known not to be able to do every view: other rows leave it out, and do not stop the run


def synthea_file(name, copies, *kinds):
    path = FOLDER / f"{name}.ndjson"
    if not path.exists():
        if not SYNTHEA.is_dir():
            raise Skip(f"{SYNTHEA} is absent; set SUTURA_TEST_DATA to the folder of the test data")
        say(f"  making {path.name}")
        part = path.with_suffix(".part")
        run_child([sys.executable, HERE / "fhir_data.py", SYNTHEA, part, copies, *kinds])
        part.rename(path)
    return path


def observations_file():
    path = FOLDER / "obs.ndjson"
    if not path.exists():
        script = peer_script("fhir", "make_ndjson.py")
        if not SYNTHEA.is_dir():
            raise Skip(f"{SYNTHEA} is absent; set SUTURA_TEST_DATA to the folder of the test data")
        say(f"  making {path.name}")
        part = path.with_suffix(".part")
        run_child([sys.executable, script, SYNTHEA, part])
        part.rename(path)
    return path


def workloads():
    def views(*names):
        return {"views": {name: VIEWS / f"{name}.json" for name in names}, "scripts": {name: VIEWS / f"{name}.sql" for name in names}}

    export = synthea_file("export", 20, "Patient", "Condition", "Observation")
    no_key = {"patient": "it knows no key of a `urn:uuid:` reference"}
    return [
        Workload("Observations, six columns and a row for each `code.coding`", observations_file(), {"observations": peer_script("fhir", "view.json")},
                 {"observations": peer_script("fhir", "duckdb_view.py")}, (1, 2), {"duckdb": DUCKDB_TIMES, "helios-sof": HELIOS_TIMES},
                 {"helios-sof": no_key, "octofhir-sof": no_key, "fhir4ds": no_key}),
        Workload("Observations, five plain elements", observations_file(), **views("observation_text"), cores=(2,)),
        Workload("US Core Patient", synthea_file("patients", 1000, "Patient"), **views("us_core_patient"), cores=(2,)),
        Workload("US Core Condition", synthea_file("conditions", 320, "Condition"), **views("us_core_condition"), cores=(2,)),
        Workload("US Core Blood Pressure, out of an export of Patients, Conditions and Observations", export, **views("us_core_blood_pressure"), cores=(2,)),
        Workload("Five views over that export: the three US Core views, vital signs, laboratory results", export, **views(*OURS), cores=(2,)),
    ]


def build_sutura(build):
    if build:
        # In one command: apart, the example alone asks for fewer features of what both need, which is then built twice.
        cargo("build", "--release", "--locked", "-p", "sutura", "--bin", "sutura", "-p", "sutura-fhir", "--example", "fhir_throughput")
    if not SUTURA.exists():
        raise Skip(f"{SUTURA} is absent: cargo build --release -p sutura")
    if " fhir " not in run_child([SUTURA, "--help"]).stdout:
        raise Skip("this sutura has no `fhir view` command")


def rust_peers(build, skipped):
    """The program of other crates; None where it cannot be had."""
    peers = TARGET / "bench-peers"
    program = peers / "release" / "fhir_peers"
    try:
        if build:
            # One of its crates asks for a newer compiler than it needs.
            cargo("build", "--release", "--locked", "--ignore-rust-version", "--target-dir", str(peers), cwd=HERE / "fhir_peers")
    except Exception as error:  # the registry may be out of reach
        skipped.append(f"octofhir-sof and the JSON parsers: benches/fhir_peers does not build here ({error})")
        return None
    if not program.exists():
        skipped.append(f"octofhir-sof and the JSON parsers: {program.relative_to(ROOT)} is absent")
        return None
    return program


def helios(build, skipped):
    root = TARGET / "bench-peers" / "helios"
    program = root / "bin" / "sof-cli"
    if not program.exists() and build:
        try:
            cargo("install", "helios-sof", "--version", HELIOS_VERSION, "--no-default-features", "--features", "R4", "--root", str(root))
        except Exception as error:
            skipped.append(f"helios-sof cannot be installed here ({error})")
            return None
    if not program.exists():
        skipped.append(f"helios-sof: {program.relative_to(ROOT)} is absent")
        return None
    return program


@dataclass
class Peers:
    python: object
    rust: object
    helios: object


def table_name(path):
    """What our command and we call a view's file."""
    return json.loads(Path(path).read_text())["name"]


def sides(work, cores, peers):
    out, views = OUT / "rows", list(work.views.values())
    flags = [word for view in views for word in ("--view", view)]

    def ours(format):
        command = [SUTURA, "--quiet", "fhir", "view", work.file, *flags, "-o", out / format, "--format", format, "--overwrite", *PURPOSE]
        return [command], {name: f"{out}/{format}/{table_name(view)}.{format}" for name, view in work.views.items()}

    found = [Side("sutura", "`sutura fhir view`, Parquet, whole process", *ours("parquet")),
             Side("sutura, Arrow", "`sutura fhir view`, Arrow file, whole process", *ours("arrow"))]
    if THROUGHPUT.exists():
        command = ["env", f"SUTURA_THREADS={cores}", THROUGHPUT, work.file, "reader", PASSES, *views]
        found.append(Side(IN_MEMORY, "our reader with its account of every byte, Arrow in memory; the best pass, without start", [command], {}, printed=True))
    if peers.python:
        scripts = list(work.scripts.values())
        query = [peers.python, HERE / "duckdb_fhir.py", "query", work.file, cores, PASSES, *scripts]
        write = [peers.python, HERE / "duckdb_fhir.py", "write", work.file, cores, out / "duckdb", *scripts]
        found += [Side("duckdb", "DuckDB 2.0.0, SQL by hand, Arrow in memory; the best pass, without start", [query], {}, printed=True),
                  Side("duckdb, Parquet", "DuckDB 2.0.0, SQL by hand, Parquet, whole process", [write],
                       {name: f"{out}/duckdb/{script.stem}.parquet" for name, script in work.scripts.items()})]
    if peers.rust:
        command = [peers.rust, "octofhir", work.file, out / "octofhir", cores, *views]
        found.append(Side("octofhir-sof", "octofhir-sof 0.3.1, NDJSON, whole process", [command],
                          {name: f"{out}/octofhir/{view.stem}.*.ndjson" for name, view in work.views.items()}))
    if peers.helios:
        commands = [[peers.helios, "-v", view, "-b", work.file, "-f", "parquet", "-o", out / "helios" / f"{name}.parquet", "-t", cores]
                    for name, view in work.views.items()]
        how = f"helios-sof {HELIOS_VERSION} `sof-cli`, Parquet, whole process" + ("" if len(views) == 1 else "; one run a view")
        found.append(Side("helios-sof", how, commands, {name: f"{out}/helios/{name}.parquet" for name in work.views}))
    if peers.python:
        named = [f"{name}={view}" for name, view in work.views.items()]
        found.append(Side("fhir4ds", "fhir4ds 0.5.1 on DuckDB, Parquet; without start and imports",
                          [[peers.python, HERE / "fhir4ds_views.py", work.file, cores, out / "fhir4ds", *named]],
                          {name: f"{out}/fhir4ds/{name}.parquet" for name in work.views}, printed=True, may_differ=True))
    return found


def counted(cores):
    return "1 core" if cores == 1 else f"{cores} cores"


def clear():
    shutil.rmtree(OUT / "rows", ignore_errors=True)
    for name in ("parquet", "arrow", "duckdb", "octofhir", "helios", "fhir4ds"):
        (OUT / "rows" / name).mkdir(parents=True)


def run_side(side, cores):
    """Seconds and peak memory of one side once."""
    wall, peak = 0.0, 0.0
    for command in side.commands:
        child = run_child(command, count=cores)
        wall += last_json_line(child.stdout)["wall_s"] if side.printed else child.wall_s
        peak = max(peak, child.peak_rss_mib)
    return wall, peak


def expected_rows(work, view, python):
    """The view's rows by a plain walk, kept for later runs."""
    path, script = FOLDER / f"expected-{view}-{work.file.stem}.parquet", HERE / "check_fhir.py"
    if not path.exists() or path.stat().st_mtime < max(script.stat().st_mtime, work.file.stat().st_mtime):
        run_child([python, script, "expected", view, work.file, path])
    return path


def differences(side, work, python):
    """What is in the side's rows and what should be, where they differ; and the rows by view."""
    differs, rows = {}, {}
    for view, pattern in side.outputs.items():
        paths = sorted(glob.glob(pattern))
        if not paths:
            raise RuntimeError(f"{side.name} wrote no {pattern}")
        empty = ",".join(work.empty.get(side.name, {})) or "-"
        found = last_json_line(run_child([python, HERE / "check_fhir.py", "compare", view, expected_rows(work, view, python), empty, *paths]).stdout)
        rows[view] = found["rows"]
        if found["differs"]:
            differs[view] = {name: f"{made} instead of {wanted}" for name, (made, wanted) in found["differs"].items()}
    return differs, rows


def first_turn(side, work, cores, peers, skipped):
    """Runs a side for the first time and checks its rows: seconds, memory, rows; `None` where it is left out."""
    clear()
    place = f"{side.name} on {work.file.name}, {', '.join(work.views) if len(work.views) < 3 else f'{len(work.views)} views'}, {counted(cores)}"
    try:
        wall, peak = run_side(side, cores)
        differs, rows = differences(side, work, peers.python) if peers.python else ({}, {})
    except RuntimeError as error:
        if side.name.startswith("sutura"):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        skipped.append(f"{place}: failed: {(next((line for line in lines if 'Error' in line), lines[-1]) if lines else '')[:200]}")
        return None
    if differs:
        text = "; ".join(f"{view}: " + ", ".join(f"{name} {what}" for name, what in columns.items()) for view, columns in differs.items())
        if side.name.startswith("sutura"):
            raise Disagreement(f"{place}: {text[:1500]}")
        if not side.may_differ:
            skipped.append(f"**no agreement**: {place}: {text[:700]}")
            say(f"NO AGREEMENT: {place}: {text[:1500]}")
            return None
        columns = "; ".join(f"{view}: {columns['rows'] if 'rows' in columns else 'other values in ' + ', '.join(columns)}" for view, columns in differs.items())
        skipped.append(f"{place}: it gives other rows ({columns[:300]})")
        return None
    return wall, peak, rows


def measure(work, cores, peers, repeat, skipped):
    """All sides in turn on one workload."""
    found, wall, peak, rows = sides(work, cores, peers), {}, {}, {}
    for side in list(found):
        first = first_turn(side, work, cores, peers, skipped)
        if first is None:
            found.remove(side)
            continue
        taken, memory, made = first
        rows.update(made)
        peak.setdefault(side.name, Samples()).add(memory)
        slow = taken > SLOW_S and not side.name.startswith("sutura")
        if slow:
            wall.setdefault(side.name, Samples()).add(taken)
        say(f"  {counted(cores)}, {side.name}: rows agree ({taken:.2f} s, {'slow: the only run' if slow else 'not counted'})")
    for turn in range(repeat):
        for side in found:
            if turn == 0 and side.name in wall:
                continue
            if turn > 0 and wall[side.name].lowest() > SLOW_S:
                continue
            clear()
            taken, memory = run_side(side, cores)
            wall.setdefault(side.name, Samples()).add(taken)
            peak[side.name].add(memory)
            say(f"  {turn + 1}/{repeat} {counted(cores)}, {side.name}: {taken:.3f} s, {memory:.0f} MiB")
    clear()
    total, size, ours = sum(rows.values()), work.file.stat().st_size, wall["sutura"].median()  # no rows: they were not read back
    in_memory = wall[IN_MEMORY].median() if IN_MEMORY in wall else None
    lines = []
    for side in found:
        median, target = wall[side.name].median(), work.targets.get(side.name)
        lines.append({
            "side": side.name,
            "how": side.how,
            "cores": cores,
            "runs": len(wall[side.name].values),
            "median_s": round(median, 4),
            "best_s": round(wall[side.name].lowest(), 4),
            "values_s": [round(value, 4) for value in wall[side.name].values],
            "rows_per_s": round(total / median) if rows else None,
            "mb_per_s": round(size / 1e6 / median, 1),
            "peak_rss_mib": round(peak[side.name].highest()),
            "times_slower": round(median / ours, 2),
            "times_slower_in_memory": round(median / in_memory, 2) if in_memory and side.printed and side.name != IN_MEMORY else None,
            "target_times": target,
            "left_empty": work.empty.get(side.name, {}),
            "commands": [shlex.join(str(word) for word in command) for command in side.commands],
        })
    return rows, lines


def parsers(peers, file, repeat, skipped):
    """Bytes to something that can be walked, and to the Arrow batches of views, on one core."""
    ours = THROUGHPUT
    found = []
    if ours.exists():
        found += [("sutura tape", "every line checked and indexed, names and numbers found", [ours, file, "tape", PASSES]),
                  ("sutura view", "the view above, to Arrow batches in memory", [ours, file, "views", PASSES, peer_script("fhir", "view.json")]),
                  ("sutura, three views", "blood pressure, vital signs and laboratory results in one pass, to Arrow batches in memory",
                   [ours, file, "views", PASSES, *(VIEWS / f"{name}.json" for name in OURS[2:])])]
    else:
        skipped.append(f"our parser alone: {ours} is absent: cargo build --release -p sutura-fhir --example fhir_throughput")
    if peers.rust:
        found += [(which, work, [peers.rust, "parse", file, which, PASSES])
                  for which, work in (("sonic-rs", "0.5.10, `Value`"), ("simd-json", "0.18.1, tape"), ("serde_json", "1.0.154, `Value`"))]
    samples, lines = {}, {}
    for turn in range(repeat):
        for name, _, command in found:
            result = last_json_line(run_child(command, count=1).stdout)
            samples.setdefault(name, Samples()).add(result["mb_per_s"])
            lines.setdefault(name, result["lines"])
            say(f"  {turn + 1}/{repeat} {name}: {result['mb_per_s']:.0f} MB/s")
    if len(set(lines.values())) > 1:
        raise Disagreement(f"the parsers read different numbers of lines: {lines}")
    return [{"side": name, "work": work, "median_mb_per_s": round(samples[name].median(), 1), "best_mb_per_s": round(samples[name].highest(), 1),
             "resources_per_s": round(lines[name] / (file.stat().st_size / 1e6 / samples[name].median())),
             "command": shlex.join(str(word) for word in command)} for name, work, command in found]


def flat_memory(work):
    """Our peak memory on the file and on ten times of it."""
    large, peaks = FOLDER / f"{work.file.stem}-x{MEMORY_COPIES}.ndjson", {}
    with open(large, "wb") as out:
        for _ in range(MEMORY_COPIES):
            with open(work.file, "rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
    try:
        for path in (work.file, large):
            clear()
            side = sides(Workload(work.name, path, work.views, work.scripts, work.cores), 2, Peers(None, None, None))[0]
            wall, peak = run_side(side, 2)
            peaks[path.stat().st_size] = round(peak)
            say(f"  memory over {path.stat().st_size / 1e6:.0f} MB: {peak:.0f} MiB, {wall:.2f} s")
    finally:
        large.unlink()
    clear()
    (small_size, small), (large_size, large_peak) = peaks.items()
    return {"bytes": [small_size, large_size], "peak_rss_mib": [small, large_peak], "ratio": round(large_peak / small, 2), "limit": MEMORY_LIMIT}


def run(repeat, build, patience_s):
    say("SQL on FHIR views")
    FOLDER.mkdir(parents=True, exist_ok=True)
    skipped = []
    build_sutura(build)
    peers = Peers(None, rust_peers(build, skipped), helios(build, skipped))
    try:
        peers.python = venv("fhir", FHIR_PACKAGES)
    except Skip as skip:
        skipped.append(f"DuckDB, fhir4ds and the check of the rows: {skip}")
    every = workloads()
    quiet = wait_until_idle(patience_s)
    load, tables = [load_average()], []
    for work in every:
        say(f"  {work.name}")
        lines = []
        for cores in work.cores:
            rows, more = measure(work, cores, peers, repeat, skipped)
            lines += more
        tables.append({"name": work.name, "file": work.file.name, "bytes": work.file.stat().st_size, "rows": rows, "sides": lines})
    return {"workloads": tables, "parse": parsers(peers, every[0].file, repeat, skipped), "memory": flat_memory(every[0]), "skipped": skipped, "quiet": quiet,
            "load_average": [*load, load_average()], "repeat": repeat, "checked": peers.python is not None, "disagreement": any("no agreement" in note for note in skipped)}
