"""Weights and other frameworks: weights.py BUILD torch|paddle|keras|tf_keras [NETWORK...]

Each network's original is built and initialised in its framework (running statistics drawn too), saved by the framework, and
evaluated by ours from that file: logits within 1e-4 of the largest. What convert writes is loaded by the framework, strictly, and equal
to the bit.
"""
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import numpy  # noqa: E402
from keras_originals import keras_networks  # noqa: E402
from paddle_originals import paddle_networks  # noqa: E402

build, framework, wanted = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
random = numpy.random.default_rng(1)
count = 16
images = random.integers(0, 256, (count, 3, 32, 32), dtype=numpy.uint8)


def tessera(*arguments):
    done = subprocess.run([build / "bin" / "tessera", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tessera {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
    return done


def make_data(folder, label):
    folder.mkdir()
    labels = numpy.full((count, 1), label, dtype=numpy.uint8)
    (folder / "test_batch.bin").write_bytes(numpy.hstack([labels, images.reshape(count, -1)]).tobytes())


def drawn(shape, name):
    """Statistics and biases that leave nothing at its initial value, and logits of a moderate size."""
    if "var" in name:
        return random.uniform(0.5, 1.5, shape).astype("float32")
    return (0.1 * random.standard_normal(shape)).astype("float32")


# ---- PyTorch -------------------------------------------------------------------------------------------------------------


def torch_networks():
    import torch
    import torchvision
    from torch import nn

    class Lenet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_unit = nn.Sequential(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))
            self.fc_unit = nn.Sequential(
                nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
            )

        def forward(self, x):
            return self.fc_unit(self.conv_unit(x).flatten(1))

    class Block(nn.Module):
        def __init__(self, inside, out):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inside, out, 3, padding=1), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out)
            self.extra = nn.Sequential()
            if inside != out:
                self.extra = nn.Sequential(nn.Conv2d(inside, out, 1), nn.BatchNorm2d(out))

        def forward(self, x):
            return self.extra(x) + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))

    class Mini(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16))
            self.blk1, self.blk2, self.outlayer = Block(16, 16), Block(16, 32), nn.Linear(32768, 10)

        def forward(self, x):
            return self.outlayer(self.blk2(self.blk1(torch.relu(self.conv1(x)))).flatten(1))

    def mobilenet():
        stages = [[1, 16, 1, 1], [6, 24, 2, 1], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]
        model = torchvision.models.mobilenet_v2(num_classes=10, inverted_residual_setting=stages)
        model.features[0][0].stride = (1, 1)
        for module in list(model.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.ReLU6):
                    setattr(module, name, nn.SiLU())
        return model

    class ConvGroup(nn.Module):
        def __init__(self, inside, out):
            super().__init__()
            self.conv1, self.pool = nn.Conv2d(inside, out, 3, padding="same", bias=False), nn.MaxPool2d(2)
            self.norm1 = nn.BatchNorm2d(out, eps=1e-12, momentum=0.4)
            self.conv2 = nn.Conv2d(out, out, 3, padding="same", bias=False)
            self.norm2, self.activ = nn.BatchNorm2d(out, eps=1e-12, momentum=0.4), nn.GELU()

        def forward(self, x):
            return self.activ(self.norm2(self.conv2(self.activ(self.norm1(self.pool(self.conv1(x)))))))

    class Airbench94(nn.Module):
        def __init__(self):
            super().__init__()
            self.whiten = nn.Conv2d(3, 24, 2)
            groups = [ConvGroup(24, 64), ConvGroup(64, 256), ConvGroup(256, 256)]
            self.layers = nn.Sequential(nn.GELU(), *groups, nn.MaxPool2d(3))
            self.head = nn.Linear(256, 10, bias=False)

        def forward(self, x):
            x = self.layers(self.whiten(x)).flatten(1)
            return self.head(x) / x.shape[1]

    return {
        "airbench94": Airbench94,
        "lenet5_relu": Lenet,
        "resnet_mini": Mini,
        "resnet18_imagenet": torchvision.models.resnet18,
        "mobilenetv2": mobilenet,
    }


def check_torch(network, make, folder, data):
    import torch

    torch.manual_seed(1)
    model = make()
    state = model.state_dict()
    for name, value in state.items():
        if "running" in name or name.endswith("bias"):
            value.copy_(torch.from_numpy(drawn(tuple(value.shape), name)))
    torch.save({"state_dict": state, "epoch": 1}, folder / "theirs.pth")
    model.eval()
    with torch.no_grad():
        compare(network, folder / "theirs.pth", data, model(torch.from_numpy(images.astype("float32") / 255)).numpy())
    tessera("convert", folder / "theirs.pth", folder / "ours.pth", "--network", network)
    ours = torch.load(folder / "ours.pth", weights_only=True)
    make().load_state_dict(ours, strict=True)
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            require_equal(network, name, ours[name].numpy(), value.numpy())
    try:
        from safetensors.torch import load_file, save_file
    except ImportError:
        return
    save_file(state, folder / "theirs.safetensors")
    tessera("convert", folder / "theirs.safetensors", folder / "ours.safetensors", "--network", network)
    again = load_file(folder / "ours.safetensors")
    if lost := set(again) ^ {name for name in state if not name.endswith("num_batches_tracked")}:
        sys.exit(f"{network}: by way of safetensors names differ: {sorted(lost)}")
    for name, value in again.items():
        require_equal(network, name, value.numpy(), state[name].numpy())


# ---- Paddle --------------------------------------------------------------------------------------------------------------


def check_paddle(network, make, folder, data):
    import paddle

    paddle.seed(1)
    model = make()
    for name, value in model.state_dict().items():
        if name.endswith(("_mean", "_variance", "bias")):
            value.set_value(drawn(tuple(value.shape), name))
    model.eval()
    logits = model(paddle.to_tensor(images.astype("float32") / 255)).numpy()
    for protocol in (2, 4):
        theirs = folder / f"theirs{protocol}.pdparams"
        paddle.save(model.state_dict(), str(theirs), protocol=protocol)
        compare(network, theirs, data, logits)
    tessera("convert", theirs, folder / "ours.pdparams", "--network", network)
    ours = paddle.load(str(folder / "ours.pdparams"))
    other = make()
    missing, unexpected = other.set_state_dict(ours)
    if missing or unexpected:
        sys.exit(f"{network}: Paddle misses {missing}, does not expect {unexpected}")
    for name, value in model.state_dict().items():
        require_equal(network, name, other.state_dict()[name].numpy(), value.numpy())


# ---- Keras ---------------------------------------------------------------------------------------------------------------


def check_keras(keras, network, make, folder, data):
    x = images.transpose(0, 2, 3, 1).astype("float32") / 255
    keras.utils.set_random_seed(1)
    model = make()
    model(x[:1])
    values = []
    for variable in model.weights:
        name = getattr(variable, "path", variable.name)
        value = numpy.array(variable)
        values.append(drawn(value.shape, name) if any(w in name for w in ("moving", "bias", "beta")) else value)
    model.set_weights(values)
    logits = numpy.array(model(x, training=False))
    three = keras.__name__ == "keras"
    names = ["theirs.weights.h5", "theirs.keras"] if three else ["theirs.h5"]
    for name in names:
        model.save(folder / name) if name.endswith(".keras") else model.save_weights(folder / name)
        compare(network, folder / name, data, logits)
    for ours in ["ours.weights.h5", "ours.h5"] if three else ["ours.h5"]:
        tessera("convert", folder / names[0], folder / ours, "--network", network)
        other = make()
        other(x[:1])
        other.load_weights(folder / ours)
        for a, b in zip(model.weights, other.weights):
            require_equal(network, a.name, numpy.array(b), numpy.array(a))
        compare(network, folder / ours, data, logits)


# ---- what all share ------------------------------------------------------------------------------------------------------

worst = 0.0


def compare(network, file, data, theirs):
    global worst
    logits = file.parent / "z.npy"
    said = tessera("evaluate", file, data, "--network", network, "--normalize", "none", "--logits", logits).stderr
    ours = numpy.load(logits)
    difference = float(numpy.abs(ours - theirs).max() / numpy.abs(theirs).max())
    worst = max(worst, difference)
    note = ", in order" if "in the order they have" in said else ""
    print(f"{network:26s} {file.name:20s} logits within {difference:.1e} of {numpy.abs(theirs).max():.3g}{note}")
    if not difference <= 1e-4:
        sys.exit(f"{network}: {file.name}: logits differ by {difference}")


def require_equal(network, name, ours, theirs):
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape or not numpy.array_equal(ours, theirs):
        sys.exit(f"{network}: {name} differs after the way there and back")


def main():
    if framework in ("keras", "tf_keras"):
        keras = __import__(framework)
        networks, check = keras_networks(keras), lambda *rest: check_keras(keras, *rest)
    else:
        networks, check = (torch_networks(), check_torch) if framework == "torch" else (paddle_networks(), check_paddle)
    if unknown := set(wanted) - set(networks):
        sys.exit(f"{framework} has no {', '.join(sorted(unknown))}; it has {', '.join(networks)}")
    for network, make in networks.items():
        if wanted and network not in wanted:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            make_data(folder / "data", 7 if network == "resnet34_transfer_binary" else 0)  # one that all its images keep
            check(network, make, folder, folder / "data")
    print(f"{framework}: all agree, the worst within {worst:.1e}")


main()
