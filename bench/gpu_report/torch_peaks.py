#!/usr/bin/env python3
"""What the device can do at most, through PyTorch: a large copy, and a large product in each precision.

Prints one JSON object a line. Data is random: products of zeros run faster than any real one.
"""
import argparse
import json
import time

import torch

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--device", default="cuda")
parser.add_argument("--size", type=int, default=8192)
parser.add_argument("--bytes", type=int, default=1 << 30)
options = parser.parse_args()


def finish():
    if options.device == "cuda":
        torch.cuda.synchronize()


def fastest(work, repeats):
    best = float("inf")
    for _ in range(7):
        finish()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        finish()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best


source = torch.randn(options.bytes // 4, device=options.device)
target = torch.empty_like(source)
print(json.dumps({"what": "copy", "value": 2 * options.bytes / fastest(lambda: target.copy_(source), 10)}), flush=True)
del source, target
for precision in ("bf16", "tf32", "fp32"):
    if precision == "tf32" and options.device != "cuda":
        continue
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(options.size, options.size, device=options.device).to(kind) for _ in range(2))
    seconds = fastest(lambda: torch.mm(a, b), 5)
    print(json.dumps({"what": precision, "value": 2 * options.size ** 3 / seconds}), flush=True)
