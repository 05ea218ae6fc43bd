"""The whole way of a report on a GPU, on none: the CUDA build on the PTX interpreter is packed as a build for a GPU would be, and
scripts/gpu-report runs the pack, with a fake nvidia-smi.  rehearsal.py BUILD  (of -DTESSERA_PTX=ON)
"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from checking import ROOT, check, finish  # noqa: E402
from gpu_report import schema  # noqa: E402

LEFT_OUT = {"torch_peaks": "no PyTorch here", "sanitizers": "it checks kernels on a GPU"}

def run(name, *more, path):
    done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", name), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={**os.environ, "PATH": path})
    print(done.stdout)
    check(done.returncode == 0, f"{name} exits with 0, not {done.returncode}")


with tempfile.TemporaryDirectory() as folder:
    fakes, pack, build, out = (os.path.join(folder, name) for name in ("fakes", "pack", "build", "out"))
    os.makedirs(fakes)
    os.symlink(os.path.join(ROOT, "tests", "gpu_report", "fake_program.py"), os.path.join(fakes, "nvidia-smi"))
    path = fakes + ":" + os.environ["PATH"]
    run("gpu-pack", pack, "--no-build", "--build", sys.argv[1], "--limit", "1000", path=path)
    run("gpu-report", "--pack", pack, "--build", build, "--dry-run", "cuda", "--data", "synthetic", "--out", out, path=path)
    with open(os.path.join(out, next(name for name in os.listdir(out) if name.endswith(".json"))), encoding="utf-8") as file:
        document = json.load(file)
    for problem in schema.problems(document):
        check(False, problem)
    check(document["machine"]["Programs"] == "those of the pack", f"the pack's programs run: {document['machine']}")
    for part in document["parts"]:
        if part["id"] in LEFT_OUT:
            check(part["status"] in ("left out", "done"), f"{part['id']}: {part}")
        else:
            check(part["status"] == "done", f"every part is done: {part}")
    check(all(row["backend"] == "cuda" for row in document["tests"]), f"the tests ran on the CUDA build: {document['tests']}")
    for table in document["kernels"]:
        check(table["complete"] and table["rows"], "its tables of kernels are whole")
        check(all(row["error"] is not None and row["error"] < 0.02 for row in table["rows"]), "every kernel gives what float32 gives")
    for row in document["steps"] + document["small"]:
        for entry in row["contestants"]:
            check(not entry["name"].startswith("own") or entry["samples"], f"{row['network']}, {entry['name']}: '{entry['error']}'")
    check(document["training"][0]["complete"], "its training ended")
finish("gpu_report, rehearsal")
