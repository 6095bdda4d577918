"""Part 3: peak memory of the same job on ten times the messages."""

import shutil

from common import DATA, ROOT, Skip, load_average, run_child, say
from engine_job import JOB, build_sutura, corpus, key_file, sutura_command

SIZES = {"500,000": (100, 5_000), "5,000,000": (1_000, 5_000)}
LIMIT = 1.3
HOSPITAL = ROOT / "examples" / "hospital.toml"


def jobs():
    found = [("benches/engine_job.toml", JOB, [])]
    if HOSPITAL.exists():
        found.append(("examples/hospital.toml", HOSPITAL, ["--set", f"privacy.vault={DATA / 'memory.vault'}"]))
    return found


def run(build):
    say("Peak memory, 500,000 and 5,000,000 messages")
    build_sutura(build)
    key_file()
    rows, skipped, load = [], [], [load_average()]
    feeds = {size: corpus(DATA / f"memory-{files}x{per_file}", files, per_file) for size, (files, per_file) in SIZES.items()}
    for name, job, extra in jobs():
        peaks = {}
        for size, feed in feeds.items():
            out = DATA / "out" / "memory"
            shutil.rmtree(out, ignore_errors=True)
            (DATA / "memory.vault").unlink(missing_ok=True)
            try:
                child = run_child([*sutura_command(job, feed, out), *extra], ok=(0, 3))
            except RuntimeError as error:
                skipped.append(f"{name} on {size} messages failed: {str(error)[:400]}")
                break
            peaks[size] = child.peak_rss_mib
            say(f"  {name}, {size} messages: {child.peak_rss_mib:.0f} MiB, {child.wall_s:.1f} s")
            shutil.rmtree(out, ignore_errors=True)
        if len(peaks) == len(feeds):
            small, large = peaks.values()
            rows.append({"job": name, "peak_rss_mib": {size: round(peak) for size, peak in peaks.items()}, "ratio": round(large / small, 2),
                         "limit": LIMIT})
    load.append(load_average())
    if not rows and not skipped:
        raise Skip("no job to run")
    return {"rows": rows, "skipped": skipped, "load_average": load}
