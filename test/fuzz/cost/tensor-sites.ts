import {
  bytesPerElement,
  bytesTensor,
  type FixedSizeDType,
  fixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { hexPiece, type Piece, piece, type Site } from "./body.ts";
import { predictReply, usualOutputs } from "./upstream.ts";

/** Numbers that are dear to write, and such as are short. */
const floats: readonly Piece[] = [
  hexPiece("00000000", "zero"),
  hexPiece("abaaaa3e", "a third"),
  hexPiece("0040803f", "halfway between two of nine digits"),
  hexPiece("abc17a0d", "tiny"),
];
const texts: readonly Piece[] = [
  piece("a"),
  piece("\u0001", "control"),
  piece('"'),
  hexPiece("f0"),
];

type Shape = (count: number) => readonly number[];

const row: Shape = (count) => [1, count];
const column: Shape = (count) => [count, 1];

const numbers = (dtype: FixedSizeDType, shape: Shape) => (content: Buffer) => {
  const size = bytesPerElement[dtype];
  const count = Math.floor(content.byteLength / size);
  return fixedSizeTensor(dtype, shape(count), content.subarray(0, count * size));
};

const outputSite = (
  name: string,
  pieces: readonly Piece[],
  tensor: (content: Buffer) => Tensor,
): Site => ({
  name: `features ${name}`,
  pieces,
  wrap: (content) => predictReply(new Map([...usualOutputs, ["features", tensor(content)]])),
});

/** Outputs of every form that an answer is written from: one that is right, beside the usual scores. */
export const tensorSites: readonly Site[] = [
  outputSite("floats in a row", floats, numbers("FP32", row)),
  outputSite("floats in a column", floats, numbers("FP32", column)),
  outputSite(
    "doubles in a row",
    [...floats, hexPiece("555555555555d53f", "a third")],
    numbers("FP64", row),
  ),
  outputSite("bytes in a column", [hexPiece("00"), hexPiece("7f")], numbers("UINT8", column)),
  // Integers of more than seven bits take two bytes.
  { ...outputSite("large bytes in a row", [hexPiece("ff")], numbers("UINT8", row)), share: 0.5 },
  outputSite("one text", texts, (content) => bytesTensor([1, 1], [content])),
  outputSite("short texts", texts, (content) => {
    const count = Math.min(100_000, Math.ceil(content.byteLength / 64));
    const length = Math.floor(content.byteLength / count);
    return bytesTensor(
      [1, count],
      Array.from({ length: count }, (_, index) =>
        content.subarray(index * length, (index + 1) * length),
      ),
    );
  }),
  outputSite("empty arrays", [hexPiece("00")], (content) =>
    fixedSizeTensor("FP32", [content.byteLength, 0], new Uint8Array()),
  ),
];
