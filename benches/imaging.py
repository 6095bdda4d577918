"""Part: DICOM headers, pixels, image metrics and de-identification on one core, in CPU time."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from common import DATA, ENVIRONMENT, HERE, ROOT, TARGET, Disagreement, Samples, Skip, cargo, last_json_line, load_average, peer_script, run_child, say, venv

PACKAGES = ["pydicom==3.0.2", "numpy==2.4.6", "pylibjpeg==2.1.0", "pylibjpeg-libjpeg==2.5.0", "pylibjpeg-openjpeg==2.6.0", "pylibjpeg-rle==2.2.0", "python-gdcm==3.2.6",
            "pyjpegls==1.5.1", "opencv-python-headless==5.0.0.93", "scikit-image==0.26.0", "scipy==1.17.1", "deid==0.4.13", "dicom-anonymizer==2.1.0"]
FOLDER = DATA / "imaging"
COUNTS = {"exp": 500, "rle": 100, "j2k": 100, "jls": 100}
SAMPLES = 512 * 512

# Group: what it is, the folder, and what is asked of the first side: so many files a second, or so many times another side.
GROUPS = {
    "headers": ("Headers: everything before the pixel data", "exp", {"sutura elements": 20_000}),
    "native": ("Pixels of explicit VR little endian, not compressed", "exp", {"sutura": "dicom-rs 0.10.1"}),
    "rle": ("Pixels, RLE", "rle", {}),
    "jls": ("Pixels, JPEG-LS lossless", "jls", {"sutura": 253}),
    "j2k": ("Pixels, JPEG 2000 lossless", "j2k", {"sutura": 39}),
    "metrics": ("Metrics of images", "exp", {"sutura, baseline": 127}),
    "deidentify": ("De-identifying CT files", "exp", {"sutura": 200}),
}


def data(python):
    """500 CT images made by the peers' script, 100 of them in each of three codecs too."""
    if all(len(list((FOLDER / "b" / name).glob("*.dcm"))) == count for name, count in COUNTS.items()):
        return
    say("  making 500 CT images (340 MB)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("SUTURA_TEST_DATA") or ROOT.parent / "shared" / "data"
    environment = {**ENVIRONMENT, "IMG_BASE": str(FOLDER), "IMG_DATA": str(Path(given).resolve() / "dicom")}
    subprocess.run([str(python), str(peer_script("imaging", "gen.py"))], env=environment, check=True, stdout=subprocess.DEVNULL)


def sides(build):
    """Group to sides: name, what it does, command. The files are those of the group's folder."""
    examples, peers, skipped = TARGET / "release" / "examples", TARGET / "bench-peers" / "release" / "imaging_peers", []
    if build:
        for package, example in (("sutura-dicom", "dicom_throughput"), ("sutura-imaging", "imaging_throughput"), ("sutura-deid", "deidentify_throughput")):
            cargo("build", "--release", "--locked", "-p", package, "--example", example)
    found = {group: [] for group in GROUPS}

    def add(group, name, work, *command):
        found[group].append((name, work, [str(word) for word in command]))

    folder = {group: FOLDER / "b" / where for group, (_, where, _) in GROUPS.items()}
    ours = examples / "dicom_throughput"
    add("headers", "sutura elements", "every element as a row of 18 columns, in Arrow", ours, folder["headers"], "elements", 3)
    add("headers", "sutura json", "the whole data set as DICOM JSON, and the UIDs, in Arrow", ours, folder["headers"], "json", 3)
    add("headers", "sutura instances", "140 typed columns a file, in Arrow", ours, folder["headers"], "instances", 3)
    add("headers", "sutura parse", "the elements found, no value read", ours, folder["headers"], "parse", 3)
    for group in ("native", "rle", "jls", "j2k"):
        add(group, "sutura", "file to samples", ours, folder[group], "pixels", 3)
    for what, work in (("baseline", "what OpenCV and NumPy measure below, and 27 metrics more"), ("all", "all metrics with artifacts and burned-in text")):
        add("metrics", f"sutura, {what}", work, examples / "imaging_throughput", folder["metrics"], what, 3)
    add("deidentify", "sutura", "Basic Profile with its options for clean descriptors and modified dates, from memory to memory", examples / "deidentify_throughput",
        folder["deidentify"], 2)
    try:
        if build or not peers.is_file():
            cargo("build", "--release", "--locked", "--target-dir", str(TARGET / "bench-peers"), cwd=HERE / "imaging_peers")
        add("headers", "dicom-rs 0.10.1", "its own objects, no Arrow", peers, folder["headers"], "headers", 3)
        add("native", "dicom-rs 0.10.1", "file to samples", peers, folder["native"], "decode", 3)
    except subprocess.CalledProcessError as error:  # the registry may be out of reach
        skipped.append(f"dicom-rs: benches/imaging_peers does not build here ({error})")
    python = venv("imaging", PACKAGES)
    script = HERE / "python_imaging.py"
    add("headers", "pydicom 3.0.2", "its own objects, from files", python, script, folder["headers"], "pydicom-headers", 2, 200)
    for group, decoder in (("native", "NumPy"), ("rle", "pylibjpeg-rle 2.2.0"), ("jls", "pyjpegls 1.5.1, CharLS"), ("j2k", "pylibjpeg-openjpeg 2.6.0")):
        add(group, "pydicom 3.0.2", decoder, python, script, folder[group], "pydicom-pixels", 2, 50)
        add(group, "GDCM 3.2.6", "its Python binding", python, script, folder[group], "gdcm-pixels", 2, 50)
    add("metrics", "OpenCV 5.0, NumPy 2.4", "Laplacian variance, SNR of the middle, deviation of a corner, Fourier magnitudes", python, script, folder["metrics"], "metrics", 3, 20)
    add("deidentify", "dicom-anonymizer 2.1.0", "file to file", python, script, folder["deidentify"], "kitware", 1, 50, FOLDER / "out")
    add("deidentify", "deid 0.4.13", "file to file", python, script, folder["deidentify"], "deid", 1, 20, FOLDER / "out")
    dcmdump = shutil.which("dcmdump")
    if dcmdump:
        files = sorted(folder["headers"].glob("*.dcm"))
        add("headers", "DCMTK dcmdump", "as text, from files; the whole process", dcmdump, "-q", "-M", "+sb", "7fe0,0010", *files)
    else:
        skipped.append("DCMTK: dcmdump is not installed")
    for group, members in found.items():
        absent = [(name, command[0]) for name, _, command in members if not Path(command[0]).is_file()]
        skipped += [f"{group}, {name}: {Path(program).name} is not built" for name, program in absent]
        found[group] = [member for member in members if (member[0], member[2][0]) not in absent]
    return {group: members for group, members in found.items() if members}, skipped


def measure(command):
    """What a side says, and the files it did a second."""
    child = run_child(command, count=1)
    if Path(command[0]).name == "dcmdump":
        return {"files": len(command) - 5}, (len(command) - 5) / child.cpu_s
    if Path(command[0]).name == "deidentify_throughput":
        said = next(json.loads(line) for line in child.stdout.splitlines() if "hipaa-safe-harbor" in line)
    else:
        said = last_json_line(child.stdout)
    return said, said["files"] / said["cpu_s"]


def agree(group, found):
    """The sides of a group did the same: as many samples of each image, the same Laplacian variance."""
    if group in ("native", "rle", "jls", "j2k"):
        for name, said in found.items():
            count = said["rows"] if name == "sutura" else said["count"] // 2 if name.startswith("dicom-rs") else said["count"]
            if count != said["files"] * SAMPLES:
                raise Disagreement(f"{group}: {name} has {count} samples of {said['files']} images")
    if group == "metrics" and len(found) > 1:
        values = [said.get("laplacian", said["count"]) for said in found.values()]
        if max(values) - min(values) > 1e-6 * max(values):
            raise Disagreement(f"the sides have other Laplacian variances: {values}")
    if group == "deidentify" and "sutura" in found and found["sutura"].get("refused"):
        raise Disagreement(f"{found['sutura']['refused']} files refused")


def shown(command):
    files = [word for word in command if word.endswith(".dcm")]
    words = [word for word in command if word not in files]
    return " ".join(words + ([f"<the {len(files)} files>"] if files else []))


def run(repeat, build, _patience_s):
    say("DICOM and images, one core")
    data(venv("imaging", PACKAGES))
    found, skipped = sides(build)
    load, samples, facts = [load_average()], {}, {}
    for turn in range(repeat):
        for group, members in found.items():
            for name, _, command in members:
                said, rate = measure(command)
                samples.setdefault((group, name), Samples()).add(rate)
                facts.setdefault(group, {})[name] = said
                say(f"  {turn + 1}/{repeat} {group}, {name}: {rate:,.1f} files/s")
            agree(group, facts[group])
    load.append(load_average())
    groups = []
    for group, (title, _, targets) in GROUPS.items():
        if group not in found:
            continue
        best = {name: samples[group, name].highest() for name, _, _ in found[group]}
        rows = []
        for name, work, command in found[group]:
            target = targets.get(name)
            rows.append({"side": name, "work": work, "files": facts[group][name]["files"], "median_per_s": round(samples[group, name].median(), 1),
                         "best_per_s": round(best[name], 1), "values_per_s": [round(value, 1) for value in samples[group, name].values],
                         "target_per_s": round(best[target], 1) if isinstance(target, str) and target in best else target if not isinstance(target, str) else None,
                         "target_of": target if isinstance(target, str) else None, "command": shown(command)})
        groups.append({"name": group, "title": title, "rows": rows})
    return {"groups": groups, "skipped": skipped, "load_average": load, "repeat": repeat}
