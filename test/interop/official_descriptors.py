"""Prints the messages, enums and services of the official packages that are named on standard input, as JSON."""

import importlib
import json
import pkgutil
import sys

import tensorflow.core.example.example_pb2
import tensorflow.core.protobuf.meta_graph_pb2
import tensorflow.core.protobuf.saved_model_pb2
import tensorflow.core.protobuf.tensor_bundle_pb2
import tensorflow_serving.apis
from google.protobuf import descriptor_pb2, descriptor_pool

for module in pkgutil.iter_modules(tensorflow_serving.apis.__path__, "tensorflow_serving.apis."):
    if module.name.endswith("_pb2"):
        importlib.import_module(module.name)

pool = descriptor_pool.Default()


def proto_of(descriptor, message):
    proto = message()
    descriptor.CopyToProto(proto)
    return proto


def described(kind, name):
    try:
        if kind == "message":
            proto = proto_of(pool.FindMessageTypeByName(name), descriptor_pb2.DescriptorProto)
            return {
                field.name: [field.number, field.type, field.label == 3, field.type_name]
                for field in proto.field
            }
        if kind == "enum":
            proto = proto_of(pool.FindEnumTypeByName(name), descriptor_pb2.EnumDescriptorProto)
            return {value.name: value.number for value in proto.value}
        proto = proto_of(pool.FindServiceByName(name), descriptor_pb2.ServiceDescriptorProto)
        return {method.name: [method.input_type, method.output_type] for method in proto.method}
    except KeyError:
        return None


json.dump([described(kind, name) for kind, name in json.load(sys.stdin)], sys.stdout)
