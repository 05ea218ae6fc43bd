"""Is what is timed also right? The tests on the GPU's backends, and the same under compute-sanitizer."""
import glob
import os
import shutil

from .session import LeftOut, json_lines

AGREEMENT = "backends agree with the reference*"


def find_vendor(session):
    """In which slots does the vendor's library take the place of our kernel? Where this build or machine has none of it, that is
    told, and it is left out from here on."""
    options = session.options
    if "vendor" not in options.backends or session.left() < 2:
        return
    probe = session.run([os.path.join(options.build, "bin", "bench_ops"), "--peaks-only", "--json", "--peak-size", "64",
                         "--backend", ",".join(options.backends)], limit=120)
    device = next((line for line in json_lines(probe.output) if "replaced" in line), None)
    if device:
        options.replaced_slots = device["replaced"]
    else:
        session.document["machine"]["Vendor kernels"] = "left out: " + probe.last_line()
        options.backends.remove("vendor")


def add(session, section, name, backend, result, passed):
    state = "cut off" if result.timed_out else "passed" if passed else "FAILED"
    session.document[section].append({"name": name, "backend": backend, "result": state, "detail": result.last_line()[:200],
                                      "seconds": round(result.seconds, 1)})
    session.save()


def agreement(session, backend, cases=""):
    options = session.options
    environment = {"TESSERA_BACKEND": backend, "TESSERA_SIZE": options.test_size}
    if cases:
        environment["TESSERA_CASES"] = cases
    result = session.run([os.path.join(options.build, "bin", "tests_kernels"), AGREEMENT], environment)
    add(session, "tests", "agreement with the reference", backend, result, result.code == 0)


def tests(session):
    options = session.options
    agreement(session, options.backends[0], "matmul/NN*,arithmetic/a plus b*" if options.dry_run else "")
    wrappers = os.path.join(options.build, "bin", "tests_cuda")
    if not options.dry_run and os.path.exists(wrappers):
        result = session.run([wrappers])
        add(session, "tests", "instruction wrappers, GPU against emulator", "cuda", result, result.code == 0)
    if "vendor" in options.backends:  # last, since the library may compile a kernel for every case; the other slots are those of `cuda`
        agreement(session, "vendor", ",".join(options.replaced_slots))
    failed = [row["name"] for row in session.document["tests"] if row["result"] == "FAILED"]
    if failed:
        raise RuntimeError("failed: " + ", ".join(failed) + "; figures of wrong kernels say nothing")


def find_sanitizer():
    for place in (shutil.which("compute-sanitizer"), *glob.glob("/usr/local/cuda*/bin/compute-sanitizer"),
                  *glob.glob("/usr/local/cuda*/compute-sanitizer/compute-sanitizer"),
                  *glob.glob("/opt/nvidia/*/compute-sanitizer/compute-sanitizer")):
        if place and os.access(place, os.X_OK):
            return place
    return ""


def sanitizers(session):
    options = session.options
    if options.dry_run:
        raise LeftOut("it checks kernels on a GPU")
    tool = find_sanitizer()
    if not tool:
        raise LeftOut("no compute-sanitizer here")
    # Kernels with shared memory and barriers first; what only maps elements is the least likely to be wrong.
    groups = ["conv2d*,matmul*", "batch_norm*,sum*,column_sums*,*cross_entropy*,classification_metrics*,check_finite*",
              "*pool*,sgd*,adam*,gather*,dropout*,permute*,copy_columns*,convert*,arithmetic*,scale*,activation*"]
    for cases in groups:
        for check in ("memcheck", "racecheck", "initcheck"):
            result = session.run([tool, "--tool", check, "--error-exitcode", "9", os.path.join(options.build, "bin", "tests_kernels"),
                                  AGREEMENT], {"TESSERA_BACKEND": "cuda", "TESSERA_SIZE": "quick", "TESSERA_CASES": cases})
            add(session, "sanitizers", f"{check}: {cases}", "cuda", result, result.code == 0)
