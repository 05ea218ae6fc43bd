"""What the figures were measured on: GPU, driver, toolkit, libraries, clocks."""
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import time


def output_of(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def gpu_query(fields):
    """The first GPU's values of these fields of nvidia-smi; empty where there is no GPU."""
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/local/nvidia/bin:/usr/bin")
    if not program:
        return []
    lines = output_of([program, "--query-gpu=" + ",".join(fields), "--format=csv,noheader"]).splitlines()
    return [value.strip() for value in lines[0].split(",")] if lines else []


def architecture():
    """Compute capability of the first GPU, as CMake wants it: 90."""
    found = gpu_query(["compute_cap"])
    return found[0].replace(".", "") if found else ""


def find_nvcc():
    for place in (os.environ.get("CUDACXX"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"):
        if place and os.access(place, os.X_OK):
            return place
    return ""


TORCH_FACTS = """
import json, torch
cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "cudnn": cudnn,
                  "gpu": torch.cuda.is_available(), "compile": hasattr(torch, "compile")}))
"""


class TorchProbe:
    """Asks each of these Pythons what its PyTorch is and can, all at once and while others do something else: the first import
    takes tens of seconds."""

    def __init__(self, pythons):
        self.asked = []
        for python in pythons:
            with contextlib.suppress(OSError):
                self.asked.append((python, subprocess.Popen([python, "-c", TORCH_FACTS], stdout=subprocess.PIPE,
                                                            stderr=subprocess.DEVNULL, text=True, start_new_session=True)))

    def answer(self, seconds):
        """(Python, facts) of the first that has a PyTorch; (None, None) where none has, or none has answered in time."""
        until, found = time.monotonic() + seconds, (None, None)
        for python, process in self.asked:
            try:
                text = process.communicate(timeout=max(0.0, until - time.monotonic()))[0].strip()
                if process.returncode == 0 and text and not found[0]:
                    found = python, json.loads(text.splitlines()[-1])
            except (subprocess.TimeoutExpired, json.JSONDecodeError):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            if found[0]:
                break
        return found


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def clocks():
    found = gpu_query(["clocks.sm", "clocks.mem", "temperature.gpu", "power.draw"])
    return f"SM {found[0]}, memory {found[1]}, {found[2]} °C, {found[3]}" if len(found) == 4 else "no GPU"


def words_of_torch(torch):
    return f"{torch['version']}, CUDA {torch['cuda'] or 'none'}, cuDNN {torch['cudnn'] or 'none'}" if torch else "none"


def facts(root, packed):
    """Name and value of everything that a reader needs to know, in the order of the report; `packed`: the commit of a pack."""
    gpu = gpu_query(["name", "memory.total", "driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit"])
    nvcc = find_nvcc()
    release = [line for line in output_of([nvcc, "--version"]).splitlines() if "release" in line] if nvcc else []
    commit = output_of(["git", "-C", root, "describe", "--always", "--dirty"])
    rows = {
        "GPU": f"{gpu[0]}, {gpu[1]}, at most {gpu[3]} (SM) and {gpu[4]} (memory), {gpu[5]}" if gpu else "none",
        "Driver": gpu[2] if gpu else "none",
        "CUDA toolkit": release[0].split("release")[1].strip() if release else "none",
        "PyTorch": "not asked for",
        "CPU": f"{processor()}, {os.cpu_count()} cores",
        "System": platform.platform(),
        "Tessera": packed or commit or "not a clone",
        "Clocks at the start": clocks(),
    }
    return rows
