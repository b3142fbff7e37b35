// One decoder: a process that knows nothing but the picture it is given, and may crash on it.
import { ScoringError } from "@tensorgate/core";
import { convertPicture } from "../convert-picture.ts";
import { decodePicture } from "../decode-picture.ts";
import { preprocessPicture } from "../preprocess-picture.ts";
import type { DecodeOutcome, DecodeRequest, DecoderMessage } from "./decode-message.ts";

process.on("message", async (request: DecodeRequest) => {
  // It must be out before the picture can end us.
  await say({ kind: "taken" });
  const outcome = await answer(request);
  await say({ ...outcome, heldBytes: process.memoryUsage.rss() });
});
// The parent has exited.
process.on("disconnect", () => process.exit());
void say({ kind: "ready" });

function say(message: DecoderMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}

async function answer({ bytes, options, preprocessing }: DecodeRequest): Promise<DecodeOutcome> {
  try {
    if (!preprocessing) return { kind: "picture", ...(await convertPicture(bytes, options)) };
    const picture = await decodePicture(bytes, options);
    return { kind: "tensor", tensor: preprocessPicture(picture, preprocessing) };
  } catch (thrown) {
    const { reason, message, hint } = ScoringError.from(thrown);
    return { kind: "refused", error: { reason, message, hint } };
  }
}
