"""Part 1: HL7 v2 parsing on one core, in CPU time."""

import hashlib
import itertools
import sys

from common import DATA, HERE, PEER_PACKAGES, TARGET, Disagreement, Samples, Skip, cargo, last_json_line, load_average, peer_script, run_child, say, venv, wait_until_idle

CORPUS_MESSAGES = 100_000
CORPUS_MD5 = "8c7471dc58b7aa30ef3d155ab2972973"
PYTHON_MESSAGES = 5_000
IN_PROCESS = 2  # every side goes over the feed twice in a process and states the better pass
TARGETS = {"sutura index": 1000.0, "sutura columns": 400.0}

WORK = {
    "sutura index": "find messages, segments and delimiters",
    "sutura columns": "typed columns of PID, PV1 and OBX as Arrow batches (37 columns, 3 tables)",
    "sutura messages": "the whole `messages` table as Arrow batches",
    "sutura tables": "all 16 clinical tables as Arrow batches",
    "sutura get": "parse, take MSH-10, PID-3.1, PID-5.1 and every OBX-5",
}
PEER_WORK = "the same values as `sutura get`"


def corpus():
    path = DATA / "corpus.hl7"
    if not path.exists():
        script = peer_script("hl7v2", "gen.py")
        say("  making the corpus of 100,000 messages (177 MB)")
        run_child([sys.executable, script, CORPUS_MESSAGES, path])
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != CORPUS_MD5:
        raise Disagreement(f"{path} has MD5 {digest}, not {CORPUS_MD5}; remove it")
    return path


def recount(path, limit=None):
    """The same values by plain splitting: messages, and the length of all values taken."""
    count = characters = 0
    with open(path, "rb") as feed:
        for line in itertools.islice(feed, limit):
            count += 1
            for segment in line.rstrip(b"\r\n").decode().split("\r"):
                fields = segment.split("|")
                if fields[0] == "MSH":
                    characters += len(fields[9].encode())
                elif fields[0] == "PID":
                    characters += len(fields[3].split("~")[0].split("^")[0].encode()) + len(fields[5].split("~")[0].split("^")[0].encode())
                elif fields[0] == "OBX":
                    characters += len(fields[5].encode())
    return count, characters


def sides(path, build):
    examples, peers = TARGET / "release" / "examples", TARGET / "bench-peers"
    if build:
        cargo("build", "--release", "--locked", "-p", "sutura-hl7v2", "--example", "hl7v2_throughput", "--example", "hl7v2_get")
    found = [(f"sutura {what}", [examples / "hl7v2_throughput", path, what, IN_PROCESS]) for what in ("index", "columns", "messages", "tables")]
    found.append(("sutura get", [examples / "hl7v2_get", path, IN_PROCESS]))
    skipped = []
    try:
        if build:
            cargo("build", "--release", "--locked", "--target-dir", str(peers), cwd=HERE / "hl7v2_peers")
        for name, version in (("hl7-parser", "0.3.0"), ("rust-hl7", "0.5.0"), ("hl7-2", "0.2.7")):
            found.append((f"{name} {version}", [peers / "release" / "hl7v2_peers", path, name, IN_PROCESS]))
    except Exception as error:  # the registry may be out of reach
        skipped.append(f"Rust crates: benches/hl7v2_peers does not build here ({error})")
    try:
        found.append(("python-hl7 0.4.5", [venv("peers", PEER_PACKAGES), HERE / "python_hl7.py", path, PYTHON_MESSAGES, IN_PROCESS]))
    except Skip as skip:
        skipped.append(f"python-hl7: {skip}")
    return found, skipped


def run(repeat, build, patience_s):
    say("HL7 v2 parsing, one core")
    path = corpus()
    found, skipped = sides(path, build)
    expected = {CORPUS_MESSAGES: recount(path), PYTHON_MESSAGES: recount(path, PYTHON_MESSAGES)}
    quiet = wait_until_idle(patience_s)
    load, samples, facts = [load_average()], {}, {}
    for turn in range(repeat):
        for name, command in found:
            result = last_json_line(run_child(command, count=1).stdout)
            agree(name, result, expected)
            samples.setdefault(name, Samples()).add(result["bytes"] / 1e6 / result["cpu_s"])
            facts[name] = result
            say(f"  {turn + 1}/{repeat} {name}: {samples[name].values[-1]:.1f} MB/s")
    load.append(load_average())
    rows = []
    for name, command in found:
        rows.append({
            "side": name,
            "work": WORK.get(name, PEER_WORK),
            "messages": facts[name]["messages"],
            "median_mb_per_s": round(samples[name].median(), 1),
            "best_mb_per_s": round(samples[name].highest(), 1),
            "values_mb_per_s": [round(value, 1) for value in samples[name].values],
            "messages_per_s": round(facts[name]["messages"] / (facts[name]["bytes"] / 1e6 / samples[name].median())),
            "target_mb_per_s": TARGETS.get(name),
            "command": " ".join(str(word) for word in command),
        })
    return {"rows": rows, "skipped": skipped, "quiet": quiet, "load_average": load, "repeat": repeat,
            "agreement": {"messages": CORPUS_MESSAGES, "characters_of_the_values_taken": expected[CORPUS_MESSAGES][1]}}


def agree(name, result, expected):
    count, characters = expected[PYTHON_MESSAGES if name.startswith("python") else CORPUS_MESSAGES]
    if result["messages"] != count or result.get("refused", 0):
        raise Disagreement(f"{name} read {result['messages']} of {count} messages and refused {result.get('refused', 0)}")
    if "characters" in result and result["characters"] != characters:
        raise Disagreement(f"{name} took values of {result['characters']} characters, a plain count gives {characters}")
