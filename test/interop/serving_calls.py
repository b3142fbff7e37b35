"""Calls of TensorFlow Serving's APIs as programs in Python make them: serving_calls.py STUBS GRPC_ADDRESS REST_ADDRESS

Prints a line for each call: "passed NAME", or "failed NAME: why"."""
import array
import concurrent.futures
import json
import sys

import grpc
import requests

stubs, grpc_address, rest_address = sys.argv[1:4]
sys.path.insert(0, stubs)
from tensorflow import example_pb2, framework_pb2  # noqa: E402
from tensorflow_serving import (  # noqa: E402
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(grpc_address, options=unlimited)
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
models = model_service_pb2_grpc.ModelServiceStub(channel)
session = requests.Session()
seconds = 60
model = "half_plus_two"


def tensor(values, as_content=False):
    proto = framework_pb2.TensorProto(dtype=framework_pb2.DT_FLOAT)
    proto.tensor_shape.dim.add(size=len(values))
    if as_content:
        proto.tensor_content = array.array("f", values).tobytes()
    else:
        proto.float_val.extend(values)
    return proto


def spec(message, name=model, signature="", version=None, label=None):
    message.name, message.signature_name = name, signature
    if version is not None:
        message.version.value = version
    if label is not None:
        message.version_label = label


def predict(values, timeout=seconds, as_content=False, **named):
    request = predict_pb2.PredictRequest()
    spec(request.model_spec, **named)
    request.inputs["x"].CopyFrom(tensor(values, as_content))
    return prediction.Predict(request, timeout)


def examples(request, *values):
    for value in values:
        example = example_pb2.Example()
        example.features.feature["x"].float_list.value.append(value)
        request.input.example_list.examples.append(example)
    return request


def code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} is not {wanted!r}"[:300])


def grpc_predict():
    reply = predict([1, 2, 5])
    equal(list(reply.outputs["y"].float_val), [2.5, 3.0, 4.5])
    equal((reply.model_spec.version.value, reply.model_spec.signature_name), (123, "serving_default"))


def grpc_labels():
    for label, version in (("stable", 123), ("canary", 124), ("a b", 124)):
        equal(predict([1], name="two_versions", label=label).model_spec.version.value, version)


def grpc_classify():
    request = classification_pb2.ClassificationRequest()
    spec(request.model_spec, signature="classify_x_to_y")
    reply = prediction.Classify(examples(request, 2, 4), seconds)
    scores = [[each.score for each in one.classes] for one in reply.result.classifications]
    equal(scores, [[3.0], [4.0]])


def grpc_regress():
    request = regression_pb2.RegressionRequest()
    spec(request.model_spec, signature="regress_x_to_y2")
    reply = prediction.Regress(examples(request, 2, 4), seconds)
    equal([each.value for each in reply.result.regressions], [4.0, 5.0])


def grpc_multi_inference():
    request = inference_pb2.MultiInferenceRequest()
    for kind in ("classify", "regress"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{kind}")
        spec(task.model_spec, signature=f"{kind}_x_to_y")
    reply = prediction.MultiInference(examples(request, 2), seconds)
    equal([each.WhichOneof("result") for each in reply.results], ["classification_result", "regression_result"])


def grpc_metadata():
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    spec(request.model_spec)
    reply = prediction.GetModelMetadata(request, seconds)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    reply.metadata["signature_def"].Unpack(signatures)
    equal(signatures.signature_def["regress_x_to_y"].method_name, "tensorflow/serving/regress")


def grpc_status():
    request = get_model_status_pb2.GetModelStatusRequest()
    spec(request.model_spec, name="two_versions")
    reply = models.GetModelStatus(request, seconds)
    equal([(each.version, each.state) for each in reply.model_version_status], [(124, 30), (123, 30)])


def grpc_errors():
    equal(code(lambda: predict([1], name="nobody")), ("NOT_FOUND", "Servable not found for request: Latest(nobody)"))
    equal(code(lambda: predict([1], version=9)), ("NOT_FOUND", f"Servable not found for request: Specific({model}, 9)"))
    equal(code(lambda: predict([1], label="no"))[1], "Unrecognized servable version label: no")
    equal(code(lambda: predict([1], signature="no"))[0], "FAILED_PRECONDITION")


def grpc_deadline():
    equal(code(lambda: predict([1] * 4_000_000, timeout=0.001))[0], "DEADLINE_EXCEEDED")
    grpc_predict()


def grpc_large():
    values = [1.0] * 5_242_880
    for as_content in (True, False):
        reply = predict(values, as_content=as_content)
        numbers = reply.outputs["y"].float_val
        equal((len(numbers), numbers[0], numbers[-1]), (len(values), 2.5, 2.5))


def grpc_parallel():
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        replies = list(pool.map(lambda value: predict([value]).outputs["y"].float_val[0], range(200)))
    equal(replies, [value / 2 + 2 for value in range(200)])


def rest(method, path, want=200, **more):
    reply = session.request(method, f"http://{rest_address}/v1/models/{path}", timeout=seconds, **more)
    equal((reply.status_code, reply.headers["content-type"]), (want, "application/json"))
    return reply.json()


def rest_predict():
    equal(rest("POST", f"{model}:predict", json={"instances": [1.0, 2.0, 5.0]}), {"predictions": [2.5, 3.0, 4.5]})
    equal(rest("POST", f"{model}/versions/123:predict", json={"inputs": {"x": [1]}}), {"outputs": [2.5]})
    equal(rest("POST", "two_versions/labels/canary:predict", json={"instances": [1]}), {"predictions": [2.5]})


def rest_examples():
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}, {"x": 4.0}]}
    equal(rest("POST", f"{model}:classify", json=body), {"results": [[["", 3.0]], [["", 4.0]]]})
    body["signature_name"] = "regress_x_to_y"
    equal(rest("POST", f"{model}:regress", json=body), {"results": [3.0, 4.0]})


def rest_metadata():
    found = rest("GET", f"{model}/metadata")["metadata"]["signature_def"]["signature_def"]
    equal(found["serving_default"]["inputs"]["x"]["name"], "x:0")


def rest_status():
    states = rest("GET", "two_versions")["model_version_status"]
    equal([(each["version"], each["state"]) for each in states], [("124", "AVAILABLE"), ("123", "AVAILABLE")])


def rest_errors():
    equal(rest("POST", "nobody:predict", 404, json={"instances": [1]}), {"error": "Servable not found for request: Latest(nobody)"})
    equal(rest("GET", f"{model}/versions/9", 404), {"error": f"Could not find version 9 of model {model}"})
    equal(rest("POST", f"{model}:predict", 400, data="{")["error"].split(":")[0], "JSON Parse error")


def rest_large():
    values = [1.0] * 5_242_880
    body = json.dumps({"instances": values}, separators=(",", ":"))
    reply = rest("POST", f"{model}:predict", data=body)["predictions"]
    equal((len(reply), reply[0], reply[-1]), (len(values), 2.5, 2.5))


def rest_parallel():
    def ask(value):
        body = {"instances": [value]}
        return requests.post(f"http://{rest_address}/v1/models/{model}:predict", json=body, timeout=seconds).json()

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        replies = list(pool.map(ask, range(200)))
    equal(replies, [{"predictions": [value / 2 + 2]} for value in range(200)])


calls = [
    (name.replace("_", " "), call)
    for name, call in list(globals().items())
    if name.startswith(("grpc_", "rest_")) and callable(call)
]
for name, call in calls:
    try:
        call()
        print("passed", name)
    except Exception as error:  # noqa: BLE001
        print(f"failed {name}: {type(error).__name__} {error}"[:400].replace("\n", " "))
