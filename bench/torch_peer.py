#!/usr/bin/env python3
"""The same steps in PyTorch, to compare with bench_steps.

Speaks the protocol of `bench_steps --serve`: prints "ready", then for each line on standard input runs one group of
steps (a number on the line: so many) and prints the seconds that one step took. Networks are written from their tutorials; weights are PyTorch's own.
"""
import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network", choices=["lenet5_relu", "baseline", "alexnet8", "vgg16", "resnet18", "resnet34_transfer"])
parser.add_argument("--mode", choices=["train", "infer"], default="train")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--format", choices=["contiguous", "channels_last"], default="contiguous")
parser.add_argument("--group", type=int, default=1)
parser.add_argument("--warm-up", type=int, default=3, help="steps before it says that it is ready")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
parser.add_argument("--compile", choices=["no", "default", "reduce-overhead", "max-autotune"], default="no")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402  (after the thread count is set)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(options.threads)
on_gpu = options.device == "cuda"
if on_gpu:  # the library's fastest convolutions for these shapes, in the precision asked for
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
elif options.precision == "tf32":
    parser.error("tf32 is of GPUs")


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def normalised(channels_in, channels, kernel, padding):
    return [nn.Conv2d(channels_in, channels, kernel, padding=padding), nn.BatchNorm2d(channels, 1e-3, 0.01), nn.ReLU()]


class Baseline(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*normalised(3, 6, 5, 2), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
                                    nn.Linear(1536, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))

    def forward(self, x):
        return self.layers(x)


class AlexNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            *normalised(3, 96, 3, 0), nn.MaxPool2d(3, 2), *normalised(96, 256, 3, 0), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
            nn.Linear(1024, 2048), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2048, 2048), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(2048, 10))

    def forward(self, x):
        return self.layers(x)


class VGG16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [], 3
        for width, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
            for _ in range(count):
                layers += normalised(before, width, 3, 1)
                before = width
            layers += [nn.MaxPool2d(2), nn.Dropout(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2),
                                    nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 10))

    def forward(self, x):
        return self.layers(x)


class Unit(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1 if stride == 1 else 0, bias=False)
        self.norm1 = nn.BatchNorm2d(channels, 1e-3, 0.01)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels, 1e-3, 0.01)
        self.shortcut = None
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False),
                                          nn.BatchNorm2d(channels, 1e-3, 0.01))

    def forward(self, x):
        inner = x if self.stride == 1 else F.pad(x, (0, 1, 0, 1))
        y = F.relu(self.norm1(self.conv1(inner)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(64, 1e-3, 0.01)
        widths = [64, 64, 128, 128, 256, 256, 512, 512]
        units, before = [], 64
        for width in widths:
            units.append(Unit(before, width, 1 if width == before else 2))
            before = width
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(512, 10)

    def forward(self, x):
        return self.head(self.units(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


class ResNet34(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, bias=False)
        self.norm = nn.BatchNorm2d(64, 1e-3, 0.01)
        units, before = [], 64
        for width, count in [(64, 3), (128, 4), (256, 6), (512, 3)]:
            for _ in range(count):
                units.append(Unit(before, width, 1 if width == before else 2))
                before = width
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(512, 8)

    def forward(self, x):
        y = F.relu(self.norm(self.stem(F.pad(x, (2, 3, 2, 3)))))
        return self.head(self.units(F.max_pool2d(F.pad(y, (0, 1, 0, 1)), 3, 2)).mean((2, 3)))


torch.manual_seed(1)
networks = {"lenet5_relu": LeNet5, "baseline": Baseline, "alexnet8": AlexNet8, "vgg16": VGG16, "resnet18": ResNet18,
            "resnet34_transfer": ResNet34}
network = networks[options.network]()
images = torch.rand(options.batch_size, 3, 32, 32)
labels = torch.randint(0, 8, (options.batch_size,))
if options.format == "channels_last":
    network = network.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
network, images, labels = network.to(options.device), images.to(options.device), labels.to(options.device)
optimizer = torch.optim.Adam(network.parameters(), 1e-3, **({"fused": True} if on_gpu else {}))
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
    loss = F.cross_entropy(forward().float(), labels)
    if options.network == "resnet18":
        loss = loss + 0.01 * network.head.weight.square().sum()
    loss.backward()
    optimizer.step()


def finish():
    if on_gpu:
        torch.cuda.synchronize()


def seconds(steps):
    finish()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    finish()
    return (time.perf_counter() - start) / steps


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


seconds(max(1, options.warm_up))
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "describe":
        print(describe(), flush=True)
    else:
        print(f"{seconds(int(line) if line.strip().isdigit() else options.group):.9f}", flush=True)
