"""Labels of a picture: python score_requests.py PICTURE [MODEL]. Needs: pip install requests"""

import os
import sys

import requests

url = os.environ.get("TENSORGATE_URL", "http://127.0.0.1:8080")
key = os.environ.get("TENSORGATE_API_KEY")
path = sys.argv[1]
model = sys.argv[2] if len(sys.argv) > 2 else "shapes"

with open(path, "rb") as picture:
    answer = requests.post(
        f"{url}/v1/classify/{model}",
        params={"topK": 3},
        data=picture,
        headers={
            "content-type": "application/octet-stream",
            **({"authorization": f"Bearer {key}"} if key else {}),
        },
        timeout=30,
    )

body = answer.json()
if not answer.ok:
    sys.exit(f"{body['reason']}: {body['detail']} {body.get('hint', '')}")
for label in body["results"][0]["labels"]:
    print(f"{label['label']} {label['score']:.3f}")
