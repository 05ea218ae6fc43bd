"""The catalogue's networks in PyTorch, written from their tutorials and papers; weights are PyTorch's own."""
import torch
from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class LeNet5Sigmoid(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 5), nn.Sigmoid(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
                                    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84),
                                    nn.Sigmoid(), nn.Linear(84, 10))

    def forward(self, x):
        return self.layers(x)


def normalised(channels_in, channels, kernel, padding):
    return [nn.Conv2d(channels_in, channels, kernel, padding=padding), nn.BatchNorm2d(channels, 1e-3, 0.01), nn.ReLU()]


class Baseline(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*normalised(3, 6, 5, 2), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
                                    nn.Linear(1536, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))

    def forward(self, x):
        return self.layers(x)


class AlexNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            *normalised(3, 96, 3, 0), nn.MaxPool2d(3, 2), *normalised(96, 256, 3, 0), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
            nn.Linear(1024, 2048), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2048, 2048), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(2048, 10))

    def forward(self, x):
        return self.layers(x)


class VGG16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [], 3
        for width, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
            for _ in range(count):
                layers += normalised(before, width, 3, 1)
                before = width
            layers += [nn.MaxPool2d(2), nn.Dropout(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2),
                                    nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 10))

    def forward(self, x):
        return self.layers(x)


class Unit(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1 if stride == 1 else 0, bias=False)
        self.norm1 = nn.BatchNorm2d(channels, 1e-3, 0.01)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels, 1e-3, 0.01)
        self.shortcut = None
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False),
                                          nn.BatchNorm2d(channels, 1e-3, 0.01))

    def forward(self, x):
        inner = x if self.stride == 1 else F.pad(x, (0, 1, 0, 1))
        y = F.relu(self.norm1(self.conv1(inner)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(64, 1e-3, 0.01)
        widths = [64, 64, 128, 128, 256, 256, 512, 512]
        units, before = [], 64
        for width in widths:
            units.append(Unit(before, width, 1 if width == before else 2))
            before = width
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(512, 10)

    def forward(self, x):
        return self.head(self.units(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


class ResNet34(nn.Module):
    def __init__(self, outputs=8):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, bias=False)
        self.norm = nn.BatchNorm2d(64, 1e-3, 0.01)
        units, before = [], 64
        for width, count in [(64, 3), (128, 4), (256, 6), (512, 3)]:
            for _ in range(count):
                units.append(Unit(before, width, 1 if width == before else 2))
                before = width
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(512, outputs)

    def forward(self, x):
        y = F.relu(self.norm(self.stem(F.pad(x, (2, 3, 2, 3)))))
        return self.head(self.units(F.max_pool2d(F.pad(y, (0, 1, 0, 1)), 3, 2)).mean((2, 3)))


class InceptionUnit(nn.Module):
    """Its batch norms use running statistics in training too, as the course's do."""

    def __init__(self, before, width, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(before, width, kernel, stride, kernel // 2 if stride == 1 else 0)
        self.norm = nn.BatchNorm2d(width, 1e-3, 0.01)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class InceptionBlock(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.c1 = InceptionUnit(before, width, 1, stride)
        self.c2 = nn.Sequential(InceptionUnit(before, width, 1, stride), InceptionUnit(width, width, 3))
        self.c3 = nn.Sequential(InceptionUnit(before, width, 1, stride), InceptionUnit(width, width, 5))
        self.c4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), InceptionUnit(before, width, 1, stride))

    def forward(self, x):
        return torch.cat([self.c1(x), self.c2(x), self.c3(x), self.c4(x)], 1)


class Inception10(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(InceptionUnit(3, 16, 3), InceptionBlock(16, 16, 2), InceptionBlock(64, 16, 1),
                                    InceptionBlock(64, 32, 2), InceptionBlock(128, 32, 1))
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))


class Residual(nn.Module):
    """conv-BN-ReLU-conv-BN and a shortcut. Keras pads a stride of two below and at the right."""

    def __init__(self, before, width, stride, bias=False, shortcut_norm=True, keras=False, final=F.relu):
        super().__init__()
        norm = (lambda: nn.BatchNorm2d(width, 1e-3, 0.01)) if keras else (lambda: nn.BatchNorm2d(width))
        self.pad = (0, 1, 0, 1) if keras and stride == 2 else None
        self.conv1 = nn.Conv2d(before, width, 3, stride, 0 if self.pad else 1, bias=bias)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=bias)
        self.norm1, self.norm2, self.final = norm(), norm(), final
        self.shortcut = None
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=bias), *([norm()] if shortcut_norm else []))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(F.pad(x, self.pad) if self.pad else x)))
        return self.final(self.norm2(self.conv2(y)) + (x if self.shortcut is None else self.shortcut(x)))


def stages(**options):
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    return [Residual(before, width, 1 if before == width else 2, **options)
            for before, width in zip([64, *widths], widths)]


class ResNetMini(nn.Module):
    def __init__(self):
        super().__init__()
        plain = dict(stride=1, bias=True, final=lambda x: x)
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), Residual(16, 16, **plain),
                                    Residual(16, 32, **plain), nn.Flatten(), nn.Linear(32768, 10))

    def forward(self, x):
        return self.layers(x)


class ResNet18MaxPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1), nn.BatchNorm2d(64, 1e-3, 0.01), nn.ReLU())
        self.units = nn.Sequential(*stages(bias=True, shortcut_norm=False, keras=True))
        self.head = nn.Linear(512, 10)

    def forward(self, x):
        y = F.max_pool2d(F.pad(self.stem(x), (0, 1, 0, 1), value=float("-inf")), 2, 1)
        return self.head(self.units(y).mean((2, 3)))


class ResNet18ImageNet(nn.Module):
    def __init__(self, outputs, stem_bias):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=stem_bias), nn.BatchNorm2d(64), nn.ReLU(),
                                    nn.MaxPool2d(3, 2, 1), *stages())
        self.head = nn.Linear(512, outputs)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))


class InvertedResidual(nn.Module):
    def __init__(self, before, width, widening, stride):
        super().__init__()
        wide = widening * before
        self.layers = nn.Sequential(*(self.unit(before, wide, 1) if widening > 1 else []), *self.unit(wide, wide, 3, stride, wide),
                                    nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width))
        self.adds = stride == 1 and before == width

    @staticmethod
    def unit(before, width, kernel, stride=1, groups=1):
        return [nn.Conv2d(before, width, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(width), nn.SiLU()]

    def forward(self, x):
        return x + self.layers(x) if self.adds else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = InvertedResidual.unit(3, 32, 3), 32
        for widening, width, count, stride in [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                               (6, 160, 3, 2), (6, 320, 1, 1)]:
            for i in range(count):
                layers.append(InvertedResidual(before, width, widening, stride if i == 0 else 1))
                before = width
        self.layers = nn.Sequential(*layers, *InvertedResidual.unit(320, 1280, 1))
        self.head = nn.Linear(1280, 10)

    def forward(self, x):
        return self.head(F.dropout(self.layers(x).mean((2, 3)), 0.2, self.training))


class Airbench94(nn.Module):
    def __init__(self):
        super().__init__()
        layers, before = [nn.Conv2d(3, 24, 2), nn.GELU()], 24
        layers[0].weight.requires_grad_(False)
        for width in (64, 256, 256):
            for conv, pool in ((nn.Conv2d(before, width, 3, padding=1, bias=False), True),
                               (nn.Conv2d(width, width, 3, padding=1, bias=False), False)):
                norm = nn.BatchNorm2d(width, 1e-12, 0.4)
                norm.weight.requires_grad_(False)
                layers += [conv, *([nn.MaxPool2d(2)] if pool else []), norm, nn.GELU()]
            before = width
        self.layers = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(256, 10, bias=False))

    def forward(self, x):
        return self.layers(x) / 256


NETWORKS = {
    "airbench94": Airbench94, "alexnet8": AlexNet8, "baseline": Baseline, "inception10": Inception10, "lenet5_relu": LeNet5,
    "lenet5_sigmoid": LeNet5Sigmoid, "mobilenetv2": MobileNetV2, "resnet18": ResNet18,
    "resnet18_imagenet": lambda: ResNet18ImageNet(1000, False), "resnet18_maxpool": ResNet18MaxPool,
    "resnet18_nndl": lambda: ResNet18ImageNet(10, True), "resnet34_transfer": ResNet34,
    "resnet34_transfer_binary": lambda: ResNet34(1), "resnet_mini": ResNetMini, "vgg16": VGG16
}
