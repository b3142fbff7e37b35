"""Calls as TensorFlow Serving's own examples make them, with its official packages: serving_examples.py HOST:PORT images PICTURE CLASS
or serving_examples.py HOST:PORT tensors

Prints a line for each call: "passed NAME", or "failed NAME: why"."""
import base64
import json
import sys

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

server, kind, *rest = sys.argv[1:]
model = "shapes" if kind == "images" else "half_plus_two"
channel = grpc.insecure_channel(server)
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
url = f"http://{server}/v1/models/{model}"
timeout = 10.0


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} is not {wanted!r}"[:300])


def predict_request(**inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tensor)
    return request


def images_predict_grpc():
    result = stub.Predict(predict_request(images=tf.make_tensor_proto(data, shape=[1])), timeout)
    equal(int(np.argmax(result.outputs["scores"].float_val)), expected)
    equal(result.model_spec.version.value, 1)


def images_predict_grpc_of_several():
    result = stub.Predict(predict_request(images=tf.make_tensor_proto([data, data])), timeout)
    scores = tf.make_ndarray(result.outputs["scores"])
    equal((scores.shape[0], scores.argmax(axis=1).tolist()), (2, [expected, expected]))


def images_predict_grpc_in_the_background():
    future = stub.Predict.future(predict_request(images=tf.make_tensor_proto(data, shape=[1])), timeout)
    equal(int(np.array(future.result().outputs["scores"].float_val).argmax()), expected)


def images_predict_rest():
    jpeg_bytes = base64.b64encode(data).decode("utf-8")
    request = '{"instances" : [{"b64": "%s"}]}' % jpeg_bytes
    response = requests.post(f"{url}:predict", data=request)
    response.raise_for_status()
    prediction = response.json()["predictions"][0]
    equal(int(np.argmax(prediction["scores"])), expected)


def images_wrong_type():
    request = predict_request(images=tf.make_tensor_proto(np.zeros((1, 2, 2, 3), np.float32)))
    refused(request, grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[0] to be string but float is provided")


def tensors_predict_grpc():
    request = predict_request(x=tf.make_tensor_proto([1.0, 2.0, 5.0]))
    result = stub.Predict(request, timeout)
    equal(tf.make_ndarray(result.outputs["y"]).tolist(), [2.5, 3.0, 4.5])


def tensors_predict_rest():
    response = requests.post(f"{url}:predict", data=json.dumps({"instances": [1.0, 2.0, 5.0]}))
    response.raise_for_status()
    equal(response.json(), {"predictions": [2.5, 3.0, 4.5]})
    columns = np.array([[1.0, 2.0], [5.0, 6.0]], np.float32).tolist()
    equal(requests.post(f"{url}:predict", json={"inputs": columns}).json(), {"outputs": [[2.5, 3.0], [4.5, 5.0]]})


def tensors_wrong_type():
    request = predict_request(x=tf.make_tensor_proto([1, 2], tf.int64))
    refused(request, grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[0] to be float but int64 is provided")


def any_metadata():
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = model
    request.metadata_field.append("signature_def")
    result = stub.GetModelMetadata(request, timeout)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    result.metadata["signature_def"].Unpack(signatures)
    [name] = signatures.signature_def["serving_default"].inputs
    equal(name, "images" if kind == "images" else "x")
    found = requests.get(f"{url}/metadata").json()["metadata"]["signature_def"]["signature_def"]
    equal(list(found["serving_default"]["inputs"]), [name])


def any_status():
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model
    result = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout)
    [status] = result.model_version_status
    equal(status.state, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    [found] = requests.get(url).json()["model_version_status"]
    equal((found["version"], found["state"]), (str(status.version), "AVAILABLE"))


def refused(request, code, text):
    try:
        stub.Predict(request, timeout)
    except grpc.RpcError as error:
        equal((error.code(), error.details()), (code, text))
    else:
        raise AssertionError("it was answered")


def any_errors():
    unknown = predict_request()
    unknown.model_spec.name = "resnet"
    refused(unknown, grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(resnet)")
    version = predict_request()
    version.model_spec.version.value = 9
    refused(version, grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({model}, 9)")
    signature = predict_request()
    signature.model_spec.signature_name = "predict_images"
    refused(signature, grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "predict_images" not found.')
    response = requests.post(f"{url}/versions/9:predict", data='{"instances": [1]}')
    equal((response.status_code, response.json()), (404, {"error": f"Servable not found for request: Specific({model}, 9)"}))


if kind == "images":
    data = open(rest[0], "rb").read()
    expected = int(rest[1])
for name, call in list(globals().items()):
    if not name.startswith((f"{kind}_", "any_")):
        continue
    try:
        call()
        print("passed", name)
    except Exception as error:  # noqa: BLE001
        print(f"failed {name}: {type(error).__name__} {error}"[:400].replace("\n", " "))
