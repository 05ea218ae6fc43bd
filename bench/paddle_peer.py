#!/usr/bin/env python3
"""The same steps in Paddle, to compare with bench_steps.

Speaks the protocol of `bench_steps --serve` (serving.py). The networks are those that come from Paddle's own library
and course; both train by Adam. --list: their names.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "exchange"))

from serving import add_serving_options, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network", nargs="?")
parser.add_argument("--list", action="store_true")
parser.add_argument("--mode", choices=["train", "infer"], default="train")
add_serving_options(parser)
options = parser.parse_args()
os.environ.update(OMP_NUM_THREADS=str(options.threads), MKL_NUM_THREADS=str(options.threads))

import paddle  # noqa: E402  (after the thread count is set)
from paddle_originals import paddle_networks  # noqa: E402

networks = paddle_networks()
if options.list:
    print(*networks)
    sys.exit()
paddle.set_device("cpu")
paddle.seed(1)
model = networks[options.network]()
images = paddle.rand((options.batch_size, 3, 32, 32))
labels = paddle.randint(0, 8, (options.batch_size,))
optimizer = paddle.optimizer.Adam(1e-3, parameters=model.parameters())
forward = paddle.jit.to_static(model)
if options.mode == "train":
    model.train()
else:
    model.eval()


def step():
    if options.mode == "infer":
        with paddle.no_grad():
            return forward(images).numpy()
    loss = paddle.nn.functional.cross_entropy(forward(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return loss.numpy()


serve(step, options)
