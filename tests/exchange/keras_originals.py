"""The Keras courses' networks, as those build them: of Keras 3 or Keras 2."""


def keras_networks(keras):
    layers, Model, Sequential = keras.layers, keras.Model, keras.Sequential
    Conv2D, BatchNormalization, Dense, MaxPool2D = layers.Conv2D, layers.BatchNormalization, layers.Dense, layers.MaxPool2D
    relu = keras.activations.relu

    class Baseline(Model):
        def __init__(self):
            super().__init__()
            self.c1, self.b1, self.p1 = Conv2D(6, 5, padding="same"), BatchNormalization(), MaxPool2D(2)
            self.flatten, self.f1, self.f2 = layers.Flatten(), Dense(128, activation="relu"), Dense(10)
            self.d2 = layers.Dropout(0.2)

        def call(self, x):
            return self.f2(self.d2(self.f1(self.flatten(self.p1(relu(self.b1(self.c1(x))))))))

    class LeNet5(Model):
        def __init__(self):
            super().__init__()
            self.c1, self.p1 = Conv2D(6, 5, activation="sigmoid"), MaxPool2D(2)
            self.c2, self.p2 = Conv2D(16, 5, activation="sigmoid"), MaxPool2D(2)
            self.flatten = layers.Flatten()
            self.f1, self.f2, self.f3 = Dense(120, activation="sigmoid"), Dense(84, activation="sigmoid"), Dense(10)

        def call(self, x):
            return self.f3(self.f2(self.f1(self.flatten(self.p2(self.c2(self.p1(self.c1(x))))))))

    class AlexNet8(Model):
        def __init__(self):
            super().__init__()
            self.c1, self.b1, self.p1 = Conv2D(96, 3), BatchNormalization(), MaxPool2D(3, 2)
            self.c2, self.b2, self.p2 = Conv2D(256, 3), BatchNormalization(), MaxPool2D(3, 2)
            same = dict(padding="same", activation="relu")
            self.c3, self.c4, self.c5 = Conv2D(384, 3, **same), Conv2D(384, 3, **same), Conv2D(256, 3, **same)
            self.p3, self.flatten = MaxPool2D(3, 2), layers.Flatten()
            self.f1, self.f2, self.f3 = Dense(2048, activation="relu"), Dense(2048, activation="relu"), Dense(10)

        def call(self, x):
            x = self.p2(relu(self.b2(self.c2(self.p1(relu(self.b1(self.c1(x))))))))
            return self.f3(self.f2(self.f1(self.flatten(self.p3(self.c5(self.c4(self.c3(x))))))))

    class VGG16(Model):
        channels = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]

        def __init__(self):
            super().__init__()
            for i, n in enumerate(self.channels, 1):
                setattr(self, f"c{i}", Conv2D(n, 3, padding="same"))
                setattr(self, f"b{i}", BatchNormalization())
            self.p1, self.flatten = MaxPool2D(2), layers.Flatten()
            self.f1, self.f2, self.f3 = Dense(512, activation="relu"), Dense(512, activation="relu"), Dense(10)

        def call(self, x):
            for i in range(1, 14):
                x = relu(getattr(self, f"b{i}")(getattr(self, f"c{i}")(x)))
                x = self.p1(x) if i in (2, 4, 7, 10, 13) else x
            return self.f3(self.f2(self.f1(self.flatten(x))))

    class ConvBNRelu(Model):
        def __init__(self, ch, kernelsz=3, strides=1):
            super().__init__()
            self.model = Sequential(
                [Conv2D(ch, kernelsz, strides=strides, padding="same"), BatchNormalization(), layers.Activation("relu")]
            )

        def call(self, x):
            return self.model(x, training=False)

    class InceptionBlk(Model):
        def __init__(self, ch, strides=1):
            super().__init__()
            self.c1 = ConvBNRelu(ch, 1, strides)
            self.c2_1, self.c2_2 = ConvBNRelu(ch, 1, strides), ConvBNRelu(ch, 3)
            self.c3_1, self.c3_2 = ConvBNRelu(ch, 1, strides), ConvBNRelu(ch, 5)
            self.p4_1, self.c4_2 = MaxPool2D(3, 1, padding="same"), ConvBNRelu(ch, 1, strides)

        def call(self, x):
            parts = [self.c1(x), self.c2_2(self.c2_1(x)), self.c3_2(self.c3_1(x)), self.c4_2(self.p4_1(x))]
            return keras.layers.concatenate(parts, axis=3)

    class Inception10(Model):
        def __init__(self):
            super().__init__()
            self.c1, self.blocks = ConvBNRelu(16), Sequential()
            for ch in (16, 32):
                for strides in (2, 1):
                    self.blocks.add(InceptionBlk(ch, strides))
            self.p1, self.f1 = layers.GlobalAveragePooling2D(), Dense(10)

        def call(self, x):
            return self.f1(self.p1(self.blocks(self.c1(x))))

    class ResnetBlock(Model):
        def __init__(self, filters, strides=1, residual_path=False):
            super().__init__()
            same = dict(padding="same", use_bias=False)
            self.residual_path = residual_path
            self.c1, self.b1 = Conv2D(filters, 3, strides=strides, **same), BatchNormalization()
            self.c2, self.b2 = Conv2D(filters, 3, **same), BatchNormalization()
            if residual_path:
                self.down_c1, self.down_b1 = Conv2D(filters, 1, strides=strides, **same), BatchNormalization()

        def call(self, x):
            y = self.b2(self.c2(relu(self.b1(self.c1(x)))))
            return relu(y + (self.down_b1(self.down_c1(x)) if self.residual_path else x))

    class ResNet18(Model):
        def __init__(self):
            super().__init__()
            self.c1, self.b1 = Conv2D(64, 3, padding="same", use_bias=False), BatchNormalization()
            self.blocks = Sequential()
            for stage, filters in enumerate((64, 128, 256, 512)):
                first = stage > 0
                self.blocks.add(ResnetBlock(filters, 2 if first else 1, first))
                self.blocks.add(ResnetBlock(filters))
            self.p1, self.f1 = layers.GlobalAveragePooling2D(), Dense(10)

        def call(self, x):
            return self.f1(self.p1(self.blocks(relu(self.b1(self.c1(x))))))

    class Residual(Model):
        def __init__(self, channels, use_1x1conv=False, strides=1):
            super().__init__()
            self.conv1 = Conv2D(channels, 3, strides=strides, padding="same")
            self.conv2 = Conv2D(channels, 3, padding="same")
            self.conv3 = Conv2D(channels, 1, strides=strides) if use_1x1conv else None
            self.bn1, self.bn2 = BatchNormalization(), BatchNormalization()

        def call(self, x):
            y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            return relu(y + (x if self.conv3 is None else self.conv3(x)))

    class ResNet18MaxPool(Model):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = Conv2D(64, 3, padding="same"), BatchNormalization()
            self.mp = MaxPool2D(2, 1, padding="same")
            for stage, channels in enumerate((64, 128, 256, 512), 1):
                first = Residual(channels, stage > 1, 2 if stage > 1 else 1)
                setattr(self, f"res_block{stage}", Sequential([first, Residual(channels)]))
            self.gap, self.fc = layers.GlobalAveragePooling2D(), Dense(10)

        def call(self, x):
            x = self.mp(relu(self.bn(self.conv(x))))
            return self.fc(self.gap(self.res_block4(self.res_block3(self.res_block2(self.res_block1(x))))))

    class ResidualUnit(layers.Layer):
        def __init__(self, filters, strides=1, **kwargs):
            super().__init__(**kwargs)
            conv = lambda kernel, s: Conv2D(filters, kernel, strides=s, padding="same", use_bias=False)
            self.activation = relu
            self.main_layers = [conv(3, strides), BatchNormalization(), layers.ReLU(), conv(3, 1), BatchNormalization()]
            self.skip_layers = [conv(1, strides), BatchNormalization()] if strides > 1 else []

        def call(self, x):
            y, skip = x, x
            for layer in self.main_layers:
                y = layer(y)
            for layer in self.skip_layers:
                skip = layer(skip)
            return self.activation(y + skip)

    def resnet34(outputs):
        model = Sequential(
            [
                layers.Input((32, 32, 3)),
                Conv2D(64, 7, strides=2, padding="same", use_bias=False),
                BatchNormalization(),
                layers.Activation("relu"),
                MaxPool2D(3, 2, padding="same"),
            ]
        )
        before = 64
        for filters in [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3:
            model.add(ResidualUnit(filters, 1 if filters == before else 2))
            before = filters
        model.add(layers.GlobalAveragePooling2D())
        model.add(layers.Flatten())
        model.add(Dense(outputs))
        return model

    return {
        "baseline": Baseline,
        "lenet5_sigmoid": LeNet5,
        "alexnet8": AlexNet8,
        "vgg16": VGG16,
        "inception10": Inception10,
        "resnet18": ResNet18,
        "resnet18_maxpool": ResNet18MaxPool,
        "resnet34_transfer": lambda: resnet34(8),
        "resnet34_transfer_binary": lambda: resnet34(1),
    }
