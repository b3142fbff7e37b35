import { keyHeaders } from "../gateway.ts";

/** Takes a region of a demo away, or gives it back; resolves when that is done, or could not be. */
export async function setPlug(region: string, isPlugged: boolean): Promise<void> {
  const change = isPlugged ? "plug" : "unplug";
  const path = `/demo/regions/${encodeURIComponent(region)}/${change}`;
  await fetch(path, { method: "POST", headers: keyHeaders() }).catch(() => {});
}
