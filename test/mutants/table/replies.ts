import { type Mutant, mutantsOf } from "../mutant.ts";

/** What is read of a replica's reply, and what that may cost. */
export const replyMutants: readonly Mutant[] = [
  ...mutantsOf(
    "packages/tf-serving/src/predict-reply.ts",
    [
      "packages/tf-serving/src/predict-reply.test.ts",
      "packages/tf-serving/src/predict-reply-properties.test.ts",
    ],
    [
      {
        name: "replies: laid out as the last one up to the last byte",
        find: "at < bytes.byteLength; at += 1",
        replace: "at < bytes.byteLength - 1; at += 1",
      },
      {
        name: "replies: laid out as one of another length",
        find: "if (message.byteLength !== byteCount) return false;",
        replace: "",
      },
      {
        name: "replies: outputs under the names of another call",
        find: " && last.names === names",
        replace: "",
      },
      {
        name: "replies: laid out as one of another model",
        find: "layouts.set(asked.name, layout);",
        replace: 'layouts.set("", layout);',
      },
      {
        name: "replies: truth values are not checked again",
        find: ' || tensor.dtype === "BOOL"',
        replace: "",
      },
      {
        name: "replies: a layout keeps the reply",
        find: "gaps.push({ start, bytes: new Uint8Array(message.subarray(start)) });",
        replace: "gaps.push({ start, bytes: message.subarray(start) });",
      },
      {
        name: "replies: a layout of any length",
        find: "if (gapBytes > maxGapBytes) return undefined;",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/tf-serving/src/tensor-proto.ts",
    [
      "packages/tf-serving/src/tensor-budget.test.ts",
      "packages/tf-serving/src/predict-reply.test.ts",
    ],
    [
      {
        name: "replies: as many bytes of values as a varint once had",
        find: "if ((only.tag & 7) !== wireType.varint) return only.bytes;",
        replace: "return only.bytes;",
      },
      {
        name: "replies: any number of integers one by one",
        find: "if (varintBytes <= maxVarintBytes) return;",
        replace: "if (varintBytes > 0) return;",
      },
    ],
  ),
];
