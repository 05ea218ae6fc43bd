#!/usr/bin/env python3
"""Models that `export --onnx` writes, by ONNX's own checker and in onnxruntime: compare.py BUILD NETWORK...

Each network is trained for three steps on random images, so that its running statistics are its own; the logits of other images
by `evaluate --logits` must agree within 5e-5 of the largest with onnxruntime's, in batches of 1 and 7, from normalised maps and
from bytes. Needs numpy, onnx and onnxruntime.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
IMAGES = 21


def tessera(build, *words):
    result = subprocess.run([os.path.join(build, "bin", "tessera"), *words], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"tessera {' '.join(words)}: exit code {result.returncode}\n{result.stderr}")


def write_batch(path, random, count):
    """A CIFAR-10 file of random images, labels 0, 1, … in turn: its images N,C,H,W and its labels."""
    images = random.integers(0, 256, (count, 3, 32, 32), dtype=numpy.uint8)
    labels = numpy.arange(count) % len(NAMES)
    with open(path, "wb") as file:
        for image, label in zip(images, labels):
            file.write(bytes([label]) + image.tobytes())
    return images, labels


def write_data(folder):
    random = numpy.random.default_rng(0)
    os.makedirs(folder)
    for i in range(1, 6):
        write_batch(os.path.join(folder, f"data_batch_{i}.bin"), random, 40)
    with open(os.path.join(folder, "batches.meta.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(NAMES) + "\n")
    return write_batch(os.path.join(folder, "test_batch.bin"), random, IMAGES)


def normalised(images, text):
    """By the model's own word for it: a name, or "means/deviations"."""
    named = {"none": "0,0,0/1,1,1", "cifar10": "0.4914,0.4822,0.4465/0.2023,0.1994,0.2010",
             "cifar10-true": "0.4914,0.4822,0.4465/0.2470,0.2435,0.2616"}
    mean, deviation = (numpy.array(part.split(","), float).reshape(3, 1, 1) for part in named.get(text, text).split("/"))
    return ((images / 255.0 - mean) / deviation).astype(numpy.float32)


def compare(build, folder, network, images, labels):
    run = os.path.join(folder, network)
    weights, logits, path = (os.path.join(run, name) for name in ("last.safetensors", "logits.npy", "model.onnx"))
    data = os.path.join(folder, "data")
    tessera(build, "train", network, data, "--steps", "3", "--batch-size", "16", "--out", run, "--quiet")
    tessera(build, "evaluate", weights, data, "--logits", logits)
    expected = numpy.load(logits)
    worst = 0
    for options in ([], ["--with-preprocessing"]):
        tessera(build, "export", weights, "--onnx", path, *options)
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        known = [NAMES.index(name) for name in json.loads(metadata["class_names"])]
        kept = numpy.isin(labels, known)  # evaluate leaves the images of other classes out
        x = images.transpose(0, 2, 3, 1) if options else normalised(images, metadata["normalization"])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for batch in (1, 7):
            got = numpy.concatenate([session.run(None, {"images": x[i:i + batch]})[0] for i in range(0, IMAGES, batch)])[kept]
            if got.shape != expected.shape:
                sys.exit(f"{network}: logits {got.shape} in onnxruntime, {expected.shape} here")
            worst = max(worst, numpy.abs(got - expected).max() / numpy.abs(expected).max())
    verdict = "agrees" if worst <= 5e-5 else "DIFFERS"
    print(f"{network:24} {verdict}, {worst:.1e} of the largest logit, {len(model.graph.node)} nodes", flush=True)
    return worst <= 5e-5


def main():
    build, networks = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        images, labels = write_data(os.path.join(folder, "data"))
        results = [compare(build, folder, network, images, labels) for network in networks]
    sys.exit(0 if results and all(results) else 1)


main()
