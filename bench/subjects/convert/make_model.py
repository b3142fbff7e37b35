"""Writes a SavedModel of an application of Keras, with its initial weights: make_model.py NAME FOLDER."""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras

name, folder = sys.argv[1:]
keras.utils.set_random_seed(1)
getattr(keras.applications, name)(weights=None).export(folder, verbose=False)
