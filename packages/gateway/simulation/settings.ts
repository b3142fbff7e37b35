import { schedulerSettings } from "../src/routing/settings.ts";
import type { World } from "./world.ts";

/** What a gateway is run by where nobody says otherwise. */
export function simulationSettings(isPaced: boolean): World["settings"] {
  const { ownRegion, roundTripMs, ...settings } = schedulerSettings(
    { pacing: isPaced },
    { ownRegion: "" },
  );
  return settings;
}
