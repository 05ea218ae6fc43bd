"""A pack that scripts/gpu-pack makes is what scripts/gpu-report takes: its programs where they run, else a build with its headers;
its data set is written out; a pack that is too large is refused.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from checking import ROOT, check, finish  # noqa: E402
from gpu_report import pack, schema  # noqa: E402


def command(name, *more, environment=None):
    return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", name), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={**os.environ, **(environment or {})})


def packed(folder, program, *more):
    """A pack of programs that do nothing but end."""
    build, to = os.path.join(folder, "made"), os.path.join(folder, "pack")
    os.makedirs(os.path.join(build, "bin"), exist_ok=True)
    for name in pack.PROGRAMS:
        shutil.copy(shutil.which(program), os.path.join(build, "bin", name))
    return to, command("gpu-pack", to, "--no-build", "--build", build, *more)


def report(folder, to):
    """Its build alone, on a machine whose GPU, compiler and CMake are fakes."""
    fakes = os.path.join(folder, "fakes")
    os.makedirs(fakes, exist_ok=True)
    for name in ("nvidia-smi", "nvcc", "cmake"):
        if not os.path.lexists(os.path.join(fakes, name)):
            os.symlink(os.path.join(ROOT, "tests", "gpu_report", "fake_program.py"), os.path.join(fakes, name))
    out = os.path.join(folder, "out")
    done = command("gpu-report", "--pack", to, "--build", os.path.join(folder, "build"), "--out", out, "--parts", "build", "--minutes", "1",
                   environment={"PATH": fakes + ":" + os.environ["PATH"], "CUDACXX": ""})
    with open(os.path.join(out, next(name for name in os.listdir(out) if name.endswith(".json"))), encoding="utf-8") as file:
        document = json.load(file)
    check(not schema.problems(document), f"the document is well formed: {schema.problems(document)}")
    return document, done


def runs():
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        os.makedirs(data)
        with open(os.path.join(data, "unpack"), "w", encoding="utf-8") as file:
            file.write("import os, sys\nos.makedirs(sys.argv[1] + '/set')\n")
        to, done = packed(folder, "true", "--data", data)
        check(done.returncode == 0 and "MiB" in done.stdout, f"it packs: {done.stdout}")
        document, done = report(folder, to)
        check(done.returncode == 0, f"the report takes it: {done.stdout}")
        check(document["machine"].get("Programs") == "those of the pack", f"its programs are taken: {document['machine']}")
        check(document["machine"]["Tessera"] == pack.facts_of(to)["commit"], "the commit is the pack's")
        build = os.path.join(folder, "build")
        for name in (*pack.PROGRAMS, *pack.LINKS):
            check(os.access(os.path.join(build, "bin", name), os.X_OK), f"{name} lies in the build folder")
        until = time.monotonic() + 20  # nobody has waited for it
        while not os.path.isdir(os.path.join(build, "data", "set")) and time.monotonic() < until:
            time.sleep(0.1)
        check(os.path.isdir(os.path.join(build, "data", "set")), "its data set is written out")


def does_not_run():
    with tempfile.TemporaryDirectory() as folder:
        to, _ = packed(folder, "false")
        document, done = report(folder, to)
        check(done.returncode == 0, f"the report builds: {done.stdout}")
        check(document["machine"].get("Programs", "").startswith("built here"), f"what does not run is built: {document['machine']}")


def too_large():
    with tempfile.TemporaryDirectory() as folder:
        _, done = packed(folder, "true", "--limit", "0.5")
        check(done.returncode == 1 and "more than 0.5 MiB" in done.stdout, f"a pack that is too large is refused: {done.stdout}")


runs()
does_not_run()
too_large()
finish("gpu_report, packed")
