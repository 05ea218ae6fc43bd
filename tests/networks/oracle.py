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

    def __init__(self, prefix, epsilon=None, momentum=None, unbiased=True, frozen_statistics=False, fixed=lambda name: False):
        self.prefix = prefix
        self.epsilon, self.momentum, self.unbiased = epsilon, momentum, unbiased
        self.frozen_statistics = frozen_statistics
        self.fixed = fixed  # of a parameter's name: it is not trained
        self.parameters, self.buffers = {}, {}
        self.training = False

    def parameter(self, name, *shape):
        if name not in self.parameters:
            self.parameters[name] = generated_tensor(self.prefix, name, shape).requires_grad_(not self.fixed(name))
        return self.parameters[name]

    def buffer(self, name, count):
        if name not in self.buffers:
            self.buffers[name] = generated_tensor(self.prefix, name, (count,))
        return self.buffers[name]

    def conv(self, x, name, out, kernel, stride=1, pad=0, bias=True, groups=1):
        w = self.parameter(name + ".weight", out, x.shape[1] // groups, kernel, kernel)
        b = self.parameter(name + ".bias", out) if bias else None
        return F.conv2d(padded(x, kernel, stride, pad), w, b, stride, groups=groups)

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


def baseline(t, x):
    y = torch.relu(t.norm(t.conv(x, "c1", 6, 5, 1, SAME), "b1"))
    y = torch.relu(t.linear(max_pool(y, 2, 2).flatten(1), "f1", 128))
    return t.linear(y, "f2", 10)


def lenet5_sigmoid(t, x):
    y = max_pool(torch.sigmoid(t.conv(x, "c1", 6, 5)), 2, 2)
    y = max_pool(torch.sigmoid(t.conv(y, "c2", 16, 5)), 2, 2).flatten(1)
    y = torch.sigmoid(t.linear(y, "f1", 120))
    y = torch.sigmoid(t.linear(y, "f2", 84))
    return t.linear(y, "f3", 10)


def alexnet8(t, x):
    y = max_pool(torch.relu(t.norm(t.conv(x, "c1", 96, 3), "b1")), 3, 2)
    y = max_pool(torch.relu(t.norm(t.conv(y, "c2", 256, 3), "b2")), 3, 2)
    for name, out in [("c3", 384), ("c4", 384), ("c5", 256)]:
        y = torch.relu(t.conv(y, name, out, 3, 1, SAME))
    y = max_pool(y, 3, 2).flatten(1)
    y = torch.relu(t.linear(y, "f1", 2048))
    y = torch.relu(t.linear(y, "f2", 2048))
    return t.linear(y, "f3", 10)


def vgg16(t, x):
    y = x
    for i, out in enumerate([64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512], start=1):
        y = torch.relu(t.norm(t.conv(y, f"c{i}", out, 3, 1, SAME), f"b{i}"))
        if i in (2, 4, 7, 10, 13):
            y = max_pool(y, 2, 2)
    y = torch.relu(t.linear(y.flatten(1), "f1", 512))
    y = torch.relu(t.linear(y, "f2", 512))
    return t.linear(y, "f3", 10)


def inception10(t, x):
    def unit(x, name, out, kernel, stride=1):
        return torch.relu(t.norm(t.conv(x, name + ".conv", out, kernel, stride, SAME), name + ".bn"))

    y = unit(x, "c1", 16, 3)
    for i, (out, stride) in enumerate([(16, 2), (16, 1), (32, 2), (32, 1)]):
        block = f"blocks.{i}."
        y = torch.cat([unit(y, block + "c1", out, 1, stride),
                       unit(unit(y, block + "c2_1", out, 1, stride), block + "c2_2", out, 3),
                       unit(unit(y, block + "c3_1", out, 1, stride), block + "c3_2", out, 5),
                       unit(max_pool(y, 3, 1, SAME), block + "c4_2", out, 1, stride)], dim=1)
    return t.linear(global_average(y), "f1", 10)


def resnet_mini(t, x):
    y = torch.relu(t.norm(t.conv(x, "conv1.0", 16, 3, 1, 1), "conv1.1"))
    no_relu = lambda v: v
    y = t.unit(y, "blk1", 16, 1, 1, True, "conv1", "bn1", "conv2", "bn2", final=no_relu)
    y = t.unit(y, "blk2", 32, 1, 1, True, "conv1", "bn1", "conv2", "bn2", "extra.0", "extra.1", final=no_relu)
    return t.linear(y.flatten(1), "outlayer", 10)


def resnet18_maxpool(t, x):
    y = max_pool(torch.relu(t.norm(t.conv(x, "conv", 64, 3, 1, SAME), "bn")), 2, 1, SAME)
    for stage, out in enumerate([64, 128, 256, 512], start=1):
        for i in range(2):
            first = stage > 1 and i == 0
            y = t.unit(y, f"res_block{stage}.{i}", out, 2 if first else 1, SAME, True, "conv1", "bn1", "conv2", "bn2",
                       *(["conv3"] if first else []))
    return t.linear(global_average(y), "fc", 10)


def paddle_resnet18(t, x, stem, stem_norm, stem_bias, path, shortcut, head, outputs):
    y = max_pool(torch.relu(t.norm(t.conv(x, stem, 64, 7, 2, 3, bias=stem_bias), stem_norm)), 3, 2, 1)
    for stage, out in enumerate([64, 128, 256, 512], start=1):
        for i in range(2):
            first = stage > 1 and i == 0
            y = t.unit(y, path.format(stage, i), out, 2 if first else 1, 1, False, "conv1", "bn1", "conv2", "bn2",
                       *(shortcut if first else ()))
    return t.linear(global_average(y), head, outputs)


def resnet18_imagenet(t, x):
    return paddle_resnet18(t, x, "conv1", "bn1", False, "layer{}.{}", ("downsample.0", "downsample.1"), "fc", 1000)


def resnet18_nndl(t, x):
    return paddle_resnet18(t, x, "net.0.0", "net.0.1", True, "net.{}.{}", ("shortcut", "bn3"), "net.7", 10)


def resnet18_nndl_plain(t, x):
    """Without residual adds: what the shortcuts own is there, but nothing reads it."""
    y = max_pool(torch.relu(t.norm(t.conv(x, "net.0.0", 64, 7, 2, 3), "net.0.1")), 3, 2, 1)
    for stage, out in enumerate([64, 128, 256, 512], start=1):
        for i in range(2):
            unit, first = f"net.{stage}.{i}.", stage > 1 and i == 0
            if first:
                t.parameter(unit + "shortcut.weight", out, y.shape[1], 1, 1)
                for name in "weight", "bias":
                    t.parameter(unit + "bn3." + name, out)
                for name in "running_mean", "running_var":
                    t.buffer(unit + "bn3." + name, out)
            y = torch.relu(t.norm(t.conv(y, unit + "conv1", out, 3, 2 if first else 1, 1, bias=False), unit + "bn1"))
            y = torch.relu(t.norm(t.conv(y, unit + "conv2", out, 3, 1, 1, bias=False), unit + "bn2"))
    return t.linear(global_average(y), "net.7", 10)


def resnet34_transfer(t, x, outputs=8):
    y = max_pool(torch.relu(t.norm(t.conv(x, "conv", 64, 7, 2, SAME, bias=False), "bn")), 3, 2, SAME)
    i = 0
    for count, out, stride in (3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2):
        for s in [stride] + [1] * (count - 1):
            skip = ("skip_conv", "skip_bn") if s == 2 else ()
            y = t.unit(y, f"units.{i}", out, s, SAME, False, "conv1", "bn1", "conv2", "bn2", *skip)
            i += 1
    return t.linear(global_average(y), "fc", outputs)


def resnet34_transfer_binary(t, x):
    return resnet34_transfer(t, x, outputs=1)


def mobilenetv2(t, x):
    """Sandler et al. 2018, table 2, with SiLU, and stride 1 in the stem and in the second stage."""
    silu = lambda v: v * torch.sigmoid(v)

    def unit(x, name, out, kernel, stride=1, groups=1):
        return silu(t.norm(t.conv(x, name + ".0", out, kernel, stride, kernel // 2, False, groups), name + ".1"))

    y, number = unit(x, "features.0", 32, 3), 1
    for widening, out, count, stride in [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                         (6, 160, 3, 2), (6, 320, 1, 1)]:
        for s in [stride] + [1] * (count - 1):
            path, wide, first = f"features.{number}.conv.", widening * y.shape[1], int(widening > 1)
            z = unit(y, path + "0", wide, 1) if first else y
            z = unit(z, f"{path}{first}", wide, 3, s, wide)
            z = t.norm(t.conv(z, f"{path}{first + 1}", out, 1, bias=False), f"{path}{first + 2}")
            y = y + z if s == 1 and y.shape[1] == out else z
            number += 1
    return t.linear(global_average(unit(y, f"features.{number}", 1280, 1)), "classifier.1", 10)


def airbench94(t, x):
    """Jordan 2024, table of the network; GELU in its exact form."""
    gelu = lambda v: 0.5 * v * (1 + torch.erf(v / 2 ** 0.5))
    y = gelu(t.conv(x, "whiten", 24, 2))
    for i, out in enumerate([64, 256, 256]):
        group = f"groups.{i}."
        y = max_pool(t.conv(y, group + "conv1", out, 3, 1, 1, bias=False), 2, 2)
        y = gelu(t.norm(y, group + "norm1"))
        y = gelu(t.norm(t.conv(y, group + "conv2", out, 3, 1, 1, bias=False), group + "norm2"))
    y = max_pool(y, 3, 3).flatten(1)
    return y @ t.parameter("head.weight", 10, y.shape[1]).T / 256


# Network: forward, its constants, its penalty, and (total, trainable, non-trainable).
KERAS2 = dict(epsilon=1e-3, momentum=0.01)
KERAS3 = dict(epsilon=1e-3, momentum=0.01, unbiased=False)
PYTORCH = dict(epsilon=1e-5, momentum=0.1)  # and Paddle
NETWORKS = {
    "baseline": (baseline, KERAS2, None, (198506, 198494, 12)),
    "lenet5_sigmoid": (lenet5_sigmoid, {}, None, (62006, 62006, 0)),
    "alexnet8": (alexnet8, KERAS2, None, (9639178, 9638474, 704)),
    "vgg16": (vgg16, KERAS2, None, (15262026, 15253578, 8448)),
    "inception10": (inception10, dict(KERAS2, frozen_statistics=True), None, (121418, 120234, 1184)),
    "resnet_mini": (resnet_mini, PYTORCH, None, (347786, 347498, 288)),
    "resnet18_maxpool": (resnet18_maxpool, KERAS2, None, (11184778, 11176970, 7808)),
    "resnet18_imagenet": (resnet18_imagenet, PYTORCH, None, (11699112, 11689512, 9600)),
    "resnet18_nndl": (resnet18_nndl, PYTORCH, None, (11191306, 11181706, 9600)),
    "resnet18_nndl_plain": (resnet18_nndl_plain, PYTORCH, None, (11191306, 11181706, 9600)),
    "resnet34_transfer": (resnet34_transfer, KERAS3, None, (21305800, 21288776, 17024)),
    "resnet34_transfer_binary": (resnet34_transfer_binary, KERAS3, None, (21302209, 21285185, 17024)),
    "mobilenetv2": (mobilenetv2, PYTORCH, None, (2270794, 2236682, 34112)),
    "airbench94": (airbench94,
                   dict(epsilon=1e-12, momentum=0.4,
                        fixed=lambda name: name == "whiten.weight" or ("norm" in name and name.endswith("weight"))),
                   None, (1975096, 1971352, 3744)),
    "lenet5_relu": (lenet5_relu, {}, None, (62006, 62006, 0)),
    "resnet18": (resnet18, KERAS2,
                 lambda t: 0.01 * (t.parameters["f1.weight"] ** 2).sum(), (11183562, 11173962, 9600)),
}


# Whose generated numbers a network shares.
PREFIXES = {"resnet18_nndl_plain": "resnet18_nndl", "resnet34_transfer_binary": "resnet34_transfer"}


# ---- what is computed, and how it is written ---------------------------------------------------------------------------

def compute(network, batch):
    forward, constants, penalty, counts = NETWORKS[network]
    prefix = PREFIXES.get(network, network)
    t = Tensors(prefix, **constants)
    with torch.no_grad():
        outputs = forward(t, torch.zeros(2, 3, 32, 32, dtype=torch.float64)).shape[1]
        x, labels = generated_batch(prefix, batch, outputs)
        logits = forward(t, x)
    trainable = sum(p.numel() for p in t.parameters.values() if p.requires_grad)
    kept = sum(b.numel() for b in t.buffers.values()) + sum(p.numel() for p in t.parameters.values() if not p.requires_grad)
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
    dtypes = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64"}
    for name, value in tensors.items():
        size = value.element_size() * value.numel()
        header[name] = {"dtype": dtypes[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.contiguous().numpy().tobytes())


def samples(value):
    flat = value.flatten()
    return [[i, float(flat[i])] for i in sorted({0, flat.numel() // 2, flat.numel() - 1})]


def write_extract(path, network, batch, t, labels, logits, loss):
    parameters = [{"name": n, "shape": list(p.shape), "rms": 0 if p.grad is None else float((p.grad ** 2).mean().sqrt()),
                   "samples": [] if p.grad is None else samples(p.grad)} for n, p in t.parameters.items()]
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
        for name, p in t.parameters.items():
            tensors.update({"unused/" + name: p.detach()} if p.grad is None else {"gradient/" + name: p.grad})
        tensors.update({"statistics/" + name: b for name, b in t.buffers.items()})
        write_safetensors(options.write, tensors)
    if options.store:
        write_extract(options.store, options.network, options.batch, t, labels, logits, loss)


if __name__ == "__main__":
    main()
