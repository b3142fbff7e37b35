import { type Mutant, mutantsOf } from "../mutant.ts";

const inbound = "packages/gateway/src/inbound";

/** How long bodies may be, how slowly they may come, and what of them is counted. */
export const bodyMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${inbound}/server/exchange.ts`,
    [`${inbound}/server/exchange.test.ts`, "test/hostile/body-limits.test.ts"],
    [
      {
        name: "body: what declares too much is read",
        find: 'wholeBody(maxBytes, Number(headers["content-length"] ?? Number.NaN))',
        replace: 'wholeBody(1e9, Number(headers["content-length"] ?? Number.NaN))',
      },
      {
        name: "body: an unpacked one counts as packed",
        find: "    usage.ensure(body.byteLength * copyCount);\n    return body;\n  }\n\n  bodyInto",
        replace: "    return body;\n  }\n\n  bodyInto",
      },
      {
        name: "body: copies of one are not counted",
        find: "if (copyCount === 1) return body;",
        replace: "if (copyCount > 0) return body;",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/read-body.ts`,
    [`${inbound}/server/body/growing-buffer.test.ts`, `${inbound}/server/body/read-body.test.ts`],
    [
      {
        name: "body: all of it is moved in one turn while it comes",
        find: "this.#move(Math.min(maxMovedBytes, movedPerByte * piece.byteLength));",
        replace: "this.#move(this.#before.byteLength);",
      },
      {
        name: "body: the rest of it is moved in one turn",
        find: "if (turn > 0) await setImmediate();",
        replace: "",
      },
      {
        name: "body: what was copied of it waits for the collector",
        find: "    if (chunk.buffer.byteLength >= minRecycledBytes) freeRead(this, chunk);\n",
        replace: "",
      },
      {
        name: "body: memory of a short piece is freed",
        find: "if (chunk.buffer.byteLength >= minRecycledBytes) ",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/recycled-memory.ts`,
    [`${inbound}/server/body/growing-buffer.test.ts`],
    [
      {
        name: "body: memory that is used again is still in use",
        find: "const found = idle.get(length)?.pop();",
        replace: "const found = idle.get(length)?.at(-1);",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/recycled-memory.ts`,
    [`${inbound}/server/body/recycled-memory.test.ts`, `${inbound}/server/body/read-body.test.ts`],
    [
      {
        name: "body: memory that other pieces are in is freed",
        find: "else if (byteLength === buffer.byteLength) ",
        replace: "else ",
      },
      {
        name: "body: a packet is freed although its first bytes may be those of another body",
        find: "byteOffset === 0 || byteOffset === frameHeaderBytes ? byteOffset : lost",
        replace: "byteOffset",
      },
      {
        name: "body: a packet is freed although a piece of it is still to be read",
        find: " && bytes[at + frameTypeAt] !== dataType",
        replace: "",
      },
      {
        name: "body: a packet is freed before its last frame",
        find: "packet.doneTo < memory.byteLength",
        replace: "packet.doneTo + 60 < memory.byteLength",
      },
      {
        name: "body: a packet is followed although another one came between",
        find: "packet.memory !== memory",
        replace: "packet.memory === undefined",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/transport/unary-channel.ts",
    ["packages/gateway/src/upstream/transport/early-reply.test.ts"],
    [
      {
        name: "body: memory of an upload that was cut is used again",
        find: "if (requestBytes && stream?.mayReadBody) requestBytes.mayBeRead = true;",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/routing/router.ts",
    ["packages/gateway/src/routing/router.test.ts"],
    [
      {
        name: "body: memory of a call that was retried is used again",
        find: "if (open.attemptCount > 1 && call.requestBytes) call.requestBytes.mayBeRead = true;",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/read-body.ts`,
    [`${inbound}/server/exchange.test.ts`],
    [
      {
        name: "body: chunks over the limit are read",
        find: "if (neededBytes > expectedBytes) throw this.#wrongLength(neededBytes, expectedBytes);",
        replace: "",
      },
      {
        name: "body: less than declared is believed",
        find: 'if (this.#kind === "exactly" && receivedBytes < this.#expectedBytes)',
        replace: "if (receivedBytes < 0)",
      },
      {
        name: "body: its bytes are not counted for their rate",
        find: "reading.usage.arrived(chunk.length);",
        replace: "",
      },
      {
        name: "body: its memory is not in the budget",
        find: "reading.sink.push(chunk, reading.usage);",
        replace: "reading.sink.push(chunk, { reserve: () => {} });",
      },
      {
        name: "body: a slow one is waited for",
        find: "usage.onFailure(failWith.bind(undefined, request));",
        replace: "",
      },
      {
        name: "body: a cut upload is believed",
        find: 'return "stream" in request ? request.stream.aborted : !request.complete;',
        replace: 'return "stream" in request ? false : !request.complete;',
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/body-pieces.ts`,
    [`${inbound}/server/body/body-pieces.test.ts`],
    [
      {
        name: "rpc: its bytes are not counted for their rate",
        find: "usage.arrived(piece.byteLength);",
        replace: "",
      },
      {
        name: "rpc: a slow body is waited for",
        find: "  usage.onFailure(fail);\n",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/body-budget.ts`,
    [`${inbound}/server/body/body-budget.test.ts`],
    [
      {
        name: "budget: never full",
        find: "hasRoom: (byteCount) => budget.bytesInFlight + byteCount <= options.requests.maxBytesInFlight,",
        replace: "hasRoom: (byteCount) => budget.bytesInFlight + byteCount >= 0,",
      },
      {
        name: "budget: never given back",
        find: "this.#budget.bytesInFlight -= this.#countedBytes;",
        replace: "",
      },
      {
        name: "budget: released while the work goes on",
        find: "if (this.#holderCount > 0) return;",
        replace: "",
      },
      {
        name: "budget: an unpacked body counts as packed",
        find: "if (byteCount > this.#countedBytes) this.reserve(byteCount - this.#countedBytes);",
        replace: "",
      },
      {
        name: "upload: any rate will do",
        find: "else if (this.receivedBytes < wantedBytes)",
        replace: "else if (this.receivedBytes < 0)",
      },
      {
        name: "upload: no end of its time",
        find: "this.#failWith(tooLate(requestTimeoutMs));",
        replace: "this.complete();",
      },
      {
        name: "upload: a silent stream lasts",
        find: "if (this.#holderCount > 1) this.startTiming();",
        replace: "if (this.#holderCount > 0) this.startTiming();",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/decompress.ts`,
    [`${inbound}/server/exchange.test.ts`],
    [
      {
        name: "gzip: any encoding is believed to be none",
        find: 'return name === "deflate" || name === "identity" ? name : undefined;',
        replace: 'return name !== "" ? "identity" : undefined;',
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/body-budget.ts`,
    [`${inbound}/server/body/piece-limit.test.ts`, `${inbound}/server/lingering-close.test.ts`],
    [
      {
        name: "upload: one in too many pieces is read on",
        find: "onTooManyPieces(request, usage.rejectPieces.bind(usage));",
        replace: "",
      },
      {
        name: "pieces: any number",
        find: "pieces.isTooMany = pieces.pieceCount > freePieces + pieces.byteCount / minBytesPerPiece;",
        replace: "",
      },
      {
        name: "pieces: any number in a packet with the headers",
        find: "if (earlyBytes > 0) body.unshift(body.read(earlyBytes));",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/open-inference/src/tensor-bytes.ts",
    ["packages/open-inference/src/rest/infer-body.test.ts"],
    [
      {
        name: "bodies: elements of BYTES cost nothing",
        find: "    budget.spend(bytesElementCost);\n",
        replace: "",
      },
      {
        name: "bodies: an element of BYTES ends where its length says",
        find: "    if (at > data.byteLength) return undefined;\n",
        replace: "",
      },
    ],
  ),
];
