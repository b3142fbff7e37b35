import json
import urllib.request

url = "http://127.0.0.1:8080/v1/classify/shapes?topK=1"
with open("star.jpg", "rb") as picture:
    request = urllib.request.Request(url, picture.read(), {"content-type": "image/jpeg"})
with urllib.request.urlopen(request, timeout=30) as response:
    [result] = json.load(response)["results"]
print(result["labels"][0]["label"])
