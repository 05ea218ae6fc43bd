"""Time to 94 %: the recipe `fast` of ResNet-18 on CIFAR-10, from the start of the process to its last line."""
import os
import tempfile
import time

from . import pack
from .session import LeftOut, TimeUp, json_lines

TARGET = 0.94


def facts(network, seed, text, seconds):
    """What a training's lines say so far."""
    lines = json_lines(text)
    epochs = [line for line in lines if line.get("event") == "epoch"]
    test = next((line for line in reversed(lines) if "accuracy" in line and "event" not in line), None)
    reached = next((index for index, line in enumerate(epochs) if (line.get("val_accuracy") or 0) >= TARGET), None)
    return {
        "network": network, "seed": seed, "epochs": len(epochs), "accuracy": test["accuracy"] if test else None,
        "process_seconds": seconds, "training_seconds": sum(line["seconds"] for line in epochs),
        "seconds_to_target": sum(line["seconds"] for line in epochs[:reached + 1]) if reached is not None else None,
        "complete": bool(test)}


def training(session):
    options, document = session.options, session.document
    data = options.data or (pack.data_of(session) if options.pack else None)
    if not data:
        raise LeftOut("no --data given")
    for seed in range(1, options.runs + 1):
        start, row = time.monotonic(), {}

        def take(text, seconds=None):
            row.update(facts(options.train_network, seed, text, seconds or time.monotonic() - start))
            if not any(one is row for one in document["training"]):
                document["training"].append(row)
            session.save()

        with tempfile.TemporaryDirectory() as folder:
            common = [data, "--device", options.device, "--seed", str(seed), "--json", "--out", os.path.join(folder, "run")]
            program = os.path.join(options.build, "bin", "train_" + options.train_network)
            result = session.run([program, *common, *options.train_arguments], watch=take)
        take(result.output, result.seconds)
        if result.timed_out:
            raise TimeUp()
        if result.code != 0:
            raise RuntimeError("training: " + result.last_line())
