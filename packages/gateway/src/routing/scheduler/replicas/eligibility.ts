import type { ReplicaVersions, VersionChoice } from "../events.ts";
import type { OpenRequest } from "../state.ts";
import type { ScheduledReplica } from "./replica.ts";

/** Whether a replica may be asked at all: it has not failed the request, and may have the version that is named. */
export function isCandidate(request: OpenRequest, { member, versions }: ScheduledReplica): boolean {
  return !request.tried.has(member.id) && mayHave(versions, request);
}

/** Whether a replica that begins now could answer before the deadline. */
export function isInTime(
  { deadlineMs }: OpenRequest,
  { slots: { roundTripMs, usualMs } }: ScheduledReplica,
  nowMs: number,
): boolean {
  return nowMs + roundTripMs + usualMs <= deadlineMs;
}

/**
 * Whether a replica may have got the version that a request names since it last listed its own: it was asked for them
 * before the request came. One that has none at all is a container without versions.
 */
export function mayHaveByNow(request: OpenRequest, replica: ScheduledReplica): boolean {
  const { versions, isServing, isHopeful, isProbed, probeSentMs } = replica;
  if (request.version === undefined || !versions.listed?.length) return false;
  if (mayHave(versions, request) || request.tried.has(replica.member.id)) return false;
  return (isServing || isHopeful) && (isProbed || probeSentMs < request.arrivedMs);
}

/** Whether a replica may have what a request asks for. Which labels there are is known to the replicas alone. */
export function mayHave(
  { listed }: ReplicaVersions,
  { version, versionLabel }: VersionChoice,
): boolean {
  if (listed === undefined) return true;
  if (versionLabel !== undefined) return listed.length > 0;
  return version === undefined || listed.includes(version);
}

/**
 * The version that answers a request, whichever of these replicas it comes to.
 *
 * @returns undefined where that is not known, or differs between those that serve and may have what is asked for
 */
export function commonVersion(
  replicas: Iterable<ScheduledReplica>,
  choice: VersionChoice,
): bigint | undefined {
  if (choice.versionLabel !== undefined) return undefined;
  let common: bigint | undefined;
  for (const { isServing, versions } of replicas) {
    if (!isServing || !mayHave(versions, choice)) continue;
    const named = versions.listed === undefined ? undefined : choice.version;
    const version = choice.version === undefined ? versions.latest : named;
    if (version === undefined || (common !== undefined && version !== common)) return undefined;
    common = version;
  }
  return common;
}

/** Every version that one of these replicas lists, highest first. */
export function listedVersions(replicas: Iterable<ScheduledReplica>): readonly bigint[] {
  const all = new Set<bigint>();
  for (const { versions } of replicas) for (const each of versions.listed ?? []) all.add(each);
  return [...all].toSorted((a, b) => (a > b ? -1 : 1));
}
