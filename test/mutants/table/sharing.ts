import { type Mutant, mutantsOf } from "../mutant.ts";

const links = "packages/gateway/src/sharing";
const routing = "packages/gateway/src/routing/sharing";

/** Who gives the slots to the calls of several gateways, and what happens to calls when that gateway is lost. */
export const sharingMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${links}/peer-links.ts`,
    [`${links}/vanished-peer.test.ts`, `${links}/peer-links.test.ts`],
    [
      {
        name: "sharing: an owner that is gone is never noticed",
        find: "if (lastPing - answeredPing >= maxUnanswered) {",
        replace: "if (lastPing < answeredPing) {",
      },
      {
        name: "sharing: one late answer loses the owner",
        find: "const maxUnanswered = 4;",
        replace: "const maxUnanswered = 2;",
      },
      {
        name: "sharing: a follower that is gone keeps its slots",
        find: "if (follower.silentFor > silence.max) follower.link.close();",
        replace: "if (follower.silentFor < 0) follower.link.close();",
      },
      {
        name: "sharing: a follower is dropped although it speaks",
        find: "if (follower) follower.silentFor = 0;",
        replace: "",
      },
      {
        name: "sharing: a gateway without the slots is followed",
        find: 'return isOwner() ? undefined : "this gateway does not own the slots";',
        replace: "return undefined;",
      },
      {
        name: "sharing: messages before the hello count",
        find: 'else if (!follower) throw new RangeError("there was no hello");',
        replace: "else if (!follower) deps.onMessage(peer, 0, message);",
      },
      {
        name: "sharing: an owner that lives is replaced",
        find: "if (failed !== undefined && isAlive) throw new OwnerRefusedError",
        replace: "if (failed !== undefined && !isAlive) throw new OwnerRefusedError",
      },
    ],
  ),
  ...mutantsOf(
    `${routing}/relay.ts`,
    [`${routing}/relay.test.ts`],
    [
      {
        name: "sharing: calls that wait at a lost owner are forgotten",
        find: "else if (request.inFlight.size === 0) {",
        replace: "else if (request.inFlight.size < 0) {",
      },
      {
        name: "sharing: a call is done twice after its owner was lost",
        find: "if (isIdempotent || isUnprocessed(failure)) return true;",
        replace: "return true;",
      },
      {
        name: "sharing: a call in flight is done twice after its owner was lost",
        find: "if (lostMs === undefined || isScheduled || !arrival.isIdempotent) continue;",
        replace: "if (lostMs === undefined || isScheduled) continue;",
      },
      {
        name: "sharing: a call whose replica was lost with the owner waits for ever",
        find: "if (nowMs - lostMs < orphanMs) continue;",
        replace: "if (nowMs >= lostMs) continue;",
      },
      {
        name: "sharing: attempts of two owners are mixed up",
        find: "session = (session + 1) % maxSessions;",
        replace: "",
      },
      {
        name: "sharing: a replica that is not known here is called",
        find: "if (!knows(replicaId)) {",
        replace: 'if (replicaId === "") {',
      },
    ],
  ),
  ...mutantsOf(
    `${routing}/followers.ts`,
    [`${routing}/relay.test.ts`],
    [
      {
        name: "sharing: a gateway ends the attempts of others",
        find: "if (attempts.get(message.attemptId) !== peer) return undefined;",
        replace: "if (!attempts.has(message.attemptId)) return undefined;",
      },
      {
        name: "sharing: a gateway takes the answers of its other request",
        find: "if (followers.get(peer)?.requests.has(id)) return undefined;",
        replace: "",
      },
      {
        name: "sharing: an answer is late by the way between gateways",
        find: "const deadlineMs = nowMs + leftMs - detourMs;",
        replace: "const deadlineMs = nowMs + leftMs;",
      },
    ],
  ),
  ...mutantsOf(
    `${routing}/shared-scheduler.ts`,
    ["test/end-to-end/sharing.test.ts"],
    [
      {
        name: "sharing: a gateway that is alone takes all slots",
        find: 'const shares = role === "owner" ? 1 : Math.max(2, gatewayCount);',
        replace: "const shares = 1;",
      },
    ],
  ),
];
