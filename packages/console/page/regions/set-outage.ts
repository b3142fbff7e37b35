import { keyHeaders } from "../gateway.ts";

/** Begins or ends the simulated outage of a region of the demo; resolves when that succeeded or failed. */
export async function setOutage(region: string, hasOutage: boolean): Promise<void> {
  const change = hasOutage ? "begin-outage" : "end-outage";
  const path = `/demo/regions/${encodeURIComponent(region)}/${change}`;
  await fetch(path, { method: "POST", headers: keyHeaders() }).catch(() => {});
}
