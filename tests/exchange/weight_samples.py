"""Makes the stored samples of other programs' weights: weight_samples.py FOLDER (tests/files/samples)

A part for each framework that can be imported; run it in an environment of each. Tests know the numbers: small ones, exact in
every type.
"""
import collections
import pathlib
import sys

import numpy

folder = pathlib.Path(sys.argv[1])


def of_torch():
    import torch

    whole = torch.arange(10, dtype=torch.float32)
    state = collections.OrderedDict(
        [
            ("a.weight", torch.arange(6, dtype=torch.float32).reshape(2, 3)),
            ("transposed", torch.arange(6, dtype=torch.float64).reshape(2, 3).t()),
            ("count", torch.tensor(7)),
            ("half", torch.full((4,), 0.5, dtype=torch.float16)),
            ("bf16", torch.tensor([1.5, -2.0], dtype=torch.bfloat16)),
            ("whole", whole),
            ("part", whole[2:5]),
            ("parameter", torch.nn.Parameter(torch.tensor([3.0]))),
        ]
    )
    torch.save(state, folder / "state.pth")
    torch.save({"epoch": 3, "lr": 0.1, "best": None, "model": state}, folder / "checkpoint.pt")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)


def of_numpy():
    arrays = {
        "a.weight": numpy.arange(6, dtype=numpy.float32).reshape(2, 3),
        "transposed": numpy.asfortranarray(numpy.arange(6, dtype=numpy.float64).reshape(2, 3).T),
        "count": numpy.int64(7),
    }
    numpy.savez(folder / "stored.npz", **arrays)
    numpy.savez_compressed(folder / "deflated.npz", **arrays)


def of_paddle():
    import paddle

    paddle.seed(1)
    model = paddle.nn.Sequential(paddle.nn.Linear(3, 2), paddle.nn.BatchNorm1D(2))
    model[0].weight.set_value(numpy.arange(6, dtype=numpy.float32).reshape(3, 2))
    for protocol in (2, 4):
        paddle.save(model.state_dict(), str(folder / f"protocol{protocol}.pdparams"), protocol=protocol)


def of_keras():
    import keras

    model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization()])
    model.layers[0].set_weights([numpy.arange(18, dtype=numpy.float32).reshape(3, 3, 1, 2), numpy.array([5.0, 6.0])])
    model.save_weights(folder / "three.weights.h5")
    model.save(folder / "three.keras")
    model.save(folder / "three.h5")


def of_keras2():
    import tf_keras

    model = tf_keras.Sequential(
        [tf_keras.layers.Input((4, 4, 1)), tf_keras.layers.Conv2D(2, 3), tf_keras.layers.BatchNormalization()]
    )
    model.layers[0].set_weights([numpy.arange(18, dtype=numpy.float32).reshape(3, 3, 1, 2), numpy.array([5.0, 6.0])])
    model.save_weights(folder / "two.h5")


def of_hdf5_that_means_harm():
    import h5py

    def make(name, fill, group="layers/conv2d/vars"):
        with h5py.File(folder / "hostile" / (name + ".h5"), "w") as file:
            fill(file.create_group(group))

    (folder / "hostile").mkdir(exist_ok=True)
    make("external-link", lambda g: g.__setitem__("0", h5py.ExternalLink("/etc/passwd", "/x")))
    make("soft-link", lambda g: g.__setitem__("0", h5py.SoftLink("/layers")))
    make("cycle", lambda g: g.__setitem__("0", g.parent.parent))
    make("external-data", lambda g: g.create_dataset("0", (16,), "u1", external=[("/etc/passwd", 0, 16)]))
    make("terabyte", lambda g: g.create_dataset("0", (1 << 20, 1 << 18), "f4", chunks=(64, 64)))
    make("compound", lambda g: g.create_dataset("0", data=numpy.zeros(2, [("a", "f4"), ("b", "i8")])))
    make("big-endian", lambda g: g.create_dataset("0", data=numpy.zeros(2, ">f4")))

    def virtual(group):
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
        group.create_virtual_dataset("0", layout)

    make("virtual", virtual)

    def listed(names):
        def fill(group):
            group.attrs["layer_names"] = numpy.array(names, "S")

        return fill

    make("list-leads-out", listed([b"../../x"]), "model_weights")
    make("list-of-nothing", listed([b"conv2d"]), "model_weights")


folder.mkdir(exist_ok=True)
for part in (of_torch, of_numpy, of_paddle, of_keras, of_keras2, of_hdf5_that_means_harm):
    try:
        part()
    except ImportError as error:
        print(f"left out: {part.__name__}: {error}")
