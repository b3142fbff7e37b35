import { type FixedSizeTensor, InternalError } from "@tensorgate/core";
import type { ConvertedPicture } from "../convert-picture.ts";
import type { DecodeOutcome } from "./decode-message.ts";

/** @throws InternalError if a decoder answered with something else */
export function tensorFrom(outcome: DecodeOutcome): FixedSizeTensor {
  if (outcome.kind !== "tensor") throw wrongAnswer(outcome);
  return outcome.tensor;
}

/** @throws InternalError if a decoder answered with something else */
export function pictureFrom(outcome: DecodeOutcome): ConvertedPicture {
  if (outcome.kind !== "picture") throw wrongAnswer(outcome);
  return outcome;
}

function wrongAnswer({ kind }: DecodeOutcome): InternalError {
  return new InternalError(new Error(`a decoder answered with a ${kind}`));
}
