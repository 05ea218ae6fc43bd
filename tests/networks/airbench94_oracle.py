#!/usr/bin/python3
"""What oracle.py leaves out of airbench94: whitening filters, the outputs over six views, and twelve steps of the recipe
(four epochs of three batches of 12; 40 images, of which an epoch drops the last four). float64, from the recipe's table.

  airbench94_oracle.py FILE.json

Weights (batch norm's gammas too), images and labels come from the portable generator. Exit status 77: no PyTorch.
"""
import json
import sys

from oracle import F, NETWORKS, Tensors, generated_batch, generated_tensor, numpy, samples, torch

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGES, BATCH, EPOCHS, BIAS_EPOCHS = 40, 12, 4, 3


def normalised(x):
    column = lambda values: torch.tensor(values, dtype=torch.float32).double().reshape(1, 3, 1, 1)
    return (x - column(MEAN)) / column(DEVIATION)


def whitening(x):
    """[24, 3, 2, 2]: eigenvectors in ascending order of eigenvalues, then their negatives."""
    patches = F.unfold(x, 2).transpose(1, 2).reshape(-1, 12).numpy()  # channel, row, column
    eigenvalues, vectors = numpy.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / numpy.sqrt(eigenvalues + 5e-4)).T
    return numpy.concatenate([filters, -filters]).reshape(24, 3, 2, 2)


def six_views(net, x):
    both = lambda v: (net(v) + net(v.flip(3))) / 2
    p = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return both(x) / 2 + (both(p[:, :, 0:32, 0:32]) + both(p[:, :, 2:34, 2:34])) / 4


def nesterov_sgd(w, g, v, rate, decay, momentum=0.85):
    g = g + decay * w
    v = momentum * v + g
    return w - rate * (g + momentum * v), v


def muon(w, g, v, rate, momentum=0.6):
    v = momentum * v + g
    u = (g + momentum * v).reshape(len(w), -1)
    x = u / (u.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    if tall:
        x = x.T
    return w * len(w) ** 0.5 / w.norm() - rate * x.reshape(w.shape), v


def train(forward, t, x, labels):
    per_epoch = IMAGES // BATCH
    steps, bias_steps = EPOCHS * per_epoch, BIAS_EPOCHS * per_epoch
    memory, losses = {}, []
    for s in range(steps):
        at = s % per_epoch * BATCH
        for p in t.parameters.values():
            p.grad = None
        loss = F.cross_entropy(forward(t, x[at:at + BATCH]), labels[at:at + BATCH], label_smoothing=0.2, reduction="sum")
        loss.backward()
        losses.append(float(loss.detach()) / BATCH)
        for name, p in t.parameters.items():
            if t.fixed(name) or (name == "whiten.bias" and s >= bias_steps):
                continue
            v = memory.get(name, torch.zeros_like(p))
            with torch.no_grad():
                if name.endswith("bias"):
                    rate = 0.053 * (1 - s / (bias_steps if name == "whiten.bias" else steps))
                    new, memory[name] = nesterov_sgd(p, p.grad, v, rate, 0.004 / 0.053)
                elif name == "head.weight":
                    new, memory[name] = nesterov_sgd(p, p.grad, v, 0.67 * (1 - s / steps), 0.004 / 0.67)
                else:
                    new, memory[name] = muon(p, p.grad, v, 0.24 * (1 - s / steps))
                p.copy_(new)
    return losses


def muon_path():
    """Twenty steps of one tall and one wide matrix, rows x columns; gradients from the generator."""
    paths = []
    for rows, columns in (20, 12), (12, 45):
        w = generated_tensor("muon", f"w.{rows}", (rows, columns))
        v = torch.zeros_like(w)
        for s in range(20):
            w, v = muon(w, generated_tensor("muon", f"g.{rows}.{s}", (rows, columns)), v, 0.24 * (1 - s / 20))
        paths.append({"rows": rows, "columns": columns, "values": w.flatten().tolist()})
    return paths


def main():
    forward, constants, _, _ = NETWORKS["airbench94"]
    t = Tensors("airbench94", **constants)
    x, labels = generated_batch("airbench94", IMAGES, 10)
    x = normalised(x)
    with torch.no_grad():
        views = six_views(lambda v: forward(t, v), x[:4])
        one = forward(t, x[:4])
    result = {"whitening": whitening(x).reshape(24, 12).tolist(), "views": views.tolist(), "one": one.tolist(), "muon": muon_path()}
    t.training = True
    result["losses"] = train(forward, t, x, labels)
    extract = lambda items: [{"name": n, "rms": float((v.detach() ** 2).mean().sqrt()), "samples": samples(v.detach())}
                             for n, v in items.items()]
    result["tensors"] = extract(t.parameters) + extract(t.buffers)
    with open(sys.argv[1], "w", encoding="ascii") as file:
        json.dump(result, file)
        file.write("\n")


if __name__ == "__main__":
    main()
