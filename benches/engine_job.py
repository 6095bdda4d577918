"""Part 2: the whole HL7 job, whole processes: parse, pseudonymise, encrypt, count, Parquet."""

import csv
import json
import os
import shutil
import sys

from common import (DATA, HERE, PEER_PACKAGES, RAY_PACKAGES, SUTURA, Disagreement, Samples, Skip, cargo, cores, last_json_line, load_average,
                    peer_script, run_child, say, venv, wait_until_idle)

JOB = HERE / "engine_job.toml"
FILES, PER_FILE = 100, 500
CORES = 2
TARGETS = {"polars": 5.0, "duckdb": 5.0, "ray": 25.0, "ray tuned": 25.0}
WORK = {
    "sutura": "`sutura run benches/engine_job.toml`",
    "polars": "Polars 2.1.0 string expressions, Python for pseudonyms and encryption",
    "duckdb": "DuckDB 2.0.0 SQL string functions, Python for pseudonyms and encryption",
    "ray": "Ray Data 2.60 as its users write it: actor pool, shuffle of whole rows",
    "ray tuned": "Ray Data 2.60 tuned: tasks fused with the read, two columns shuffled, two partitions, workers warmed up",
}


def corpus(folder=DATA / "engine", files=FILES, per_file=PER_FILE):
    """The messages, made by the peers' own generator in a process of its own."""
    done = folder / ".complete"
    if done.exists() and done.read_text() == f"{files} x {per_file}":
        return folder
    script = peer_script("engine", "hl7_corpus.py")
    say(f"  making {files * per_file:,} messages in {files} files")
    shutil.rmtree(folder, ignore_errors=True)
    run_child([sys.executable, script, folder, "--files", files, "--per-file", per_file])
    done.write_text(f"{files} x {per_file}")
    return folder


def key_file():
    path = DATA / "bench.sutura-key"
    if not path.exists():
        run_child([SUTURA, "keys", "new", path])
    return path


def build_sutura(build):
    if build:
        cargo("build", "--release", "--locked", "-p", "sutura")
    if not SUTURA.exists():
        raise Skip(f"{SUTURA} is absent: cargo build --release -p sutura")
    if " run " not in run_child([SUTURA, "--help"]).stdout:
        raise Skip("this sutura has no `run` command")


def sutura_command(job, feed, out):
    places = {"source.feed.path": feed, "job.output": out, "privacy.key.file": key_file()}
    return [SUTURA, "--quiet", "run", job, *[word for key, value in places.items() for word in ("--set", f"{key}={value}")]]


def sides(feed, out, skipped):
    """Name, command, output, and how the output is read."""
    found = [("sutura", sutura_command(JOB, feed, out / "sutura"), out / "sutura", "tables")]
    try:
        python, script = venv("peers", PEER_PACKAGES), peer_script("engine", "peers_baseline.py")
        for name in ("polars", "duckdb"):
            path = out / f"{name}.parquet"
            found.append((name, [python, script, name, "--data", feed, "--out", path, "--no-mem"], path, "wide"))
    except Skip as skip:
        skipped.append(f"Polars and DuckDB: {skip}")
    try:
        python, script = venv("ray", RAY_PACKAGES), peer_script("engine", "ray_baseline.py")
        plain = [python, script, "--data", feed, "--out", out / "ray", "--cpus", CORES, "--no-mem"]
        tuned = [*plain[:5], out / "ray-tuned", *plain[6:], "--tasks", "--slim", "--warm", "--partitions", 2]
        found += [("ray", plain, out / "ray", "wide"), ("ray tuned", tuned, out / "ray-tuned", "wide")]
    except Skip as skip:
        skipped.append(f"Ray: {skip}")
    return found


def clear(path):
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def size_of(path):
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.rglob("*.parquet"))


def checker():
    """Python with pyarrow and the script that reads the outputs; `None` where it cannot be had."""
    try:
        return venv("peers", PEER_PACKAGES)
    except Skip:
        return None


def agree(name, how, path, expected, python):
    """Fails unless the output holds what a plain recount of the messages gives."""
    if how == "tables":
        found = [next(path.joinpath("counts").glob("*.csv"), None)]
        if found[0] is None:
            raise Disagreement(f"{path}/counts has no CSV file")
        with open(found[0], newline="") as file:
            counts = sorted([row["hospital"], row["message_type"], int(row["messages"])] for row in csv.DictReader(file))
        if counts != expected["counts"]:
            raise Disagreement(f"{name}: counts by facility and type are {counts}, a plain count gives {expected['counts']}")
    if python is None:
        return
    got = json.loads(run_child([python, HERE / "check_engine.py", how, path]).stdout)
    for key, value in expected.items():
        if got[key] != value:
            raise Disagreement(f"{name}: {key} is {str(got[key])[:300]}, a plain count gives {str(value)[:300]}")


def run(repeat, build, patience_s):
    say(f"The engine job, whole processes on {min(CORES, len(cores()))} cores")
    skipped = []
    build_sutura(build)
    feed, out = corpus(), DATA / "out"
    out.mkdir(exist_ok=True)
    found = sides(feed, out, skipped)
    python = checker()
    if python is None:
        skipped.append("the check of Parquet contents (pyarrow): only our counts were compared")
    expected = json.loads(run_child([sys.executable, HERE / "check_engine.py", "expected", feed]).stdout)
    quiet = wait_until_idle(patience_s)
    load, wall, cpu, rss = [load_average()], {}, {}, {}
    for turn in range(repeat + 1):  # the first turn warms the page cache and is checked; it does not count
        for name, command, path, how in found:
            clear(path)
            child = run_child(command, count=CORES)
            if turn == 0:
                agree(name, how, path, expected, python)
                say(f"  {name}: rows, counts, sums agree ({child.wall_s:.2f} s, not counted)")
                continue
            for table, value in ((wall, child.wall_s), (cpu, child.cpu_s), (rss, child.peak_rss_mib)):
                table.setdefault(name, Samples()).add(value)
            say(f"  {turn}/{repeat} {name}: {child.wall_s:.2f} s, {child.peak_rss_mib:.0f} MiB")
    load.append(load_average())
    ray_memory = measure_ray_memory(found)
    rows = []
    for name, command, path, _ in found:
        ratio = wall[name].median() / wall["sutura"].median()
        rows.append({
            "side": name,
            "work": WORK[name],
            "median_s": round(wall[name].median(), 3),
            "best_s": round(wall[name].lowest(), 3),
            "values_s": [round(value, 3) for value in wall[name].values],
            "cpu_s": None if name.startswith("ray") else round(cpu[name].median(), 3),  # Ray's workers are nobody's children
            "peak_rss_mib": None if name.startswith("ray") else round(rss[name].highest()),
            "peak_pss_mib": ray_memory if name == "ray" else None,
            "messages_per_s": round(expected["rows"] / wall[name].median()),
            "output_bytes": size_of(path),
            "times_slower": round(ratio, 2),
            "times_slower_best": round(wall[name].lowest() / wall["sutura"].lowest(), 2),
            "target_times": TARGETS.get(name),
            "command": " ".join(str(word) for word in command),
        })
    agreed = {key: expected[key] for key in ("rows", "patients", "identities", "lab_results", "lab_sum_in_tenths", "visits", "drugs")}
    return {"rows": rows, "skipped": skipped, "quiet": quiet, "load_average": load, "repeat": repeat, "cores": min(CORES, len(cores())),
            "agreement": {**agreed, "groups": len(expected["counts"])}}


def measure_ray_memory(found):
    """Ray's memory is spread over many processes: its script samples it in a run of its own, which is not timed."""
    for name, command, path, _ in found:
        if name == "ray":
            clear(path)
            say("  ray once more, for its memory")
            return round(last_json_line(run_child([word for word in command if word != "--no-mem"], count=CORES).stdout)["peak_pss_mib"])
    return None
