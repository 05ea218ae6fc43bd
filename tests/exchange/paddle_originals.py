"""The networks of Paddle's own library and course, as those build them."""


def paddle_networks():
    import paddle
    from paddle import nn

    class Block(nn.Layer):
        def __init__(self, inside, out, stride):
            super().__init__()
            self.conv1 = nn.Conv2D(inside, out, 3, padding=1, stride=stride, bias_attr=False)
            self.conv2 = nn.Conv2D(out, out, 3, padding=1, bias_attr=False)
            self.shortcut = None
            if stride != 1 or inside != out:
                self.shortcut = nn.Conv2D(inside, out, 1, stride=stride, bias_attr=False)
            self.bn1, self.bn2 = nn.BatchNorm2D(out), nn.BatchNorm2D(out)
            if self.shortcut is not None:
                self.bn3 = nn.BatchNorm2D(out)

        def forward(self, x):
            y = self.bn2(self.conv2(nn.functional.relu(self.bn1(self.conv1(x)))))
            return nn.functional.relu(y + (x if self.shortcut is None else self.bn3(self.shortcut(x))))

    class Nndl(nn.Layer):
        def __init__(self):
            super().__init__()
            stem = nn.Sequential(
                nn.Conv2D(3, 64, 7, stride=2, padding=3), nn.BatchNorm2D(64), nn.ReLU(), nn.MaxPool2D(3, stride=2, padding=1)
            )
            stages = [
                nn.Sequential(Block(inside, out, 1 if out == 64 else 2), Block(out, out, 1))
                for inside, out in ((64, 64), (64, 128), (128, 256), (256, 512))
            ]
            self.net = nn.Sequential(stem, *stages, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(512, 10))

        def forward(self, x):
            return self.net(x)

    return {"resnet18_imagenet": paddle.vision.models.resnet18, "resnet18_nndl": Nndl}
