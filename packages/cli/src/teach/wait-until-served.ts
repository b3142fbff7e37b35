import { setTimeout as waited } from "node:timers/promises";
import type { ScoringClient } from "@tensorgate/client";

/** How often, and how many times a gateway is asked: it looks at its registry every second. */
const intervalMs = 250;
const maxAttempts = 12;

/** Waits until a gateway serves a version that was just registered. @returns whether it does, within three seconds */
export async function waitUntilServed(
  client: Pick<ScoringClient, "models">,
  model: string,
  version: bigint,
): Promise<boolean> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    try {
      const { versions } = await client.models.get(model);
      if (versions.some((each) => String(each) === String(version))) return true;
    } catch {
      // Unknown as yet, or it serves no registry.
    }
    await waited(intervalMs);
  }
  return false;
}
