#!/usr/bin/python3
"""An independent reference for the networks: float64, PyTorch's CPU operations, written from the networks' tables alone.

  oracle.py NETWORK --batch N --write FILE.safetensors   every number, as F64
  oracle.py NETWORK --batch N --store FILE.json          a small extract, to be kept with the tests

Weights, images and labels come from the portable generator (generator.h is its twin). From them it computes the logits of
an evaluation pass, and the loss (penalty included), the gradients and the running statistics after one training step.
Dropout is left out. Exit status 77: PyTorch is not installed.
"""
import argparse
import json
import struct
import sys

try:
    import numpy
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"the independent reference needs PyTorch for /usr/bin/python3: {error}", file=sys.stderr)
    sys.exit(77)

SEED = 20240601


# ---- portable generator: 64-bit integers, then exact float32 -----------------------------------------------------------

def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def random_words(key, count):
    """SplitMix64 with random access: words 0 … count-1 of the stream `key`."""
    u64 = numpy.uint64
    start = u64((fnv1a64(key) + SEED) % 2**64)
    with numpy.errstate(over="ignore"):
        z = start + u64(0x9E3779B97F4A7C15) * (numpy.arange(count, dtype=u64) + u64(1))
        z = (z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> u64(27))) * u64(0x94D049BB133111EB)
        return z ^ (z >> u64(31))


def generated_tensor(prefix, name, shape):
    f32 = numpy.float32
    words = random_words(f"{prefix}/{name}", int(numpy.prod(shape)))
    x = ((words >> numpy.uint64(40)).astype(numpy.int64) - 2**23).astype(f32) / f32(2**23)
    if name.endswith("running_var"):
        x = f32(1) + f32(0.5) * x
    elif name.endswith("running_mean") or name.endswith("bias"):
        x = f32(0.125) * x
    elif len(shape) == 1:
        x = f32(1) + f32(0.25) * x
    else:
        x = f32((6.0 / numpy.prod(shape[1:])) ** 0.5) * x
    return torch.from_numpy(x.astype(numpy.float64).reshape(shape))


def generated_batch(prefix, size, outputs):
    blocks = (random_words(f"{prefix}/golden.blocks", size * 48) >> numpy.uint64(56)).reshape(size, 3, 4, 4)
    noise = (random_words(f"{prefix}/golden.input", size * 3072) >> numpy.uint64(56)).reshape(size, 3, 32, 32)
    pixels = (numpy.uint64(3) * blocks.repeat(8, axis=2).repeat(8, axis=3) + noise) >> numpy.uint64(2)
    x = pixels.astype(numpy.float32) / numpy.float32(255)
    labels = (random_words(f"{prefix}/golden.labels", size) >> numpy.uint64(33)) % numpy.uint64(min(max(outputs, 2), 10))
    return torch.from_numpy(x.astype(numpy.float64)), torch.from_numpy(labels.astype(numpy.int64))


def check_generator():
    assert fnv1a64("resnet18/c1.weight") == 0xD4C4FABC2286047C
    assert int(random_words("resnet18/c1.weight", 1)[0]) == 0xFA9308415583D22A
    for network, name, shape, first, last in [
            ("resnet18", "c1.weight", (64, 3, 3, 3), 0.451422632, 0.00192897697),
            ("resnet18", "b1.weight", (64,), 1.15532851, 0.775969088),
            ("resnet18", "b1.running_var", (64,), 0.507399917, 1.37921011),
            ("resnet18", "b1.running_mean", (64,), -0.0346512794, -0.107820377),
            ("lenet5_relu", "fc_unit.0.weight", (120, 400), 0.113981068, -0.00267936592)]:
        values = generated_tensor(network, name, shape).flatten()
        for value, expected in (values[0], first), (values[-1], last):
            assert abs(float(value) - expected) <= 1e-8 * abs(expected), (network, name, float(value), expected)


# ---- building blocks ---------------------------------------------------------------------------------------------------

SAME = "same"  # Keras: the odd cell goes to the bottom and to the right


def padded(x, kernel, stride, pad, value=0.0):
    if pad == SAME:
        total = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
        sides = (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
    else:
        sides = (pad,) * 4
    return F.pad(x, sides, value=value)


def max_pool(x, kernel, stride, pad=0):
    return F.max_pool2d(padded(x, kernel, stride, pad, value=float("-inf")), kernel, stride)


def global_average(x):
    return x.mean(dim=(2, 3))


class Tensors:
    """Parameters and running statistics of one network, generated when a layer first asks for them."""

    def __init__(self, prefix, epsilon=None, momentum=None, unbiased=True, frozen_statistics=False):
        self.prefix = prefix
        self.epsilon, self.momentum, self.unbiased = epsilon, momentum, unbiased
        self.frozen_statistics = frozen_statistics
        self.parameters, self.buffers = {}, {}
        self.training = False

    def parameter(self, name, *shape):
        if name not in self.parameters:
            self.parameters[name] = generated_tensor(self.prefix, name, shape).requires_grad_()
        return self.parameters[name]

    def buffer(self, name, count):
        if name not in self.buffers:
            self.buffers[name] = generated_tensor(self.prefix, name, (count,))
        return self.buffers[name]

    def conv(self, x, name, out, kernel, stride=1, pad=0, bias=True):
        w = self.parameter(name + ".weight", out, x.shape[1], kernel, kernel)
        b = self.parameter(name + ".bias", out) if bias else None
        return F.conv2d(padded(x, kernel, stride, pad), w, b, stride)

    def linear(self, x, name, out):
        return x @ self.parameter(name + ".weight", out, x.shape[1]).T + self.parameter(name + ".bias", out)

    def norm(self, x, name):
        count = x.shape[1]
        gamma, beta = self.parameter(name + ".weight", count), self.parameter(name + ".bias", count)
        mean, var = self.buffer(name + ".running_mean", count), self.buffer(name + ".running_var", count)
        if self.training and not self.frozen_statistics:
            m = x.numel() // count
            batch_mean = x.mean(dim=(0, 2, 3))
            batch_var = ((x - batch_mean.reshape(1, -1, 1, 1)) ** 2).mean(dim=(0, 2, 3))
            entering = batch_var * (m / (m - 1)) if self.unbiased and m > 1 else batch_var
            self.buffers[name + ".running_mean"] = (1 - self.momentum) * mean + self.momentum * batch_mean.detach()
            self.buffers[name + ".running_var"] = (1 - self.momentum) * var + self.momentum * entering.detach()
            mean, var = batch_mean, batch_var
        column = lambda v: v.reshape(1, -1, 1, 1)
        return column(gamma) * (x - column(mean)) / torch.sqrt(column(var) + self.epsilon) + column(beta)

    def unit(self, x, path, out, stride, pad, bias, conv1, norm1, conv2, norm2, shortcut=None, shortcut_norm=None,
             final=torch.relu):
        """conv-BN-ReLU-conv-BN plus shortcut: the input itself, or a 1x1 convolution (with BN or without)."""
        y = torch.relu(self.norm(self.conv(x, f"{path}.{conv1}", out, 3, stride, pad, bias), f"{path}.{norm1}"))
        y = self.norm(self.conv(y, f"{path}.{conv2}", out, 3, 1, pad, bias), f"{path}.{norm2}")
        if shortcut:
            x = self.conv(x, f"{path}.{shortcut}", out, 1, stride, 0, bias)
        if shortcut_norm:
            x = self.norm(x, f"{path}.{shortcut_norm}")
        return final(y + x)


# ---- the networks ------------------------------------------------------------------------------------------------------

def lenet5_relu(t, x):
    y = max_pool(t.conv(x, "conv_unit.0", 6, 5), 2, 2)
    y = max_pool(t.conv(y, "conv_unit.2", 16, 5), 2, 2).flatten(1)
    y = torch.relu(t.linear(y, "fc_unit.0", 120))
    y = torch.relu(t.linear(y, "fc_unit.2", 84))
    return t.linear(y, "fc_unit.4", 10)


def resnet18(t, x):
    y = torch.relu(t.norm(t.conv(x, "c1", 64, 3, 1, SAME, bias=False), "b1"))
    for i, (out, stride) in enumerate([(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]):
        down = ("down_c1", "down_b1") if stride == 2 else ()
        y = t.unit(y, f"blocks.{i}", out, stride, SAME, False, "c1", "b1", "c2", "b2", *down)
    return t.linear(global_average(y), "f1", 10)


# Network: forward, its constants, its penalty, and (total, trainable, non-trainable).
NETWORKS = {
    "lenet5_relu": (lenet5_relu, {}, None, (62006, 62006, 0)),
    "resnet18": (resnet18, dict(epsilon=1e-3, momentum=0.01),
                 lambda t: 0.01 * (t.parameters["f1.weight"] ** 2).sum(), (11183562, 11173962, 9600)),
}


# ---- what is computed, and how it is written ---------------------------------------------------------------------------

def compute(network, batch):
    forward, constants, penalty, counts = NETWORKS[network]
    t = Tensors(network, **constants)
    with torch.no_grad():
        outputs = forward(t, torch.zeros(2, 3, 32, 32, dtype=torch.float64)).shape[1]
        x, labels = generated_batch(network, batch, outputs)
        logits = forward(t, x)
    trainable = sum(p.numel() for p in t.parameters.values())
    kept = sum(b.numel() for b in t.buffers.values())
    assert (trainable + kept, trainable, kept) == counts, (trainable + kept, trainable, kept)

    t.training = True
    z = forward(t, x)
    if outputs == 1:
        loss = F.binary_cross_entropy_with_logits(z[:, 0], labels.double())
    else:
        loss = F.cross_entropy(z, labels)
    if penalty:
        loss = loss + penalty(t)
    loss.backward()
    return t, labels, logits, loss.detach()


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, value in tensors.items():
        size = 8 * value.numel()
        header[name] = {"dtype": "F64", "shape": list(value.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.contiguous().numpy().astype("<f8").tobytes())


def samples(value):
    flat = value.flatten()
    return [[i, float(flat[i])] for i in sorted({0, flat.numel() // 2, flat.numel() - 1})]


def write_extract(path, network, batch, t, labels, logits, loss):
    parameters = [{"name": n, "shape": list(p.shape), "rms": float((p.grad ** 2).mean().sqrt()), "samples": samples(p.grad)}
                  for n, p in t.parameters.items()]
    buffers = [{"name": n, "shape": list(b.shape), "samples": samples(b)} for n, b in t.buffers.items()]
    rows = lambda items: "[\n" + ",\n".join("  " + json.dumps(item) for item in items) + "]"
    with open(path, "w") as file:
        file.write(f'{{"network": "{network}", "batch": {batch}, "labels": {labels.tolist()}, "loss": {float(loss)!r},\n'
                   f' "logits": {rows([row.tolist() for row in logits[:2]])},\n'
                   f' "gradients": {rows(parameters)},\n "statistics": {rows(buffers)}}}\n')


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("network", choices=sorted(NETWORKS))
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--write")
    arguments.add_argument("--store")
    options = arguments.parse_args()
    check_generator()
    t, labels, logits, loss = compute(options.network, options.batch)
    if options.write:
        tensors = {"logits": logits, "loss": loss.reshape(1), "labels": labels.double()}
        tensors.update({"gradient/" + name: p.grad for name, p in t.parameters.items()})
        tensors.update({"statistics/" + name: b for name, b in t.buffers.items()})
        write_safetensors(options.write, tensors)
    if options.store:
        write_extract(options.store, options.network, options.batch, t, labels, logits, loss)


main()
