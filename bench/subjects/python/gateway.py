"""What a user would write in Python: FastAPI on uvicorn in front, grpc.aio behind. Prints its port."""

import heapq
import socket
import sys
from contextlib import asynccontextmanager

import grpc
import uvicorn
from fastapi import FastAPI, Request
from tensorflow import framework_pb2
from tensorflow_serving import predict_pb2, prediction_service_pb2_grpc


@asynccontextmanager
async def connected(app: FastAPI):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        app.state.service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        yield


app = FastAPI(lifespan=connected)


@app.post("/v1/classify/{model}")
async def classify(model: str, request: Request):
    predict = predict_pb2.PredictRequest(output_filter=["scores"])
    predict.model_spec.name = model
    images = predict.inputs["images"]
    images.dtype = framework_pb2.DT_STRING
    images.tensor_shape.dim.add(size=1)
    images.string_val.append(await request.body())
    reply = await app.state.service.Predict(predict)
    scores = reply.outputs["scores"].float_val
    best = heapq.nlargest(5, range(len(scores)), scores.__getitem__)
    labels = [{"index": index, "label": f"label {index}", "score": scores[index]} for index in best]
    return {"results": [{"labels": labels}]}


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print("port", listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])
