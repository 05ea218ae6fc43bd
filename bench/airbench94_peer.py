#!/usr/bin/env python3
"""The recipe of airbench94 in PyTorch, on a CPU or a GPU: airbench94_peer.py DATA

DATA is a folder cifar-10-batches-bin. Writes one JSON object to standard output: accuracy over six views ("accuracy"), over
one ("one view"), the mean loss of each step ("losses", with --losses), seconds of training alone ("train_seconds") and since
the process began ("seconds"). Progress goes to standard error. Written from the recipe's table (Jordan 2024, arXiv 2404.00498, and
the record with Muon that followed it), with PyTorch's own operations throughout.
"""
import time

START = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data")
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--steps", type=int, help="stop after so many")
parser.add_argument("--batch-size", type=int, default=2000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
parser.add_argument("--compile", action="store_true", help="torch.compile, mode max-autotune")
parser.add_argument("--losses", action="store_true", help="the loss of every step too (it is waited for)")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402  (after the thread count is set)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(options.threads)
torch.manual_seed(options.seed)
on_gpu = options.device == "cuda"
device = torch.device(options.device)
half = torch.bfloat16 if options.precision == "bf16" else torch.float32
if on_gpu:
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
elif options.precision == "tf32":
    parser.error("tf32 is of GPUs")


def load(names):
    raw = b"".join(open(os.path.join(options.data, name), "rb").read() for name in names)
    records = torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(-1, 3073)
    x = records[:, 1:].reshape(-1, 3, 32, 32).to(device).float() / 255
    column = lambda values: torch.tensor(values, device=device).reshape(1, 3, 1, 1)
    x = (x - column((0.4914, 0.4822, 0.4465))) / column((0.2470, 0.2435, 0.2616))
    return x, records[:, 0].long().to(device)


class Group(nn.Module):
    def __init__(self, before, width):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding="same", bias=False)
        self.norm1 = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
        self.conv2 = nn.Conv2d(width, width, 3, padding="same", bias=False)
        self.norm2 = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
        for conv in self.conv1, self.conv2:
            nn.init.dirac_(conv.weight.data[: conv.in_channels])
        for norm in self.norm1, self.norm2:
            norm.weight.requires_grad_(False)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Net(nn.Module):
    def __init__(self, images):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.groups = nn.Sequential(Group(24, 64), Group(64, 256), Group(256, 256))
        self.head = nn.Linear(256, 10, bias=False)
        self.head.weight.data /= self.head.weight.data.std()
        patches = F.unfold(images[:5000].cpu().double(), 2).transpose(1, 2).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / torch.sqrt(values + 5e-4)).T
        self.whiten.weight.data = torch.cat([filters, -filters]).reshape(24, 3, 2, 2).float()
        self.whiten.weight.requires_grad_(False)

    def forward(self, x):
        return self.head(F.max_pool2d(self.groups(F.gelu(self.whiten(x))), 3).flatten(1)) / 256


def orthogonal(u):
    x = u.to(half if on_gpu else u.dtype)
    x = x / (x.norm() + 1e-7)
    if u.shape[0] > u.shape[1]:
        x = x.T
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if u.shape[0] > u.shape[1] else x).to(u.dtype)


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(group["momentum"]).add_(p.grad)
                u = p.grad.add(velocity, alpha=group["momentum"])
                p.mul_(len(p) ** 0.5 / p.norm())
                p.add_(orthogonal(u.reshape(len(p), -1)).reshape(p.shape), alpha=-group["lr"])


def crops(x):
    """Random 32 × 32 windows of x padded by 2 cells that reflect."""
    padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # n, channel, row, column of the window, its rows, its columns
    rows, columns = (torch.randint(0, 5, (len(x),), device=device) for _ in range(2))
    return windows[torch.arange(len(x), device=device), :, rows, columns]


def finish():
    if on_gpu:
        torch.cuda.synchronize()


def outputs(net, x):
    with torch.autocast(options.device, half, enabled=half != torch.float32):
        return net(x).float()


@torch.no_grad()
def evaluate(net, x, labels):
    net.eval()
    six, one = [], []
    for batch in x.split(options.batch_size):
        both = lambda v: (outputs(net, v) + outputs(net, v.flip(3))) / 2
        p = F.pad(batch, (1, 1, 1, 1), mode="reflect")
        one.append(outputs(net, batch))
        six.append(both(batch) / 2 + (both(p[:, :, 0:32, 0:32]) + both(p[:, :, 2:34, 2:34])) / 4)
    net.train()
    return [(torch.cat(z).argmax(1) == labels).float().mean().item() for z in (six, one)]


def main():
    train_x, train_y = load([f"data_batch_{i}.bin" for i in range(1, 6)])
    test_x, test_y = load(["test_batch.bin"])
    net = Net(train_x).to(device).to(memory_format=torch.channels_last)
    model = torch.compile(net, mode="max-autotune") if options.compile else net

    batch = min(options.batch_size, len(train_x))
    per_epoch = len(train_x) // batch
    steps = options.epochs * per_epoch
    bias_steps = min(3 * per_epoch, steps)
    decay, bias_rate, head_rate = 0.004, 0.053, 0.67
    filters = [p for p in net.parameters() if p.ndim == 4 and p.requires_grad]
    norm_biases = [p for name, p in net.named_parameters() if "norm" in name and p.requires_grad]
    sgd = torch.optim.SGD([{"params": [net.whiten.bias], "lr": bias_rate, "weight_decay": decay / bias_rate},
                           {"params": norm_biases, "lr": bias_rate, "weight_decay": decay / bias_rate},
                           {"params": [net.head.weight], "lr": head_rate, "weight_decay": decay / head_rate}],
                          momentum=0.85, nesterov=True)
    muon = Muon(filters, lr=0.24, momentum=0.6)
    for group in sgd.param_groups + muon.param_groups:
        group["first"] = group["lr"]

    mirrored = torch.rand(len(train_x), device=device) < 0.5
    train_x = torch.where(mirrored.reshape(-1, 1, 1, 1), train_x.flip(3), train_x)
    losses, s, seconds = [], 0, 0.0
    last = min(steps, options.steps or steps)
    while s < last:
        finish()
        start = time.perf_counter()
        x = crops(train_x)
        if s // per_epoch % 2 == 1:
            x = x.flip(3)
        order = torch.randperm(len(x), device=device)
        for at in range(0, per_epoch * batch, batch):
            if s == last:
                break
            chosen = order[at:at + batch]
            if s == bias_steps:
                net.whiten.bias.requires_grad_(False)
                net.whiten.bias.grad = None
            for i, group in enumerate(sgd.param_groups + muon.param_groups):
                group["lr"] = group["first"] * (1 - s / (bias_steps if i == 0 else steps))
            z = outputs(model, x[chosen].contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(z, train_y[chosen], label_smoothing=0.2, reduction="sum")
            loss.backward()
            sgd.step()
            muon.step()
            net.zero_grad(set_to_none=True)
            s += 1
            if options.losses:
                losses.append(loss.item() / len(chosen))
                print(f"step {s} loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
        finish()
        seconds += time.perf_counter() - start
        print(f"epoch {(s + per_epoch - 1) // per_epoch}  {seconds:.1f} s", file=sys.stderr, flush=True)
    six, one = evaluate(net, test_x, test_y)
    result = {"accuracy": six, "one view": one, "train_seconds": seconds, "seconds": time.perf_counter() - START,
              "device": torch.cuda.get_device_name() if on_gpu else "cpu", "torch": torch.__version__}
    if options.losses:
        result["losses"] = losses
    print(json.dumps(result))


if __name__ == "__main__":
    main()
