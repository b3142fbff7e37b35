import { type Mutant, mutantsOf } from "../mutant.ts";

const inbound = "packages/gateway/src/inbound";

/** What messages, JSON and forms may hold, and what taking them apart costs. */
export const messageMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${inbound}/protocols/rpc/unary.ts`,
    ["test/end-to-end/unary-rpcs.test.ts"],
    [
      {
        name: "unary: any length that a prefix says",
        find: "if (byteCount > this.#maxBytes) throw messageTooLong(this.#maxBytes);",
        replace: "",
      },
      {
        name: "unary: half a message",
        find: "bytes > byteCount ? onlyOneMessage() : messageCutShort(),",
        replace: "onlyOneMessage(),",
      },
      {
        name: "unary: a timeout is not heard",
        find: "undefined : { form, timeoutMs };",
        replace: "undefined : { form, timeoutMs: undefined };",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/routes.ts`,
    ["test/hostile/hostile-messages.test.ts"],
    [
      {
        name: "unary: a message without its checks",
        find: "      charge(bytes, budget);\n",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/predict.ts`,
    ["test/hostile/hostile-messages.test.ts"],
    [
      {
        name: "unary: a packed shape that costs nothing",
        find: "for (; !extents.isAtEnd; budget.spend()) tensor",
        replace: "while (!extents.isAtEnd) tensor",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/connect/body.ts`,
    [
      `${inbound}/protocols/rpc/connect/body.test.ts`,
      `${inbound}/protocols/rpc/connect/body-limits.test.ts`,
    ],
    [
      {
        name: "rpc: a message that declares too much is read",
        find: "if (byteCount > maxBytes) throw messageTooLong(maxBytes);",
        replace: "",
      },
      {
        name: "rpc: a body over the limit is read",
        find: "if (buffer.byteLength + piece.byteLength > maxBytes) throw messageTooLong(maxBytes);",
        replace: "",
      },
      {
        name: "rpc: JSON as long as any message",
        find: "isJson ? Math.min(limits.maxBytes, limits.maxJsonBytes) : limits.maxBytes",
        replace: "isJson ? limits.maxBytes : limits.maxBytes",
      },
      {
        name: "rpc: messages without a turn of the loop",
        find: "if (count % messagesPerTurn === 0) await setImmediate();",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/connect/message-check.ts`,
    [
      `${inbound}/protocols/rpc/connect/body.test.ts`,
      `${inbound}/protocols/rpc/connect/body-limits.test.ts`,
      "test/hostile/hostile-messages.test.ts",
    ],
    [
      {
        name: "rpc: an unpacked message is not counted",
        find: "message = await decompress(message, { coding, maxBytes, account });",
        replace:
          "message = await decompress(message, { coding, maxBytes, account: { reserve: () => {} } });",
      },
      {
        name: "rpc: an unpacked message is not charged",
        find: "        if (!isJson) check(() => scan.push(message));\n",
        replace: "",
      },
      {
        name: "rpc: what is handed on is not counted",
        find: "account.settle(heldBytes);",
        replace: "account.settle(0);",
      },
      {
        name: "rpc: any number of elements",
        find: "const budget = createWorkBudget(maxElements);",
        replace: "const budget = createWorkBudget(maxElements * 1_000_000);",
      },
      {
        name: "rpc: JSON is not charged",
        find: "  chargeJson(message, budget);\n",
        replace: "",
      },
      {
        name: "rpc: integers of any number of digits",
        find: "if (longInteger.test(json)) throw",
        replace: "if (longInteger.test('')) throw",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/connect/handler.ts`,
    ["test/hostile/hostile-messages.test.ts"],
    [
      {
        name: "rpc: health, status and catalog take long messages",
        find: "maxBytes: 16_384, maxJsonBytes: 16_384, maxElements: 256 }",
        replace: "maxBytes: 16_777_216, maxJsonBytes: 16_777_216, maxElements: 256_000 }",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/server/body/form-parts.ts`,
    [`${inbound}/server/body/form-parts.test.ts`],
    [
      {
        name: "form: any number of parts",
        find: "    budget.spend();\n    const { headers, start }",
        replace: "    const { headers, start }",
      },
      {
        name: "form: any number of headers",
        find: "    budget.spend();\n    const colon",
        replace: "    const colon",
      },
      {
        name: "form: headers of any length",
        find: "const block = body.subarray(at, at + maxHeaderBytes);",
        replace: "const block = body.subarray(at);",
      },
      {
        name: "form: any number of lines like a boundary",
        find: "if (length >= prefixLength) budget.spend();",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rest/messages.ts`,
    [`${inbound}/protocols/rest/messages.test.ts`],
    [
      {
        name: "pictures: any number in a form",
        find: "if (pictures.length === maxPictures) throw tooManyPictures(maxPictures);",
        replace: "",
      },
      {
        name: "pictures: anything beside them is free",
        find: "createWorkBudget(freeElements + elementsPerPicture * maxPictures)",
        replace: "createWorkBudget(Number.POSITIVE_INFINITY)",
      },
    ],
  ),
  ...mutantsOf(
    "packages/core/src/json-body.ts",
    ["packages/core/src/json-body.test.ts"],
    [
      {
        name: "json: any depth",
        find: "if (depth > maxDepth) {",
        replace: "if (depth > Number.POSITIVE_INFINITY) {",
      },
      {
        name: "json: any number of values",
        find: "  chargeJson(body, budget);\n",
        replace: "",
      },
      {
        name: "json: keys that reach a prototype",
        find: "  assertNoForbiddenKey(root);\n",
        replace: "",
      },
      {
        name: "json: blanks are free",
        find: "if (bytesOutside % bytesPerElement === 0) budget.spend();",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/tf-serving/src/predict-frames.ts",
    ["packages/tf-serving/src/predict-frames.test.ts"],
    [
      {
        name: "requests: framed in the shape of the last one",
        find: "!hasSame(frame.shape, tensor.shape) ||",
        replace: "",
      },
      {
        name: "requests: framed for the version of the last one",
        find: "version !== modelSpec.version ||",
        replace: "",
      },
      {
        name: "requests: framed with the length of the last one",
        find: "if (frame.valueBytes !== values.byteLength) {",
        replace: "if (frame.front === noBytes) {",
      },
    ],
  ),
  ...mutantsOf(
    "packages/core/src/message-reader.ts",
    ["packages/tf-serving/src/wire/charge-message.test.ts", "packages/core/src/json-body.test.ts"],
    [
      {
        name: "work: never too much",
        find: "if (budget.spent <= maxElements) return;",
        replace: "if (budget.spent >= 0) return;",
      },
      {
        name: "work: one element too many",
        find: "if (budget.spent <= maxElements) return;",
        replace: "if (budget.spent <= maxElements + 1) return;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/tf-serving/src/wire/charge-message.ts",
    [
      "packages/tf-serving/src/wire/charge-message.test.ts",
      "packages/tf-serving/src/wire/charge-limits.test.ts",
    ],
    [
      {
        name: "message: any depth",
        find: "if (outer.length >= maxDepth) {",
        replace: "if (outer.length >= Number.POSITIVE_INFINITY) {",
      },
      {
        name: "message: packed numbers are free",
        find: "budget.spend(length / size);",
        replace: "",
      },
      {
        name: "message: nested messages are not looked into",
        find: "if (field?.nested) startMessage(field.nested, length);",
        replace: "if (field?.nested && length < 0) startMessage(field.nested, length);",
      },
    ],
  ),
];
