import type { GatewayStatus, ReplicaStatus } from "@tensorgate/client";

/** Describes the changes of replicas between two updates. */
export function statusEvents(before: GatewayStatus, now: GatewayStatus): readonly string[] {
  // Counts and names start over, so the updates cannot be compared.
  if (now.uptimeMs < before.uptimeMs) return ["the gateway was restarted"];
  const [was, is] = [replicasByName(before), replicasByName(now)];
  return [
    ...[...is].flatMap(([place, replica]) => changeOf(place, was.get(place), replica)),
    ...[...was.keys()].filter((place) => !is.has(place)).map((place) => `${place} removed`),
  ];
}

function changeOf(
  place: string,
  was: ReplicaStatus | undefined,
  now: ReplicaStatus,
): readonly string[] {
  if (!was) return [`${place} added: ${now.state}`];
  if (was.state !== now.state) return [`${place} ${was.state} → ${now.state}`];
  // A replica that stays ejected is ejected again at every probe.
  const wasOut = now.state !== "ejected" && now.ejections > was.ejections;
  return wasOut ? [`${place} ${now.state}, was ejected meanwhile`] : [];
}

/** Returns the replicas by the name that is shown. */
function replicasByName({ regions }: GatewayStatus): ReadonlyMap<string, ReplicaStatus> {
  return new Map(
    regions.flatMap(({ pools }) =>
      pools.flatMap(({ model, replicas }) =>
        replicas.map((replica) => [`${replica.id} of ${model}`, replica] as const),
      ),
    ),
  );
}
