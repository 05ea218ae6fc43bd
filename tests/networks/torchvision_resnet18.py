#!/usr/bin/python3
"""A resnet18 of PyTorch's own modules under torchvision's names: writes its state and its logits, and takes ours.

  torchvision_resnet18.py OURS.safetensors STATE.safetensors BATCH.safetensors

OURS is loaded with strict=True. STATE is the whole state_dict of a fresh model, num_batches_tracked included, after some
training batches have moved the running statistics. BATCH holds `images` (N,H,W,C) and the logits of both in evaluation mode:
`logits` with STATE, `logits_of_ours` with OURS. torchvision's model where it is installed, else the same built
here. Exit status 77: PyTorch is not installed.
"""
import json
import sys

from oracle import torch, write_safetensors  # first: it ends with 77 where PyTorch or NumPy is missing
import numpy
from torch import nn


class Block(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
        self.fc = nn.Linear(512, 1000)

    def forward(self, x):
        y = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        y = self.layer4(self.layer3(self.layer2(self.layer1(y))))
        return self.fc(y.mean(dim=(2, 3)))


def new_model():
    try:
        from torchvision.models import resnet18
        return resnet18()
    except ImportError:
        return ResNet18()


def read_safetensors(path):
    with open(path, "rb") as file:
        content = file.read()
    begin = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, entry in json.loads(content[8:begin]).items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", name
        first, last = entry["data_offsets"]
        values = numpy.frombuffer(content[begin + first:begin + last], "<f4").copy()
        tensors[name] = torch.from_numpy(values).reshape(entry["shape"])
    return tensors


def main():
    torch.manual_seed(1)
    ours, state, batch = sys.argv[1:]
    model = new_model()
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(16, 3, 32, 32))
        logits = model.eval()(images)
        fresh = new_model()
        fresh.load_state_dict(read_safetensors(ours), strict=True)
        logits_of_ours = fresh.eval()(images)
    write_safetensors(state, model.state_dict())
    write_safetensors(batch, {"images": images.permute(0, 2, 3, 1), "logits": logits, "logits_of_ours": logits_of_ours})


main()
