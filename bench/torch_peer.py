#!/usr/bin/env python3
"""The same steps in PyTorch, to compare with bench_steps.

Speaks the protocol of `bench_steps --serve` (serving.py). The networks are those of torch_networks.py; all train by Adam but airbench94, which trains by SGD with Nesterov's momentum, less than its recipe's Muon takes.
"""
import argparse
import json
import os
import sys
import time

sys.dont_write_bytecode = True

from serving import add_serving_options, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network")
parser.add_argument("--mode", choices=["train", "infer"], default="train")
add_serving_options(parser)
parser.add_argument("--format", choices=["contiguous", "channels_last"], default="contiguous")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
parser.add_argument("--compile", choices=["no", "default", "reduce-overhead", "max-autotune"], default="no")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402  (after the thread count is set)
from torch.nn import functional as F  # noqa: E402
from torch_networks import NETWORKS  # noqa: E402

torch.set_num_threads(options.threads)
on_gpu = options.device == "cuda"
if on_gpu:  # the library's fastest convolutions for these shapes, in the precision asked for
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
elif options.precision == "tf32":
    parser.error("tf32 is of GPUs")


torch.manual_seed(1)
network = NETWORKS[options.network]()
images = torch.rand(options.batch_size, 3, 32, 32)
labels = torch.randint(0, 8, (options.batch_size,))
if options.format == "channels_last":
    network = network.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
targets = (labels % 2).float().to(options.device)
network, images, labels = network.to(options.device), images.to(options.device), labels.to(options.device)
fused = {"fused": True} if on_gpu else {}
if options.network == "airbench94":
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, 0.85, nesterov=True, **fused)
else:
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, **fused)
network.train(options.mode == "train")
model = network
if options.compile != "no":
    model = torch.compile(network, mode=None if options.compile == "default" else options.compile)


def forward():
    if options.precision != "bf16":
        return model(images)
    with torch.autocast(options.device, torch.bfloat16):
        return model(images)


def step():
    if options.mode == "infer":
        with torch.no_grad():
            forward()
        return
    optimizer.zero_grad(set_to_none=True)
    logits = forward().float()
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], targets) if logits.shape[1] == 1 else F.cross_entropy(logits, labels)
    if options.network == "resnet18":
        loss = loss + 0.01 * network.head.weight.square().sum()
    loss.backward()
    optimizer.step()


def finish():
    if on_gpu:
        torch.cuda.synchronize()


def describe():
    host = []
    for _ in range(15):
        finish()
        start = time.perf_counter()
        step()
        host.append(time.perf_counter() - start)
    finish()
    return json.dumps({"device": f"PyTorch {torch.__version__}", "host_seconds": sorted(host)[7],
                       "memory_bytes": torch.cuda.max_memory_reserved() if on_gpu else None})


serve(step, options, finish, {"describe": describe})
