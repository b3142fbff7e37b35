import { startFakeReplica } from "./fake-replica.ts";
import { addressOfNobody } from "./no-one.ts";
import { replicaChanges } from "./replica-changes.ts";
import { openGateway, startGateway } from "./running-gateway.ts";
import { shapesOutputs } from "./shapes-answers.ts";

export const enteredBy = (region: string, url: string) => ({
  model: "shapes",
  region,
  gateway: url,
});
export const servedBy = (region: string, ...replicas: readonly string[]) => ({
  model: "shapes",
  region,
  replicas,
});

/** A replica that answers every call at once. */
export const startAnswering = () => startFakeReplica({ answer: shapesOutputs });
/** A replica that has no room. */
export const startFull = () =>
  startFakeReplica({ answer: () => ({ code: 8, message: "no room" }) });

/** The gateway of eastus before one replica. */
export const startEast = (address: string, options = {}) =>
  startGateway({ eastus: [address] }, { region: "eastus", ...options });

/** The gateway of westeurope, which has nobody of its own and enters other regions by their gateways. */
export async function startWest(
  regions: Readonly<Record<string, string>>,
  options = {},
  parts = {},
) {
  const entered = Object.entries(regions).map(([region, url]) => enteredBy(region, url));
  const own = servedBy("westeurope", await addressOfNobody());
  const changes = replicaChanges();
  const { onReplica } = changes;
  const running = await openGateway(
    { pools: [own, ...entered], ...options },
    { onReplica, ...parts },
  );
  await Promise.all(Object.keys(regions).map((region) => changes.until(`${region}-1`, "ready")));
  return { ...running, changes };
}
