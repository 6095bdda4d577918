"""What all parts of the comparison share: places, timed child processes, environments, facts about the machine."""

import datetime
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
DATA = TARGET / "bench-data"
VENVS = TARGET / "bench-venvs"
PEERS_DIR = Path(os.environ.get("SUTURA_BENCH_DIR") or ROOT.parent / "shared" / "bench").resolve()
SUTURA = TARGET / "release" / "sutura"

PEER_PACKAGES = ["polars==2.1.0", "duckdb==2.0.0", "pyarrow==26.0.1", "hl7==0.4.5", "psutil", "cryptography"]
RAY_PACKAGES = ["ray[data]==2.60.*", "psutil", "cryptography"]

ENVIRONMENT = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPYCACHEPREFIX": str(DATA / "pycache"), "CARGO_TARGET_DIR": str(TARGET)}


class Skip(Exception):
    """A part cannot run here; the message says what is absent."""


class Disagreement(Exception):
    """Two sides did not do the same work: no timing is reported."""


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclass
class Child:
    """One finished child process."""

    wall_s: float
    cpu_s: float
    peak_rss_mib: float
    stdout: str


def cores():
    return sorted(os.sched_getaffinity(0))


def pinned(command, count):
    """The command on `count` cores, the last ones of those allowed."""
    if shutil.which("taskset") is None or count >= len(cores()):
        return [str(word) for word in command]
    return ["taskset", "-c", ",".join(str(core) for core in cores()[-count:]), *[str(word) for word in command]]


def run_child(command, count=None, ok=(0,)):
    """Runs a command to its end; wall time, CPU time and peak memory of it and of the processes it waited for."""
    words = pinned(command, count) if count else [str(word) for word in command]
    log = DATA / "last-command.log"
    with open(log, "wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, env=ENVIRONMENT, cwd=DATA)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ok:
        tail = log.read_text(errors="replace")[-2000:] + out.decode(errors="replace")[-500:]
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(words)}\n{tail}")
    return Child(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.decode(errors="replace"))


def last_json_line(text):
    import json

    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError("the command printed no JSON line")
    return json.loads(lines[-1])


def cargo(*words, cwd=ROOT):
    say(f"  cargo {' '.join(words)}")
    subprocess.run(["cargo", *words], cwd=cwd, env=ENVIRONMENT, check=True)


def venv(name, packages):
    """Python of an environment with these packages, made on first use."""
    folder, wanted = VENVS / name, "\n".join(packages)
    python, stamp = folder / "bin" / "python", folder / "packages.txt"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    say(f"  making the Python environment {name} (minutes): {' '.join(packages)}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skip(f"the Python packages {', '.join(packages)} cannot be installed ({error})") from error
    stamp.write_text(wanted)
    return python


def peer_script(*parts):
    path = PEERS_DIR.joinpath(*parts)
    if not path.exists():
        raise Skip(f"{path} is absent; set SUTURA_BENCH_DIR to the folder of the peers' scripts")
    return path


@dataclass
class Samples:
    """What was measured of one side, one entry a repetition."""

    values: list = field(default_factory=list)

    def add(self, value):
        self.values.append(value)

    def median(self):
        return statistics.median(self.values)

    def lowest(self):
        return min(self.values)

    def highest(self):
        return max(self.values)


def load_average():
    return round(os.getloadavg()[0], 2)


def wait_until_idle(patience_s):
    """Waits for the load average to fall (a build has just ended); whether the machine is idle enough for figures."""
    limit, until = 0.5 * len(cores()), time.monotonic() + patience_s
    while load_average() > limit and time.monotonic() < until:
        say(f"  load average {load_average()}, waiting for {limit}")
        time.sleep(15)
    if load_average() > limit:
        say(f"LOAD AVERAGE {load_average()}: this machine is busy; the figures will be marked as no result")
    return load_average() <= limit


def output_of(*words, cwd=ROOT):
    try:
        return subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    """One line about the machine, and the versions of everything that was run."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next((int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")), 0)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    commit = output_of("git", "rev-parse", "--short=12", "HEAD")
    changed = bool(output_of("git", "status", "--porcelain", "--untracked-files=no"))
    return {
        "cpu": model,
        "cores": len(cores()),
        "memory_gib": round(memory / 2**20, 1),
        "system": f"{system}, Linux {platform.release()}",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit + (" with local changes" if changed else ""),
        "rustc": output_of("rustc", "--version"),
        "python": platform.python_version(),
    }
