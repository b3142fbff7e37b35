#!/usr/bin/env bash
# Labels of a picture by plain HTTP: bash score.sh PICTURE [MODEL]
set -euo pipefail

url=${TENSORGATE_URL:-http://127.0.0.1:8080}
key=(${TENSORGATE_API_KEY:+-H "authorization: Bearer $TENSORGATE_API_KEY"})

# --fail-with-body: a failure says what went wrong and what to do, and the exit code is not 0.
curl --silent --show-error --fail-with-body "${key[@]}" \
  --data-binary "@$1" -H 'content-type: application/octet-stream' \
  "$url/v1/classify/${2:-shapes}?topK=3"
