"""What one report measures: what was asked for on the command line, and what follows from it."""
import dataclasses
import os
import re
import shutil
import sys

from . import machine


@dataclasses.dataclass(frozen=True)
class Row:
    """Whole steps to time; `compile` is a mode of torch.compile, or empty; `vendor`: beside the vendor's kernels, which take some 20
    seconds to be ready."""
    network: str
    batch: int
    precision: str
    compile: str
    mode: str = "train"
    vendor: bool = True

    def as_dict(self):
        return dataclasses.asdict(self)


@dataclasses.dataclass
class Plan:
    # As on the command line.
    dry_run: bool
    minutes: float
    data: str | None
    runs: int  # trainings to 94 %
    jobs: int
    no_build: bool
    pack: str | None
    # The machine.
    root: str
    build: str
    out: str
    pythons: list  # that may have PyTorch
    python: str  # of these the one that has it, or the first
    torch: dict | None  # facts about it, once they are known; none where there is no PyTorch that suits
    architecture: str
    device: str
    torch_device: str
    # What is measured, and how long.
    long: bool  # the long form of every part
    backends: list
    precisions: list
    test_slots: list  # shell patterns, each tested by a process of its own
    test_seconds: float  # that each may take
    medium_slots: list  # the same for medium shapes
    rounds: int
    group_seconds: float
    first_group: int
    ready_seconds: float
    row_seconds: float  # with less left, no row of steps is begun
    kernel_seconds: float
    kernel_tables: list  # (precision, batch size)
    sanitizers: list  # (tool, patterns)
    step_rows: list
    small_rows: list
    train_network: str
    train_arguments: list
    extra_targets: list
    # Known only later.
    log: str = ""
    replaced_slots: list = dataclasses.field(default_factory=list)


def step_rows(dry, long):
    """The rows of ResNet-18, and of small networks."""
    if dry:
        return [Row("lenet5_relu", 2, "fp32", ""), Row("lenet5_relu", 1, "bf16", "")], [Row("baseline", 2, "fp32", "")]
    if not long:
        tuned = "reduce-overhead"
        return ([Row("resnet18", 512, "bf16", "default"), Row("resnet18", 32, "bf16", tuned, vendor=False),
                 Row("resnet18", 128, "bf16", "", vendor=False), Row("resnet18", 512, "tf32", "", vendor=False),
                 Row("resnet18", 512, "fp32", "", vendor=False)],
                [Row("lenet5_relu", 32, "fp32", tuned, vendor=False), Row("baseline", 32, "fp32", "", vendor=False)])
    tuned = "max-autotune"
    rows = [Row("resnet18", batch, precision, tuned) for precision in ("bf16", "tf32", "fp32") for batch in (512, 128, 32)]
    rows += [Row("resnet18", 512, "bf16", tuned, "infer"), Row("resnet18", 1, "bf16", tuned, "infer")]
    return rows, [Row(network, 32, precision, tuned) for network in ("lenet5_relu", "baseline") for precision in ("fp32", "bf16")]


def slots_of(root):
    with open(os.path.join(root, "kernels", "slots.def"), encoding="utf-8") as file:
        return re.findall(r"^TESSERA_SLOT\((\w+)", file.read(), re.MULTILINE)


def sanitizers_of(long):
    """Kernels with shared memory and barriers first; what only maps elements is the least likely to be wrong."""
    if not long:
        return [("memcheck", ["matmul", "conv2d_forward", "conv2d_backward_data", "conv2d_backward_weights", "batch_norm*"])]
    groups = ["conv2d*,matmul*", "batch_norm*,sum*,column_sums*,*cross_entropy*,classification_metrics*,check_finite*",
              "*pool*,sgd*,adam*,gather*,dropout*,permute*,copy_columns*,convert*,arithmetic*,scale*,activation*"]
    return [(tool, [group]) for group in groups for tool in ("memcheck", "racecheck", "initcheck")]


def plan_of(asked, root):
    """From what argparse has read."""
    dry, device = bool(asked.dry_run), asked.dry_run or "cuda"
    long = not dry and (asked.minutes or 60) >= 30
    minutes = asked.minutes or (10 if dry else 90)
    build = os.path.abspath(asked.build or os.path.join(root, "build", "" if dry else "gpu"))
    out = os.path.abspath(asked.out or (os.path.join(build, "gpu-report") if dry else os.path.join(root, "docs", "results")))
    pythons = list(dict.fromkeys([asked.python] if asked.python else [shutil.which("python3") or sys.executable, sys.executable,
                                                                      "/usr/bin/python3"]))
    tables = [("fp32", 2), ("bf16", 2)] if dry else [("bf16", 512)]
    if long:
        tables += [("bf16", 128), ("tf32", 512), ("fp32", 512), ("bf16", 32)]
    whole, small = step_rows(dry, long)
    slots = slots_of(root)
    products = [slot for slot in slots if slot.startswith(("matmul", "conv2d", "batch_norm"))]
    return Plan(
        dry_run=dry, minutes=minutes, data=asked.data or ("synthetic" if dry and not asked.pack else None),
        runs=asked.runs or (5 if long else 1),
        jobs=asked.jobs, no_build=asked.no_build, pack=os.path.abspath(asked.pack) if asked.pack else None,
        root=root, build=build, out=out, pythons=pythons, python=pythons[0], torch=None, architecture=machine.architecture(),
        device=device, torch_device="cpu" if dry else "cuda",
        long=long, backends=[device] if dry else ["cuda", "vendor"],
        precisions=["fp32", "bf16"] if dry else ["bf16", "tf32", "fp32"],
        test_slots=["matmul/NN*", "arithmetic/a plus b*"] if dry else slots, test_seconds=600 if long else 45,
        medium_slots=[] if dry else slots if long else products,
        rounds=2 if dry else 15 if long else 7, group_seconds=0.02 if dry else 0.25, first_group=1 if dry else 10,
        ready_seconds=60 if dry else 1200 if long else 110, row_seconds=min(20, 2 * minutes),
        kernel_seconds=0.01 if dry else 0.5 if long else 0.05, kernel_tables=tables, sanitizers=sanitizers_of(long),
        step_rows=[row.as_dict() for row in whole], small_rows=[row.as_dict() for row in small],
        train_network="lenet5_relu" if dry else "resnet18",
        train_arguments=["--epochs", "1", "--limit-train", "32", "--limit-test", "16", "--batch-size", "16"] if dry
        else ["--recipe", "fast", "--precision", "bf16"],
        extra_targets=["tessera"] if dry else ["tessera", "tests_engine", "tests_cuda"])
