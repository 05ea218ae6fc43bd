#!/usr/bin/env python3
"""Stands for whatever a report runs on a GPU, by the name it is called by: each speaks as the program does, and some take longer
than any report has."""
import json
import os
import sys
import time

name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]


def tell(**facts):
    print(json.dumps(facts), flush=True)


def serve(seconds):
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "describe":
            tell(device="fake", host_seconds=1e-5, memory_bytes=1 << 20)
        else:
            print(seconds, flush=True)


def bench_ops():
    backends = arguments[arguments.index("--backend") + 1].split(",")
    tell(device="fake", detail="", precision="bf16", peak_by=backends[-1],
         replaced=["matmul", "batch_norm_backward"], peak_flops=1e14, peak_bandwidth=1e12)
    if "--peaks-only" in arguments:
        return
    if "vendor" not in backends:
        for number in range(20):
            tell(slot="batch_norm_backward" if number % 2 else "add", variant=f"case {number}", calls=1, flops=1e6, bytes=2e7,
                 seconds={"cuda": [2e-5] * 3}, errors={"cuda": 1e-3})
        return
    if arguments[0] != "batch_norm_backward":
        sys.exit("error: a pattern of slots is expected")
    for number in (1, 3, 5):
        tell(slot="batch_norm_backward", variant=f"case {number}", calls=1, flops=1e6, bytes=2e7,
             seconds={"cuda": [2e-5] * 3, "vendor": [3e-5] * 3}, errors={"cuda": 1e-3, "vendor": 1e-3})
        time.sleep(0.1)
    time.sleep(1000)  # a search without an end


def bench_steps():
    if "--busy" in arguments:
        tell(steps=10, busy_seconds=8e-4, filled=0.25, launches=40.0, traced_seconds=2e-3)
        return
    if "vendor" in arguments:
        time.sleep(1000)  # it never finishes its search
    serve("0.001")


def train_resnet18():
    for epoch in range(1000):
        tell(event="epoch", epoch=epoch, seconds=0.2, val_accuracy=0.5)
        time.sleep(0.2)


def python_with_torch():
    """PyTorch that is ready at once, but never when it is asked to compile."""
    if arguments[0] == "-c":
        if "torch.backends" in arguments[1]:
            tell(version="2.9", cuda="13.0", cudnn=91900, gpu=True, compile=True)
    elif arguments[0].endswith("torch_peaks.py"):
        for what, value in (("copy", 2e12), ("bf16", 7e14), ("tf32", 3e14), ("fp32", 5e13)):
            tell(what=what, value=value)
    elif "--compile" in arguments:
        time.sleep(1000)
    else:
        serve("0.002")


def cmake():
    if "--build" in arguments:
        time.sleep(0.5)


def nvidia_smi():
    known = {"name": "NVIDIA Fake 1", "compute_cap": "9.0"}
    fields = next(word for word in arguments if word.startswith("--query-gpu=")).split("=")[1].split(",")
    print(", ".join(known.get(field, "1") for field in fields))


acts = {"bench_ops": bench_ops, "bench_steps": bench_steps, "train_resnet18": train_resnet18, "nvidia-smi": nvidia_smi,
        "tests_kernels": lambda: time.sleep(1000), "tests_cuda": lambda: print("All tests passed"),
        "python-with-torch": python_with_torch, "cmake": cmake, "nvcc": lambda: print("release 13.0, V13.0.0")}
acts[name]()
