"""What one report measures: what was asked for on the command line, and what follows from it."""
import dataclasses
import os
import sys

from . import machine


@dataclasses.dataclass(frozen=True)
class Row:
    """Whole steps to time; `compile` is a mode of torch.compile, or empty."""
    network: str
    batch: int
    precision: str
    compile: str
    mode: str = "train"

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
    dependencies: str | None
    # The machine.
    root: str
    build: str
    out: str
    python: str  # that has PyTorch
    torch: dict | None  # facts about it; none where there is no PyTorch that suits
    architecture: str
    device: str
    torch_device: str
    # What is measured, and how long.
    long: bool  # the long form of every part
    backends: list
    precisions: list
    test_size: str
    rounds: int
    group_seconds: float
    first_group: int
    ready_seconds: float
    row_seconds: float  # with less left, no row of steps is begun
    kernel_seconds: float
    kernel_tables: list  # (precision, batch size)
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
        return ([Row("resnet18", 512, "bf16", "default"), Row("resnet18", 128, "bf16", ""), Row("resnet18", 32, "bf16", tuned),
                 Row("resnet18", 512, "tf32", ""), Row("resnet18", 512, "fp32", "")],
                [Row("lenet5_relu", 32, "fp32", tuned), Row("baseline", 32, "fp32", "")])
    tuned = "max-autotune"
    rows = [Row("resnet18", batch, precision, tuned) for precision in ("bf16", "tf32", "fp32") for batch in (512, 128, 32)]
    rows += [Row("resnet18", 512, "bf16", tuned, "infer"), Row("resnet18", 1, "bf16", tuned, "infer")]
    return rows, [Row(network, 32, precision, tuned) for network in ("lenet5_relu", "baseline") for precision in ("fp32", "bf16")]


def plan_of(asked, root):
    """From what argparse has read."""
    dry = asked.dry_run
    long = not dry and (asked.minutes or 60) >= 30
    minutes = asked.minutes or (10 if dry else 90)
    build = os.path.abspath(asked.build or os.path.join(root, "build", "" if dry else "gpu"))
    out = os.path.abspath(asked.out or (os.path.join(build, "gpu-report") if dry else os.path.join(root, "docs", "results")))
    candidates = [asked.python] if asked.python else [sys.executable, "/usr/bin/python3"]
    found = [(python, machine.torch_facts(python)) for python in dict.fromkeys(candidates)]
    python, torch = next((pair for pair in found if pair[1]), (candidates[0], None))
    if torch and not dry and not torch["gpu"]:
        torch = None  # a PyTorch for CPUs
    tables = [("fp32", 2), ("bf16", 2)] if dry else [("bf16", 512)]
    if long:
        tables += [("bf16", 128), ("tf32", 512), ("fp32", 512), ("bf16", 32)]
    whole, small = step_rows(dry, long)
    return Plan(
        dry_run=dry, minutes=minutes, data=asked.data or ("synthetic" if dry else None), runs=asked.runs or (5 if long else 1),
        jobs=asked.jobs, no_build=asked.no_build, dependencies=asked.dependencies,
        root=root, build=build, out=out, python=python, torch=torch, architecture=machine.architecture(),
        device="emulated" if dry else "cuda", torch_device="cpu" if dry else "cuda",
        long=long, backends=["emulated"] if dry else ["cuda", "vendor"],
        precisions=["fp32", "bf16"] if dry else ["bf16", "tf32", "fp32"], test_size="medium" if long else "quick",
        rounds=2 if dry else 15 if long else 7, group_seconds=0.02 if dry else 0.25, first_group=1 if dry else 10,
        ready_seconds=60 if dry else 1200 if long else 110, row_seconds=min(20, 2 * minutes),
        kernel_seconds=0.01 if dry else 0.5 if long else 0.05, kernel_tables=tables,
        step_rows=[row.as_dict() for row in whole], small_rows=[row.as_dict() for row in small],
        train_network="lenet5_relu" if dry else "resnet18",
        train_arguments=["--epochs", "1", "--limit-train", "32", "--limit-test", "16", "--batch-size", "16"] if dry
        else ["--recipe", "fast", "--precision", "bf16"],
        extra_targets=["tessera"] if dry else ["tests_cuda", "tessera"])
