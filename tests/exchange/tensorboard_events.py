#!/usr/bin/env python3
"""The event file of `--tensorboard`, read by TensorBoard's own library: tensorboard_events.py BUILD

A run is stopped within its second epoch, a torn record is put behind its events, and it is resumed: TensorBoard must see every
evaluation once, with history.csv's values, a histogram for each parameter, and pictures. Needs tensorboard.
"""
import csv
import glob
import os
import struct
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing import event_accumulator


def tessera(build, *words):
    result = subprocess.run([os.path.join(build, "bin", "tessera"), *words], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"tessera {' '.join(words)}: exit code {result.returncode}\n{result.stderr}")


def require(holds, what):
    if not holds:
        sys.exit(f"TensorBoard: {what}")


def main():
    build = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        tessera(build, "train", "lenet5_relu", "synthetic", "--limit-train", "256", "--limit-test", "64", "--batch-size", "32",
                "--epochs", "3", "--steps", "12", "--tensorboard", "--out", run, "--quiet")
        [events] = glob.glob(os.path.join(run, "*tfevents*"))
        with open(events, "ab") as file:
            file.write(struct.pack("<Q", 1000) + b"torn")
        tessera(build, "train", "lenet5_relu", "--resume", run, "--steps", "24", "--quiet")
        seen = event_accumulator.EventAccumulator(run, size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
        seen.Reload()
        with open(os.path.join(run, "history.csv"), encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        for tag, column in (("loss/training", "loss"), ("accuracy/training", "accuracy"), ("loss/validation", "val_loss"),
                            ("accuracy/validation", "val_accuracy"), ("learning rate", "lr")):
            scalars = seen.Scalars(tag)
            require([s.step for s in scalars] == [int(row["step"]) for row in rows],
                    f"{tag} at steps {[s.step for s in scalars]}, history.csv has {[row['step'] for row in rows]}")
            for scalar, row in zip(scalars, rows):
                require(abs(scalar.value - float(row[column])) <= 1e-6 * abs(float(row[column])), f"{tag}: {scalar}, {row}")
        names = sorted(tag for tag in seen.Tags()["histograms"])
        require(len(names) == 20 and "weights/conv_unit.0.weight" in names, f"histograms {names}")
        histogram = seen.Histograms("weights/conv_unit.0.weight")[-1].histogram_value
        require(histogram.num == 450 and sum(histogram.bucket) == 450, f"a histogram of {histogram.num} values")
        for tag in ("images/training", "images/mistakes"):
            image = seen.Images(tag)[-1]
            require(image.encoded_image_string.startswith(b"\x89PNG") and image.width > 100, f"{tag} is no picture")
        require(any("configuration" in tag for tag in seen.Tags()["tensors"]), "no configuration")
        print(f"TensorBoard sees {len(rows)} evaluations, {len(names)} histograms each, pictures and the configuration")


main()
