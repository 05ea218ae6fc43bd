#!/usr/bin/env python3
"""The same steps in TensorFlow, by Keras' functions, compiled by tf.function, to compare with bench_steps.

Speaks the protocol of `bench_steps --serve` (serving.py). The networks are those of tests/exchange/keras_originals.py,
which are the courses'; all train by Adam. --list: their names.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "exchange"))

from serving import add_serving_options, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network", nargs="?")
parser.add_argument("--list", action="store_true")
parser.add_argument("--mode", choices=["train", "infer"], default="train")
add_serving_options(parser)
options = parser.parse_args()
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras_originals import keras_networks  # noqa: E402

networks = keras_networks(keras)
if options.list:
    print(*networks)
    sys.exit()
tf.config.threading.set_intra_op_parallelism_threads(options.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(1)
model = networks[options.network]()
images = tf.random.uniform((options.batch_size, 32, 32, 3))
labels = tf.random.uniform((options.batch_size,), maxval=8, dtype=tf.int32)
outputs = model(images).shape[1]
optimizer = keras.optimizers.Adam(1e-3)
optimizer.build(model.trainable_variables)


@tf.function
def train():
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        if outputs == 1:
            loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels % 2, tf.float32), logits[:, 0])
        else:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        loss = tf.reduce_mean(loss)
        if options.network == "resnet18":
            loss += 0.01 * tf.reduce_sum(tf.square(model.f1.kernel))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


@tf.function
def infer():
    return model(images, training=False)


step = train if options.mode == "train" else infer


serve(lambda: step().numpy(), options)
