"""A dry run of scripts/gpu-report leaves a whole report: JSON by its schema with every section filled, Markdown without an
empty cell; and one that is stopped leaves what it had.  dry_run.py BUILD
"""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from checking import ROOT, check, finish  # noqa: E402
from gpu_report import schema  # noqa: E402


def read(folder, ending):
    found = [name for name in os.listdir(folder) if name.endswith(ending)]
    check(len(found) == 1, f"one file *{ending} in {found}")
    with open(os.path.join(folder, found[0]), encoding="utf-8") as file:
        return file.read()


def command(folder, *more):
    return [sys.executable, os.path.join(ROOT, "scripts", "gpu-report"), "--dry-run", "--no-build", "--build", sys.argv[1], "--jobs", "1",
            "--out", folder, *more]


def whole():
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, f"it exits with 0, not {done.returncode}:\n{done.stdout}\n{read(folder, '.log')}")
        document, page = json.loads(read(folder, ".json")), read(folder, ".md")
    for problem in schema.problems(document):
        check(False, problem)
    check(document["dry_run"] is True and "Dry run" in page.splitlines()[0], "it says that it is a dry run")
    for section in ("goals", "tests", "peaks", "steps", "small", "kernels", "training"):
        check(document[section], f"section {section} holds something")
    for table in document["kernels"]:
        check(table["complete"] and table["rows"], "its tables of kernels are whole")
        check(all(row["own"] and row["floor"] for row in table["rows"]), "every kernel has a time and a floor")
    for row in document["steps"] + document["small"]:
        for entry in row["contestants"]:
            if entry["name"].startswith("own"):
                check(entry["seconds"] and not entry["error"], f"{row['network']}, {entry['name']}: a time, not '{entry['error']}'")
        check(row["busy"]["share"] is None and "on a GPU only" in row["busy"]["why"], f"no busy share without a GPU: {row['busy']}")
    check(page.count("Kernels busy ÷ wall time: not measured: kernels are traced on a GPU only") == len(document["steps"] + document["small"]),
          "the page says why no busy share was measured")
    for line in page.splitlines():
        if line.startswith("|"):
            cells = line.strip("|").split("|")
            check(all(cell.strip() for cell in cells), "no cell is empty: " + line)
    for title in ("Parts", "Machine", "Goals", "Tests", "Kernels one by one", "Time to 94 %", "compute-sanitizer"):
        check(re.search(f"^## {re.escape(title)}$", page, re.MULTILINE), f"section '{title}' is there")


def interrupted():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command(folder, "--parts", "tests,steps"), stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("Whole steps"):
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        check(process.returncode == 128 + signal.SIGTERM, f"stopped, it exits with 143, not {process.returncode}")
        document = json.loads(read(folder, ".json"))
    check(not schema.problems(document), "what it leaves is well formed")
    check(document["tests"], "what was done before is there")
    check(document["parts"][-1]["status"] == "cut off", "the part under way says that it was cut off")


def broken_documents():
    document = {"schema": 1, "title": "t", "dry_run": False, "date": "d", "command": "c", "machine": {"GPU": "none"},
                **{name: [] for name in ("parts", "goals", "tests", "sanitizers", "peaks", "steps", "small", "kernels", "training")}}
    check(not schema.problems(document), "a document without rows is well formed")
    for change in ({"schema": "1"}, {"machine": {}}, {"peaks": [{"what": "copy", "by": "x", "value": float("nan")}]}, {"steps": [{}]}):
        check(schema.problems({**document, **change}), f"the schema finds {change}")
    check(schema.problems({key: value for key, value in document.items() if key != "kernels"}), "the schema finds a missing section")


broken_documents()
whole()
interrupted()
finish("gpu_report")
