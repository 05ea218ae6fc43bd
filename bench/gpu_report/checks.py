"""Is what is timed also right? The tests on the GPU's backends, and the same under compute-sanitizer."""
import glob
import os
import shutil

from .session import LeftOut

AGREEMENT = "backends agree with the reference*"


def backend_is_there(session, backend):
    """Why this build or machine cannot run the backend; empty where it can."""
    probe = session.run([os.path.join(session.options.build, "bin", "bench_ops"), "no-such-case", "--json", "--peak-size", "64",
                         "--backend", backend], limit=120)
    return "" if probe.code == 0 else probe.last_line()


def add(session, section, name, backend, result, passed):
    state = "cut off" if result.timed_out else "passed" if passed else "FAILED"
    session.document[section].append({"name": name, "backend": backend, "result": state, "detail": result.last_line()[:200],
                                      "seconds": round(result.seconds, 1)})
    session.save()


def tests(session):
    options = session.options
    programs = os.path.join(options.build, "bin")
    if "vendor" in options.backends:
        why = backend_is_there(session, "vendor")
        if why:  # told, and left out from here on
            session.document["machine"]["Vendor kernels"] = "left out: " + why
            options.backends.remove("vendor")
    for backend in options.backends:
        environment = {"TESSERA_BACKEND": backend, "TESSERA_SIZE": options.test_size}
        if options.dry_run:
            environment["TESSERA_CASES"] = "matmul/NN*,add*"
        elif backend == "vendor":  # the other slots are those of `cuda`
            environment["TESSERA_CASES"] = "conv2d*,matmul*"
        result = session.run([os.path.join(programs, "tests_kernels"), AGREEMENT], environment)
        add(session, "tests", "agreement with the reference", backend, result, result.code == 0)
    if not options.dry_run:
        result = session.run([os.path.join(programs, "tests_cuda")])
        add(session, "tests", "instruction wrappers, GPU against emulator", "cuda", result, result.code == 0)
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
              "*pool*,sgd*,adam*,gather*,dropout*,permute*,copy_columns*,convert*,add*,scale*,activation*"]
    for cases in groups:
        for check in ("memcheck", "racecheck", "initcheck"):
            result = session.run([tool, "--tool", check, "--error-exitcode", "9", os.path.join(options.build, "bin", "tests_kernels"),
                                  AGREEMENT], {"TESSERA_BACKEND": "cuda", "TESSERA_SIZE": "quick", "TESSERA_CASES": cases})
            add(session, "sanitizers", f"{check}: {cases}", "cuda", result, result.code == 0)
