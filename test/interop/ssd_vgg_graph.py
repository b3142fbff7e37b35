"""Makes SSD-300 on VGG-16 as slim builds it, with random weights and an eighth of its channels, and TensorFlow's answers.

Usage: ssd_vgg_graph.py OUT      writes OUT/1 (a SavedModel of TensorFlow 1's kind), OUT/oracle/*.bin and OUT/oracle.json
"""

import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf
from graph_oracle import write_oracle

tf.disable_eager_execution()
tf.disable_resource_variables()

OUT = sys.argv[1]
CLASSES = 21
rng = np.random.RandomState(11)


def conv(x, name, channels, size=3, stride=1, rate=1, padding="SAME", relu=True):
    channels = max(4, channels // 8)
    with tf.name_scope(name):
        inputs = int(x.shape[-1])
        scale = (2.0 / (size * size * inputs)) ** 0.5
        weights = tf.Variable(rng.randn(size, size, inputs, channels).astype("float32") * scale, name="weights")
        biases = tf.Variable(rng.randn(channels).astype("float32") * 0.1, name="biases")
        if rate > 1:
            # A dilation, as TensorFlow 1 wrote it: SAME, filled up to whole blocks that are cropped again.
            side = int(x.shape[1])
            reach = (size - 1) * rate // 2
            rest = -(side + 2 * reach) % rate
            pads = [[reach, reach + rest]] * 2
            x = tf.space_to_batch_nd(x, [rate, rate], pads)
            x = tf.nn.conv2d(x, weights, 1, "VALID")
            x = tf.batch_to_space_nd(x, [rate, rate], [[0, rest]] * 2)
            x.set_shape([None, side, side, channels])
        else:
            x = tf.nn.conv2d(x, weights, stride, padding)
        x = tf.nn.bias_add(x, biases)
        return tf.nn.relu(x) if relu else x


def unit_length(x, name):
    with tf.name_scope(name):
        norm = tf.rsqrt(tf.maximum(tf.reduce_sum(tf.square(x), -1, keepdims=True), 1e-12))
        gamma = tf.Variable(20 + rng.randn(int(x.shape[-1])).astype("float32"), name="gamma")
        return tf.multiply(x * norm, gamma)


def head(x, name, anchors):
    """Class scores and box offsets of every anchor of every cell."""
    made = []
    with tf.name_scope(name):
        cells = int(x.shape[1])
        for kind, depth in (("conv_loc", 4), ("conv_cls", CLASSES)):
            y = conv(x, kind, anchors * depth * 8, relu=False)
            batch = tf.shape(y)[0]
            made.append(tf.reshape(y, tf.stack([batch, cells, cells, anchors, depth])))
    return made[1], made[0]


with tf.Graph().as_default(), tf.Session() as session:
    images = tf.placeholder(tf.float32, [None, 300, 300, 3], name="images")
    heads = []
    with tf.name_scope("ssd_300_vgg"):
        x = images / 64
        for block, (channels, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
            for layer in range(1, count + 1):
                x = conv(x, f"conv{block}/conv{block}_{layer}", channels)
            if block == 4:
                heads.append(head(unit_length(x, "block4_box/L2Normalization"), "block4_box", 4))
            size, stride = (3, 1) if block == 5 else (2, 2)
            x = tf.nn.max_pool2d(x, size, stride, "SAME", name=f"pool{block}")
        x = conv(x, "conv6", 1024, rate=6)
        x = conv(x, "conv7", 1024, size=1)
        heads.append(head(x, "block7_box", 6))
        extra = [(8, 256, 512, 2, 6), (9, 128, 256, 2, 6), (10, 128, 256, 1, 4), (11, 128, 256, 1, 4)]
        for block, narrow, channels, stride, anchors in extra:
            x = conv(x, f"block{block}/conv1x1", narrow, size=1)
            if stride == 2:
                x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], name=f"block{block}/pad2d")
            x = conv(x, f"block{block}/conv3x3", channels, stride=stride, padding="VALID")
            heads.append(head(x, f"block{block}_box", anchors))
    scores, boxes = zip(*heads)
    outputs = {f"out_{index}": tensor for index, tensor in enumerate(scores + boxes)}
    session.run(tf.global_variables_initializer())
    tf.saved_model.simple_save(session, os.path.join(OUT, "1"), inputs={"images": images}, outputs=outputs)
    given = (rng.rand(2, 300, 300, 3) * 255 - 120).astype("float32")
    answers = session.run(outputs, {images: given})

write_oracle(OUT, {"images": given}, answers)
