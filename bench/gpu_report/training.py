"""Time to 94 %: the recipe `fast` of ResNet-18 on CIFAR-10, from the start of the process to its last line."""
import os
import tempfile

from .session import LeftOut, json_lines

TARGET = 0.94


def training(session):
    options, document = session.options, session.document
    if not options.data:
        raise LeftOut("no --data given")
    for seed in range(1, options.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            common = [options.data, "--device", options.device, "--seed", str(seed), "--json", "--out", os.path.join(folder, "run")]
            program = os.path.join(options.build, "bin", "train_" + options.train_network)
            result = session.run([program, *common, *options.train_arguments])
        lines = json_lines(result.output)
        epochs = [line for line in lines if line.get("event") == "epoch"]
        test = next((line for line in reversed(lines) if "accuracy" in line and "event" not in line), None)
        reached = next((index for index, line in enumerate(epochs) if (line.get("val_accuracy") or 0) >= TARGET), None)
        document["training"].append({
            "network": options.train_network, "seed": seed, "epochs": len(epochs),
            "accuracy": test["accuracy"] if test else None,
            "process_seconds": result.seconds,
            "training_seconds": sum(line["seconds"] for line in epochs),
            "seconds_to_target": sum(line["seconds"] for line in epochs[:reached + 1]) if reached is not None else None,
            "complete": bool(test)})
        session.save()
        if result.code != 0 and not result.timed_out:
            raise RuntimeError("training: " + result.last_line())
