"""Boxes in a picture by gRPC: python score_grpc.py PICTURE [MODEL].

Needs: pip install grpcio grpcio-tools. The messages come from the .proto files of the repository; code for them is
generated into a temporary folder at the start.
"""

import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import grpc
from grpc_tools import protoc

protos = Path(__file__).resolve().parents[2] / "proto"
generated = tempfile.TemporaryDirectory()
protoc.main(
    [
        "protoc",
        f"-I{protos}",
        f"-I{files('grpc_tools') / '_proto'}",
        f"--python_out={generated.name}",
        f"--grpc_python_out={generated.name}",
        "tensorgate/v1/scoring.proto",
    ]
)
sys.path.insert(0, generated.name)
from tensorgate.v1 import scoring_pb2, scoring_pb2_grpc  # noqa: E402

address = os.environ.get("TENSORGATE_URL", "http://127.0.0.1:8080").split("//")[-1]
key = os.environ.get("TENSORGATE_API_KEY")
model = sys.argv[2] if len(sys.argv) > 2 else "shapes-detector"

with grpc.insecure_channel(address) as channel:
    request = scoring_pb2.DetectRequest(
        model_spec={"name": model},
        pictures=[{"data": Path(sys.argv[1]).read_bytes()}],
    )
    try:
        answer = scoring_pb2_grpc.ScoringServiceStub(channel).Detect(
            request,
            timeout=30,
            metadata=[("authorization", f"Bearer {key}")] if key else [],
        )
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")

for found in answer.results[0].boxes.boxes:
    box = found.box
    print(f"{found.label} {found.score:.3f} at {box.x:.0f},{box.y:.0f} {box.width:.0f}x{box.height:.0f}")
