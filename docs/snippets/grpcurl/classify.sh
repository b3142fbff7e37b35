grpcurl -plaintext -d @ 127.0.0.1:8080 tensorgate.v1.ScoringService/Classify <<END
{
  "modelSpec": { "name": "shapes" },
  "pictures": [{ "data": "$(base64 < star.jpg | tr -d '\n')" }],
  "topK": 1
}
END
