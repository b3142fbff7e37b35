import { keyHeaders } from "../gateway.ts";

/** Starts or ends the simulated outage of a region of the demo; resolves when that succeeded or failed. */
export async function setPlug(region: string, isPlugged: boolean): Promise<void> {
  const change = isPlugged ? "plug" : "unplug";
  const path = `/demo/regions/${encodeURIComponent(region)}/${change}`;
  await fetch(path, { method: "POST", headers: keyHeaders() }).catch(() => {});
}
