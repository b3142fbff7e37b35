"""Writes the inputs and answers of a graph beside its SavedModel: OUT/oracle.json and OUT/oracle/*.bin, little-endian, row-major."""

import json
import os

import numpy as np


def write_oracle(out, inputs, outputs):
    os.makedirs(os.path.join(out, "oracle"))

    def entries(kind, arrays):
        return {name: entry(f"oracle/{kind}_{name}.bin", array) for name, array in arrays.items()}

    def entry(file, array):
        array = np.asarray(array, order="C")
        array.tofile(os.path.join(out, file))
        return {"file": file, "dtype": str(array.dtype), "shape": list(array.shape)}

    oracle = {"inputs": entries("in", inputs), "outputs": entries("out", outputs)}
    with open(os.path.join(out, "oracle.json"), "w") as file:
        json.dump(oracle, file)
