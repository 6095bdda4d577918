"""Python's libraries over the same DICOM files, in CPU time of this process: one JSON line.

python_imaging.py FOLDER pydicom-headers|pydicom-pixels|gdcm-pixels|metrics|kitware|deid ROUNDS MOST [OUT]
"""

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(name, "1")
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def headers(files):
    import pydicom

    count = 0
    for path in files:
        data_set = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        count += len({str(element.tag): element.value for element in data_set})
    return count


def pixels(files):
    import pydicom

    return sum(pydicom.dcmread(path).pixel_array.size for path in files)


def gdcm_pixels(files):
    import gdcm

    count = 0
    for path in files:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        if not reader.Read():
            raise RuntimeError("GDCM cannot read it")
        image = reader.GetImage()
        image.GetBuffer()
        count += image.GetDimension(0) * image.GetDimension(1)
    return count


def metrics(images):
    import cv2
    import numpy

    sum_of_variances = 0.0
    for image in images:
        sum_of_variances += cv2.Laplacian(image.astype(numpy.float64), cv2.CV_64F).var()
        middle = image[156:356, 156:356]
        _ = middle.mean() / middle.std(), image[:40, :40].std(), numpy.abs(numpy.fft.fft2(image)).sum()
    return sum_of_variances / len(images)


def kitware(files, out):
    from dicomanonymizer import anonymize_dicom_file

    for path in files:
        anonymize_dicom_file(str(path), str(out / path.name))
    return len(files)


def deid(files, out):
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    replace_identifiers(dicom_files=[str(path) for path in files], deid=RECIPE or DeidRecipe(deid="dicom"), save=True, output_folder=str(out), overwrite=True)
    return len(files)


RECIPE = None


def main():
    folder, what, rounds, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    files = sorted(folder.glob("*.dcm"))[:most]
    if what in ("kitware", "deid"):
        out = Path(sys.argv[5])
        out.mkdir(parents=True, exist_ok=True)
        work = (lambda: kitware(files, out)) if what == "kitware" else (lambda: deid(files, out))
    elif what == "metrics":
        import cv2
        import numpy
        import pydicom

        cv2.setNumThreads(1)
        # As a reader hands them over: rescaled, which is what our side measures.
        images = []
        for path in files:
            data_set = pydicom.dcmread(path)
            images.append((data_set.pixel_array * float(data_set.RescaleSlope) + float(data_set.RescaleIntercept)).astype(numpy.float32))
        work = lambda: metrics(images)
    else:
        work = {"pydicom-headers": lambda: headers(files), "pydicom-pixels": lambda: pixels(files), "gdcm-pixels": lambda: gdcm_pixels(files)}[what]
    best, found = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        found = work()
        best = min(best, time.process_time() - start)
    print(json.dumps({"files": len(files), "count": found, "cpu_s": round(best, 6)}))


main()
