"""Makes the SavedModel `shapes` of TensorFlow from the weights of the model server's: it decodes pictures itself.

Usage: shapes_saved_model.py WEIGHTS OUT      WEIGHTS has weights.json (shapes by name) and NAME.f32; writes OUT/1
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf

WEIGHTS, OUT = sys.argv[1:3]
with open(os.path.join(WEIGHTS, "weights.json"), encoding="utf-8") as file:
    SHAPES = json.load(file)


def weights(name):
    return np.fromfile(os.path.join(WEIGHTS, name + ".f32"), dtype="<f4").reshape(SHAPES[name])


class Shapes(tf.Module):
    def __init__(self):
        super().__init__()
        # ONNX has [out, in, rows, columns].
        self.filters = [tf.Variable(weights(f"weights{layer}").transpose(2, 3, 1, 0)) for layer in range(4)]
        self.biases = [tf.Variable(weights(f"bias{layer}")) for layer in range(4)]
        self.head = tf.Variable(weights("head_weights").T)
        self.head_bias = tf.Variable(weights("head_bias"))

    def conv(self, x, layer, stride, pad):
        pads = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
        return tf.nn.relu(tf.nn.conv2d(x, self.filters[layer], stride, pads) + self.biases[layer])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")])
    def score(self, images):
        def decoded(one):
            picture = tf.io.decode_image(one, channels=3, expand_animations=False)
            pixels = tf.expand_dims(tf.cast(picture, tf.float32), 0)
            # As TensorFlow 1 resized: corners of pixels are not halves.
            return tf.compat.v1.image.resize_bilinear(pixels, [224, 224])[0]

        x = tf.map_fn(decoded, images, fn_output_signature=tf.TensorSpec([224, 224, 3], tf.float32))
        x = tf.nn.avg_pool2d(x, 4, 4, "VALID")
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        x = (x - mean) / tf.sqrt(variance + 4.0)
        x = self.conv(x, 0, 2, 2)
        for layer in (1, 2):
            x = tf.nn.max_pool2d(self.conv(x, layer, 1, 1), 2, 2, "VALID")
        features = tf.reduce_mean(self.conv(x, 3, 1, 1), [1, 2])
        return {"features": features, "scores": tf.nn.softmax(features @ self.head + self.head_bias)}


model = Shapes()
tf.saved_model.save(model, os.path.join(OUT, "1"), signatures={"serving_default": model.score})
