// One decoder: a process that knows nothing but the picture it is given, and may die of it.
import { float32Values, ScoringError } from "@tensorgate/core";
import { decodePicture } from "../decode-picture.ts";
import { preprocessPicture } from "../preprocess-picture.ts";
import type { DecodeReply, DecodeRequest } from "./decode-message.ts";

process.on("message", async (request: DecodeRequest) => {
  process.send?.(await reply(request));
});
// Whoever started us is gone.
process.on("disconnect", () => process.exit());

async function reply({ bytes, preprocessing, limits }: DecodeRequest): Promise<DecodeReply> {
  try {
    const tensor = preprocessPicture(await decodePicture(bytes, limits), preprocessing);
    const { shape } = tensor;
    return {
      kind: "tensor",
      shape,
      values: float32Values(tensor),
      heldBytes: process.memoryUsage.rss(),
    };
  } catch (thrown) {
    const { reason, message, hint } = ScoringError.from(thrown);
    return {
      kind: "refused",
      error: { reason, message, hint },
      heldBytes: process.memoryUsage.rss(),
    };
  }
}
