"""A report in a hurry: on programs that take longer than it has, every part has its turn, the report comes out in time, and what
was measured until then is in it, also where it is stopped in the middle of a table.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from checking import ROOT, check, finish  # noqa: E402
from gpu_report import schema  # noqa: E402

SECONDS = 24


def start(folder, *more):
    """The report, among programs that are all fakes."""
    programs = os.path.join(folder, "build", "bin")
    os.makedirs(programs)
    for name in ("bench_ops", "bench_steps", "tests_kernels", "tests_cuda", "train_resnet18", "nvidia-smi", "python-with-torch", "cmake",
                 "nvcc"):
        os.symlink(os.path.join(ROOT, "tests", "gpu_report", "fake_program.py"), os.path.join(programs, name))
    command = [sys.executable, os.path.join(ROOT, "scripts", "gpu-report"), "--build", os.path.join(folder, "build"),
               "--out", os.path.join(folder, "out"), "--python", os.path.join(programs, "python-with-torch"),
               "--data", "synthetic", "--jobs", "1", *more]
    return subprocess.Popen(command, env={**os.environ, "PATH": programs + ":" + os.environ["PATH"], "CUDACXX": ""}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def document_in(folder):
    folder = os.path.join(folder, "out")
    with open(os.path.join(folder, next(name for name in os.listdir(folder) if name.endswith(".json"))), encoding="utf-8") as file:
        document = json.load(file)
    check(not schema.problems(document), f"the document is well formed: {schema.problems(document)}")
    return document


def in_time():
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = start(folder, "--minutes", str(SECONDS / 60))
        words = process.communicate()[0]
        took = time.monotonic() - began
        check(process.returncode == 0, f"it exits with 0, not {process.returncode}:\n{words}")
        check(took < SECONDS + 6, f"it takes about {SECONDS} s, not {took:.0f}")
        document = document_in(folder)
    ends = {part["id"]: part["status"] for part in document["parts"]}
    for identity in ("tests", "kernels", "training"):
        check(ends[identity] == "cut off", f"{identity} was cut off: {ends}")
    check(list(ends) == ["build", "peaks", "tests", "steps", "kernels", "small", "training", "torch_peaks", "sanitizers"], f"every part had its turn: {ends}")
    check(document["tests"] and document["tests"][0]["result"] == "cut off", "tests that were cut off are no failure, and are told")
    check(ends["build"] == "done", f"it was built: {ends}")
    check(any(peak["by"] == "PyTorch" for peak in document["peaks"]), f"peaks are there: {document['peaks']}")
    (table,) = document["kernels"]
    check(not table["complete"] and len(table["rows"]) == 20 and all(row["own"] for row in table["rows"]),
          f"our own kernels are all there, though the vendor's search had no end: {len(table['rows'])}")
    of = {row["shape"]: row for row in table["rows"]}
    check(of["case 1"]["vendor"] and not of["case 0"]["vendor"] and not of["case 7"]["vendor"],
          "the vendor's figures stand where it has a kernel of its own, as far as it got")
    check([row["batch"] for row in document["steps"][:3]] == [512, 32, 128], "whole steps begin with 512, 32, 128")
    check(document["small"], "small networks had their turn")
    row = document["steps"][0]
    of = {entry["name"]: entry for entry in row["contestants"]}
    check(of["own"]["samples"] and of["own, not recorded"]["samples"], "who is ready is measured")
    for name in ("vendor", "PyTorch, compiled"):
        check("no answer in time" in of[name]["error"], f"who never is ready is told: {name}: '{of[name]['error']}'")
    check(abs(next((ratio["median"] for ratio in row["ratios"] if ratio["of"] == "PyTorch"), 0) - 2) < 1e-9,
          "PyTorch is compared with, whoever else is late")
    check(abs((row["busy"]["share"] or 0) - 0.8) < 1e-9, f"the busy share: {row['busy']}")
    check(document["training"] and document["training"][0]["epochs"] >= 1 and not document["training"][0]["complete"],
          "the epochs of a training that was cut off are there")
    goal = {(g["goal"], g["what"]): g["measured"] for g in document["goals"]}
    check(goal[("12", "kernels busy ÷ wall time, LeNet, batch 32")] is not None, "goal 12 has its share")
    check(abs(next(value for (number, what), value in goal.items() if number == "5" and "batch norm" in what) - 1.5) < 1e-9,
          "goal 5 compares batch norm with the vendor's")


def stopped():
    with tempfile.TemporaryDirectory() as folder:
        process = start(folder, "--minutes", "10", "--parts", "kernels")
        for line in process.stdout:
            if line.startswith("Kernels"):
                break
        time.sleep(2.5)
        process.stdout.close()  # whoever read its words is gone
        process.send_signal(signal.SIGTERM)
        check(process.wait(60) == 128 + signal.SIGTERM, f"it ends by the signal, not with {process.returncode}")
        document = document_in(folder)
    check(document["kernels"] and any(row["vendor"] for row in document["kernels"][0]["rows"]), "a table that was stopped keeps its rows")
    check(document["parts"][-1]["why"] == "stopped by signal 15", f"and says why it was cut off: {document['parts'][-1]}")


in_time()
stopped()
finish("gpu_report in a hurry")
