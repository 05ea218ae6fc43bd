"""The ladder of goals (docs/performance.md) and what this run says of each. A ratio above 1 means that ours is faster."""
from .kernels import spread
from .steps import median_of


def speed(document, network, batch, precision, theirs, ours="own"):
    a, b = (median_of(document, network, batch, precision, name) for name in (theirs, ours))
    return a / b if a and b else None


def host_microseconds(document, network, batch, precision):
    for row in document["steps"] + document["small"]:
        if (row["network"], row["batch"], row["precision"]) == (network, batch, precision):
            for entry in row["contestants"]:
                if entry["name"] == "own" and entry["host_seconds"]:
                    return entry["host_seconds"] * 1e6
    return None


def busy_share(document, network, batch, precision):
    for row in document["steps"] + document["small"]:
        if (row["network"], row["batch"], row["precision"], row["mode"]) == (network, batch, precision, "train"):
            return row["busy"]["share"], row["busy"]["why"]
    return None, ""


def kernel_ratio(document, slots):
    """The median over the kernels of these slots, in bf16."""
    found = [row["ratio"]["median"] for table in document["kernels"] if table["precision"] == "bf16"
             for row in table["rows"] if row["ratio"] and row["slot"].startswith(slots)]
    return spread(found)["median"] if found else None


def memory_share(document):
    """The median share of the floor over the kernels that memory bounds, in bf16; without convolutions, and without batch norm
    that makes its statistics itself (not called by the step: it must read x twice, which the floor does not count)."""
    found = [row["share"] for table in document["kernels"] if table["precision"] == "bf16" for row in table["rows"]
             if row["share"] and row["bound"] == "memory" and row["bytes"] > 1e7 and not row["slot"].startswith("conv2d")
             and (row["calls"] or row["slot"] != "batch_norm_training")]
    return spread(found)["median"] if found else None


def seconds_to_target(document):
    found = [row["process_seconds"] for row in document["training"]
             if row["complete"] and row["accuracy"] >= 0.94 and row["network"] == "resnet18"]
    return spread(found)["median"] if found else None


def goals(document):
    d, r, small = document, "resnet18", "lenet5_relu"
    table = [
        ("1", "ResNet-18, batch 512, bf16: PyTorch ÷ ours", "1.0", "1.4", "1.8", speed(d, r, 512, "bf16", "PyTorch")),
        ("2", "the same, PyTorch compiled", "0.9", "1.2", "1.5", speed(d, r, 512, "bf16", "PyTorch, compiled")),
        ("3", "the same, vendor kernels ÷ own kernels", "0.8", "1.0", "1.15", speed(d, r, 512, "bf16", "vendor")),
        ("4", "convolutions one by one, vendor ÷ own, median", "0.65", "0.8", "1.0", kernel_ratio(d, "conv2d")),
        ("5", "kernels that memory bounds: share of the floor, median", "0.8", "0.9", "0.95", memory_share(d)),
        ("5", "batch norm and pooling one by one, vendor ÷ own, median", "0.9", "1.0", "1.2", kernel_ratio(d, ("batch_norm", "max_pool"))),
        ("8", "ResNet-18 to 94 %, seconds of the whole process", "30", "15", "8", seconds_to_target(d)),
        ("9", "ResNet-18, batch 32, bf16: PyTorch ÷ ours", "2", "4", "6", speed(d, r, 32, "bf16", "PyTorch")),
        ("9", "the same, PyTorch compiled with graphs", "0.8", "1.0", "1.3", speed(d, r, 32, "bf16", "PyTorch, compiled")),
        ("10", "recording on ÷ off: ResNet-18, batch 32", "1.0", "1.2", "1.4", speed(d, r, 32, "bf16", "own, not recorded")),
        ("10", "recording on ÷ off: LeNet, batch 32", "1.5", "2.5", "4", speed(d, small, 32, "fp32", "own, not recorded")),
        ("11", "LeNet, batch 32: PyTorch ÷ ours", "4", "8", "15", speed(d, small, 32, "fp32", "PyTorch")),
        ("11", "the same, PyTorch compiled with graphs", "1", "1.5", "3", speed(d, small, 32, "fp32", "PyTorch, compiled")),
        ("12", "kernels busy ÷ wall time, LeNet, batch 32", "0.8", "0.9", "0.97", *busy_share(d, small, 32, "fp32")),
        ("12", "host microseconds a step, LeNet, batch 32", "50", "10", "2", host_microseconds(d, small, 32, "fp32")),
        ("13", "ResNet-18, batch 512, bf16: fast ÷ deterministic", "0.8", "0.9", "0.95",
         (lambda x: 1 / x if x else None)(speed(d, r, 512, "bf16", "own, deterministic"))),
    ]
    return [{"goal": goal, "what": what, "a": a, "b": b, "c": c, "measured": value, "why": why[0] if why else ""}
            for goal, what, a, b, c, value, *why in table]
