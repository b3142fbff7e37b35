"""A model of Triton's Python backend that computes the ONNX file beside it; its tensors are those of the file."""

import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.onnx")
TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(uint8)": "TYPE_UINT8",
}


def opened():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(FILE, options, providers=["CPUExecutionProvider"])


def described(tensor):
    dims = [extent if isinstance(extent, int) else -1 for extent in tensor.shape]
    return {"name": tensor.name, "data_type": TYPES[tensor.type], "dims": dims}


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        session = opened()
        config.set_max_batch_size(0)
        for tensor in session.get_inputs():
            config.add_input(described(tensor))
        for tensor in session.get_outputs():
            config.add_output(described(tensor))
        return config

    def initialize(self, args):
        self.session = opened()
        self.names = [tensor.name for tensor in self.session.get_outputs()]

    def execute(self, requests):
        return [self.computed(request) for request in requests]

    def computed(self, request):
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        values = self.session.run(self.names, inputs)
        # Triton passes on what a tensor's memory holds, so it has to be in order.
        tensors = [pb.Tensor(name, np.ascontiguousarray(value)) for name, value in zip(self.names, values)]
        return pb.InferenceResponse(tensors)
