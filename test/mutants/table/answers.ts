import { type Mutant, mutantsOf } from "../mutant.ts";

const pipeline = "packages/gateway/src/pipeline";
const transport = "packages/gateway/src/upstream/transport";

/** Whose answers a caller gets, of which version, and what of a replica's answer is believed. */
export const answerMutants: readonly Mutant[] = [
  ...mutantsOf(
    "packages/gateway/src/inbound/server/reply.ts",
    ["packages/gateway/src/inbound/server/reply.test.ts"],
    [
      {
        name: "answers: letters beyond ASCII are one byte",
        find: 'byteCount === body.length ? "latin1" : "utf8"',
        replace: '"latin1"',
      },
      {
        name: "answers: a short one waits for its reader uncounted",
        find: "if (response.writableLength > 0) setImmediate(watchUnsent, response, byteCount);",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${transport}/http2/hpack.ts`,
    [`${transport}/http2/hpack.test.ts`],
    [
      {
        name: "answers: headers of an earlier reply, after fields were added",
        find: "if (this.#hasTableChanged || this.#kept.size",
        replace: "if (this.#kept.size",
      },
      {
        name: "answers: headers of an earlier reply, which added fields",
        find: "isShort && !this.#hasTableChanged &&",
        replace: "isShort &&",
      },
      {
        name: "answers: headers of any length are kept",
        find: " && fields.byteCount <= keepLimits.maxFieldBytes",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/model-discovery.ts",
    ["packages/gateway/src/upstream/model-discovery.test.ts"],
    [
      {
        name: "answers: a signature of versions that have gone",
        find: "known.versionsText = undefined;\n  const removed",
        replace: "const removed",
      },
      {
        name: "answers: a signature of other versions",
        find: "if (!isSame) known.versionsText = undefined;",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/server/reply.ts",
    ["packages/gateway/src/inbound/server/reply.test.ts"],
    [
      {
        name: "answers: a second one in the place of the first",
        find: 'if (!("stream" in response)) response.writeHead(status);',
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${pipeline}/response-cache.ts`,
    [`${pipeline}/response-cache.test.ts`],
    [
      {
        name: "cache: another residency's answer",
        find: "hints.region ?? null, residency]));",
        replace: "hints.region ?? null]));",
      },
      {
        name: "cache: another signature's answer",
        find: "versionLabel, signatureName];",
        replace: "versionLabel, String(signatureName === undefined)];",
      },
    ],
  ),
  ...mutantsOf(
    `${pipeline}/response-lru.ts`,
    [`${pipeline}/response-cache.test.ts`],
    [
      { name: "cache: answers stay for ever", find: "    ttl: ttlMs,\n", replace: "" },
      {
        name: "cache: any number of bytes",
        find: "maxSize: maxBytes,",
        replace: "maxSize: maxBytes * 1_000,",
      },
    ],
  ),
  ...mutantsOf(
    `${pipeline}/response-cache.ts`,
    [`${pipeline}/response-cache.test.ts`],
    [
      {
        name: "cache: no-store is ignored",
        find: "if (call.noStore || !isCached || !isPlain)",
        replace: "if (!isCached || !isPlain)",
      },
      {
        name: "cache: an unknown version's answer",
        find: "if (version === undefined) return next(request, call);",
        replace: "",
      },
      {
        name: "cache: kept under the version that was expected",
        find: "cached.set(keyOf(answer.model.version), answer);",
        replace: "cached.set(keyOf(version), answer);",
      },
    ],
  ),
  ...mutantsOf(
    "packages/grpc/src/wire.ts",
    [
      "packages/grpc/src/unary-reader.test.ts",
      `${transport}/unary-channel.test.ts`,
      `${transport}/hostile-replies.test.ts`,
    ],
    [
      {
        name: "replies: of any length",
        find: "if (byteCount > this.#maxBytes) {",
        replace: "if (byteCount > Number.POSITIVE_INFINITY) {",
      },
      {
        name: "replies: more than one message",
        find: "if (this.#totalBytes !== undefined && this.#byteCount > this.#totalBytes) {",
        replace: "if (this.#byteCount < 0) {",
      },
      {
        name: "replies: half a message",
        find: 'if (this.#byteCount < this.#totalBytes) throw new FramingError("the response is truncated");',
        replace: "",
      },
      {
        name: "replies: compressed ones",
        find: "if (this.#memory[0] !== 0) throw",
        replace: "if (this.#memory.length < 0) throw",
      },
      {
        name: "replies: pieces of a byte",
        find: "if (this.#pieceCount > pieces.free + this.#byteCount / pieces.minBytes) {",
        replace: "if (this.#pieceCount < 0) {",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/serving-call.ts",
    ["packages/gateway/src/inbound/protocols/serving-call.test.ts"],
    [
      {
        name: "answers: a response is written as JSON whatever it costs",
        find: "    chargeMessage(schema, encoded, createWorkBudget(maxResponseElements));\n",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/written-answer.ts",
    ["packages/gateway/src/inbound/protocols/written-answer.test.ts"],
    [
      {
        name: "answers: JSON of any length",
        find: "byteCount > maxBytes",
        replace: "byteCount < 0",
      },
      {
        name: "answers: JSON is written in one turn of the loop",
        find: "if (written.length > 0) await nextLoopTurn();",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/rpc/connect/json-length.ts",
    ["packages/gateway/src/inbound/protocols/rpc/connect/json-length.test.ts"],
    [
      {
        name: "answers: an RPC's JSON of any length",
        find: "if (left < 0)",
        replace: "if (left === 1)",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/models/embed.ts",
    ["packages/gateway/src/models/embed.test.ts"],
    [
      {
        name: "answers: any number of features",
        find: "if (count <= maxFeaturesPerCall) return;",
        replace: "if (count > 0) return;",
      },
    ],
  ),
  ...mutantsOf(
    `${transport}/unary-channel.ts`,
    [`${transport}/unary-channel.test.ts`, `${transport}/hostile-replies.test.ts`],
    [
      {
        name: "upstream: a connection whose calls are refused is used on",
        find: "if (stream.resetCode === http2Code.ENHANCE_YOUR_CALM) open.retire();",
        replace: "",
      },
      {
        name: "replies: an aborted call goes on",
        find: 'signal.addEventListener("abort", this.#onAbort, { once: true });',
        replace: "",
      },
      {
        name: "replies: interim ones without end",
        find: "if (this.#interimCount <= maxInterimResponses) return;",
        replace: "if (this.#interimCount >= 0) return;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/dialects/control-reply.ts",
    [
      "test/hostile/hostile-replicas.test.ts",
      "packages/gateway/src/upstream/dialects/costly-replies.test.ts",
    ],
    [
      {
        name: "replies: of a probe, as long as any",
        find: "maxReplyBytes: maxControlBytes, ",
        replace: "",
      },
      {
        name: "replies: of a probe, any number of elements",
        find: "const maxControlElements = 32_768;",
        replace: "const maxControlElements = Number.POSITIVE_INFINITY;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/dialects/open-inference-model.ts",
    ["packages/gateway/src/upstream/dialects/open-inference.test.ts"],
    [
      {
        name: "inference: values of another datatype are sent",
        find: "if (tensor.dtype !== dtype) {",
        replace: "if (tensor.dtype === undefined) {",
      },
      {
        name: "inference: any shape is sent",
        find: "if (!shape || isOfShape(tensor.shape, shape)) return tensor;",
        replace: "if (shape) return tensor;",
      },
      {
        name: "inference: any version is asked for",
        find: "if (!known && versionLabel === undefined) return asked;",
        replace: "if (versionLabel === undefined) return asked;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/dialects/open-inference.ts",
    ["packages/gateway/src/upstream/dialects/open-inference.test.ts"],
    [
      {
        name: "inference: an unloaded model is the caller's mistake",
        find: "if (!isNotFound || version !== undefined || versionLabel !== undefined) return thrown;",
        replace: "if (thrown !== undefined) return thrown;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/open-inference/src/read-infer-response.ts",
    ["packages/open-inference/src/read-infer-response.test.ts"],
    [
      {
        name: "inference: bytes of a reply belong to any output",
        find: "if (raw.length > 0 && raw.length !== messages.length) {",
        replace: "if (raw.length < 0) {",
      },
    ],
  ),
];
