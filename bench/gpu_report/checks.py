"""Is what is timed also right? The tests on the GPU's backends, and the same under compute-sanitizer."""
import glob
import os
import shutil
import time

from .session import LeftOut, json_lines

AGREEMENT = "backends agree with the reference*,products in TF32 agree*,the same call*"
RECORDED = "recorded steps give the bits*,a replayed step*,work between replays*"


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


def state_of(result):
    return "cut off" if result.timed_out else "passed" if result.code == 0 else "FAILED"


def by_slots(session, section, name, backend, command, slots, environment):
    """The slots' cases, a process for each, since a kernel that writes where it must not spoils all that comes after it in its
    process. One row for all, and one for each that did not pass."""
    options, start, count = session.options, time.monotonic(), {"passed": 0, "cut off": 0, "FAILED": 0}
    row = {"name": f"{name}, {len(slots)} groups of cases", "backend": backend, "result": "cut off", "detail": "", "seconds": 0}
    session.document[section].append(row)

    def done(slot, result):
        state = state_of(result)
        count[state] += 1
        row["result"] = "FAILED" if count["FAILED"] else "passed" if count["passed"] == len(slots) else "cut off"
        row["detail"] = ", ".join(f"{number} {state}" for state, number in count.items())
        row["seconds"] = round(time.monotonic() - start, 1)
        if state != "passed":
            add(session, section, f"{name}: {slot}", backend, result)
        session.save()

    commands = [(slot, command, {"TESSERA_BACKEND": backend, "TESSERA_CASES": slot, **environment}) for slot in slots]
    session.run_all(commands, options.jobs, options.test_seconds, done)


def add(session, section, name, backend, result):
    session.document[section].append({"name": name, "backend": backend, "result": state_of(result), "detail": result.last_line()[:200],
                                      "seconds": round(result.seconds, 1)})
    session.save()


def agreement(session, backend, size, slots):
    command = [os.path.join(session.options.build, "bin", "tests_kernels"), AGREEMENT]
    by_slots(session, "tests", f"agreement with the reference, {size}", backend, command, slots, {"TESSERA_SIZE": size})


def tests(session):
    options = session.options
    try:
        agreement(session, options.backends[0], "quick", options.test_slots)
        for program, words, pattern in (("tests_cuda", "instruction wrappers, GPU against emulator", []),
                                        ("tests_engine", "recorded steps against steps that are not", [RECORDED])):
            program = os.path.join(options.build, "bin", program)
            if options.backends[0] == "cuda" and os.path.exists(program) and not (options.dry_run and pattern):
                add(session, "tests", words, "cuda", session.run([program, *pattern], {"TESSERA_DEVICE": "cuda"}, limit=options.test_seconds))
        if options.medium_slots:
            agreement(session, options.backends[0], "medium", options.medium_slots)
        if options.long and "vendor" in options.backends:  # last, since the library may compile a kernel for every case
            agreement(session, "vendor", "medium", options.replaced_slots)
    finally:
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
    for check, slots in options.sanitizers:
        command = [tool, "--tool", check, "--error-exitcode", "9", os.path.join(options.build, "bin", "tests_kernels"),
                   "backends agree with the reference*"]
        by_slots(session, "sanitizers", check, "cuda", command, slots, {"TESSERA_SIZE": "quick"})
