// One decoder: a process that knows nothing but the picture it is given, and may die of it.
import { float32Values, ScoringError } from "@tensorgate/core";
import { convertPicture } from "../convert-picture.ts";
import { decodePicture } from "../decode-picture.ts";
import { preprocessPicture } from "../preprocess-picture.ts";
import type { DecodeOutcome, DecodeReply, DecodeRequest } from "./decode-message.ts";

process.on("message", async (request: DecodeRequest) => {
  const outcome = await answer(request);
  const reply: DecodeReply = { ...outcome, heldBytes: process.memoryUsage.rss() };
  process.send?.(reply);
});
// Whoever started us is gone.
process.on("disconnect", () => process.exit());

async function answer({ bytes, options, preprocessing }: DecodeRequest): Promise<DecodeOutcome> {
  try {
    if (!preprocessing) return { kind: "picture", ...(await convertPicture(bytes, options)) };
    const tensor = preprocessPicture(await decodePicture(bytes, options), preprocessing);
    return { kind: "tensor", shape: tensor.shape, values: float32Values(tensor) };
  } catch (thrown) {
    const { reason, message, hint } = ScoringError.from(thrown);
    return { kind: "refused", error: { reason, message, hint } };
  }
}
