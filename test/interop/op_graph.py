"""Makes a graph with one output for each operator, and TensorFlow's answers: what networks of pictures seldom have.

Usage: op_graph.py OUT      writes OUT/1 (a SavedModel), OUT/oracle/*.bin and OUT/oracle.json
"""

import os
import sys

import numpy as np
import tensorflow as tf
from graph_oracle import write_oracle

OUT = sys.argv[1]
rng = np.random.RandomState(13)
raw = tf.raw_ops


class Ops(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(rng.randn(3, 3, 6, 8).astype("float32") * 0.3)
        self.vector = tf.Variable(rng.randn(8).astype("float32"))
        self.table = tf.Variable(rng.randn(5, 4).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec([None, 9, 10, 6], tf.float32, name="x")])
    def __call__(self, x):
        y = tf.nn.conv2d(x, self.kernel, 1, "SAME")  # in the layout of a convolution
        flat = tf.reshape(x, [-1, 6])
        whole = tf.cast(y * 7, tf.int32)
        some = y > 0
        rows = tf.shape(y)[0]

        def float_of(value):
            return tf.cast(value, tf.float32)

        return {
            "floor_div": float_of(whole // 3), "floor_mod": float_of(whole % 3), "floor_div_negative": float_of(whole // -4),
            "floor_div_float": tf.math.floordiv(y, 0.3), "floor_mod_float": tf.math.floormod(y, 0.7), "truncated": float_of(raw.Div(x=whole, y=3)),
            "select": tf.where(some, y, -y), "select_vector": tf.where(self.vector > 0, y, 0.0), "not": float_of(tf.logical_not(some)),
            "and": float_of(tf.logical_and(some, y < 1)), "or": float_of(tf.logical_or(some, y < -1)), "not_equal": float_of(tf.not_equal(whole, 1)), "equal": float_of(tf.equal(whole, 0)),
            "less_equal": float_of(tf.less_equal(y, 0.1)), "arg_max": float_of(tf.argmax(y, 3)), "arg_min": float_of(tf.argmin(y, 1, tf.int32)),
            "all": float_of(tf.reduce_all(some, [1, 2])), "any": float_of(tf.reduce_any(some, 3)), "prod": tf.reduce_prod(tf.nn.tanh(flat), 1), "max_height": tf.reduce_max(y, 1), "mean_width": tf.reduce_mean(y, [2], keepdims=True), "sum_of_channels": tf.reduce_sum(y, 3),
            "tile": tf.tile(y, [1, 2, 1, 3]), "fill": tf.fill(tf.stack([rows, 3]), 2.5), "broadcast": tf.broadcast_to(self.vector, tf.stack([rows, 8])), "range": tf.range(0.0, 3.0, 0.5),
            "zeros": tf.zeros_like(y), "ones": tf.ones_like(y), "gather": tf.gather(self.table, float_to_index(flat)), "gather_channels": tf.gather(y, [3, 0, 3], axis=3),
            "unstack": tf.unstack(y, axis=3)[5], "unstack_rows": tf.unstack(y, axis=1)[-1], "split_sizes": tf.split(y, [3, 4, 1], 3)[1], "split_rest": tf.split(y, [2, -1], 2)[1], "split_rows": tf.split(y, 3, 1)[1],
            "reversed_slice": y[:, ::-1, 7:2:-2, :], "new_axis": y[:, tf.newaxis, 2, :, 1:3], "from_the_end": y[:, -2, ..., -1], "slice": tf.slice(y, [0, 1, 2, 3], [-1, 4, -1, 2]),
            "depth_to_space": tf.nn.depth_to_space(y, 2), "space_to_depth": tf.nn.space_to_depth(y[:, :8], 2), "local_response": tf.nn.local_response_normalization(y, 2, 1.5, 0.3, 0.75),
            "log_softmax": tf.nn.log_softmax(y), "softmax": tf.nn.softmax(y), "batch_matmul": tf.matmul(y, y, transpose_b=True), "matmul_transposed": tf.matmul(flat[:4], self.kernel[0, 0], transpose_a=False),
            "left_transposed": tf.matmul(flat, flat, transpose_a=True), "selu": tf.nn.selu(y), "softsign": tf.nn.softsign(y), "sigmoid": tf.nn.sigmoid(y), "relu6": tf.nn.relu6(y * 9), "erf": tf.math.erf(y), "erfc": tf.math.erfc(y),
            "log": tf.math.log(tf.abs(y) + 0.1), "floor": tf.floor(y * 3), "ceil": tf.math.ceil(y * 3), "round": tf.round(y * 3), "sign": tf.sign(y), "sin": tf.sin(y), "cos": tf.cos(y), "reciprocal": tf.math.reciprocal(y + 9), "rsqrt": tf.math.rsqrt(tf.abs(y) + 0.1),
            "squared_difference": tf.math.squared_difference(y, 0.3), "clip": raw.ClipByValue(t=y, clip_value_min=-0.3, clip_value_max=0.4), "concat_ints": float_of(tf.concat([whole, whole], 0)),
            "resize_down": tf.compat.v1.image.resize_bilinear(y, [4, 5]), "nearest_half": tf.image.resize(y, [5, 7], "nearest"), "nearest_corners": tf.compat.v1.image.resize_nearest_neighbor(y, [17, 7], align_corners=True), "twice": tf.compat.v1.image.resize_nearest_neighbor(y, [18, 20]),
            "max_pool_valid": tf.nn.max_pool2d(y, [3, 2], [2, 1], "VALID"), "avg_pool_valid": tf.nn.avg_pool2d(y, 2, 2, "VALID"), "pooled_negative": tf.nn.max_pool2d(tf.pad(-tf.abs(y) - 1, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID"),
            "channels_first": tf.transpose(tf.nn.bias_add(tf.transpose(y, [0, 3, 1, 2]), self.vector, "NCHW"), [0, 2, 3, 1]), "size": float_of(tf.size(self.table)) + tf.zeros_like(y), "rank": float_of(tf.rank(y)) + tf.zeros_like(y),
            "same_wide": tf.nn.conv2d(x, self.kernel, [1, 3, 1, 1], "SAME"), "scaled": y * self.vector + 1.0, "one_vector": y * tf.reduce_mean(flat), "condition": tf.cond(tf.reduce_sum(flat) > 0, lambda: self.vector * 2, lambda: self.vector - 1),
            "pad_ints": float_of(tf.pad(whole, [[0, 0], [1, 0], [0, 2], [0, 0]])), "identities": tf.identity_n([y, -y])[1], "add_vectors": tf.add_n([self.vector, self.vector, flat[0, 0] + self.vector]),
        }


def float_to_index(flat):
    return tf.cast(tf.abs(flat[:, 0]) * 2, tf.int32) % 5


module = Ops()
tf.saved_model.save(module, os.path.join(OUT, "1"), signatures=module.__call__)
given = rng.randn(2, 9, 10, 6).astype("float32")
run = tf.saved_model.load(os.path.join(OUT, "1")).signatures["serving_default"]
write_oracle(OUT, {"x": given}, {name: value.numpy() for name, value in run(x=tf.constant(given)).items()})
