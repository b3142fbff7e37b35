import { type Mutant, mutantsOf } from "../mutant.ts";

const rollout = "packages/gateway/src/rollout";
const models = "packages/gateway/src/models";

/** Which version answers, and what must not be served at all. */
export const rolloutMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${rollout}/machine/machine.ts`,
    [`${rollout}/machine/machine.test.ts`],
    [
      {
        name: "rollout: a condition is never looked at",
        find: "if (!holds) continue;",
        replace: "if (holds || !holds) continue;",
      },
      {
        name: "rollout: aborted by the first calls",
        find: "measured.count < running.plan.minCalls",
        replace: "measured.count < 1",
      },
      {
        name: "rollout: an abort keeps the new version",
        find: "return ended(state, { stable: plan.from, leaving, text: `aborted",
        replace: "return ended(state, { stable: plan.to, leaving, text: `aborted",
      },
    ],
  ),
  ...mutantsOf(
    `${rollout}/machine/devices.ts`,
    [`${rollout}/machine/devices.test.ts`],
    [
      {
        name: "devices: a step takes the floor",
        find: "return left >= floor",
        replace: "return left >= -1",
      },
      {
        name: "devices: the last device is taken while calls need it",
        find: "if (old > 1 || fresh === 0 || openCalls === 0) return undefined;",
        replace: "if (openCalls >= 0) return undefined;",
      },
      {
        name: "devices: a version gets calls before a device holds it",
        find: "Math.min(step, fresh === 0 ? 0 : fresh / (old + fresh))",
        replace: "step",
      },
      {
        name: "devices: an aborted version goes on answering",
        find: "if (!leaving?.answers) return",
        replace: "if (!leaving) return",
      },
    ],
  ),
  ...mutantsOf(
    `${rollout}/rollouts.ts`,
    [`${rollout}/rollouts.test.ts`],
    [
      {
        name: "rollout: a step does not wait for replicas",
        find: "if (running && waitsFor(model) === undefined) {",
        replace: "if (running) {",
      },
    ],
  ),
  ...mutantsOf(
    `${rollout}/shadow.ts`,
    [`${rollout}/rollouts.test.ts`],
    [
      {
        name: "shadow: sent while calls are queued",
        find: "inFlight >= maxInFlight || hasQueue()",
        replace: "inFlight >= maxInFlight",
      },
      {
        name: "shadow: any number at the same time",
        find: "inFlight >= maxInFlight ||",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${models}/heads/assert-backbone.ts`,
    ["test/end-to-end/heads.test.ts"],
    [{ name: "head: any backbone will do", find: "if (isSame) return;", replace: "return;" }],
  ),
  ...mutantsOf(
    `${models}/golden/golden-checks.ts`,
    [`${models}/golden/golden-checks.test.ts`],
    [
      {
        name: "golden: any label will do",
        find: "if (share >= minShare) return undefined;",
        replace: "if (share >= 0) return undefined;",
      },
    ],
  ),
  ...mutantsOf(
    `${rollout}/swap-lease.ts`,
    [`${rollout}/swap-lease.test.ts`],
    [
      {
        name: "rollout: a lease that is being created is taken over",
        find: "    text: undefined,\n    sinceMs",
        replace: '    text: "",\n    sinceMs',
      },
      {
        name: "rollout: a stalled holder has its lease still",
        find: "if (isOwn && nowMs - beatMs < silentMs) {",
        replace: "if (isOwn) {",
      },
    ],
  ),
  ...mutantsOf(
    `${rollout}/device-swaps.ts`,
    [`${rollout}/device-swaps.test.ts`],
    [
      {
        name: "rollout: devices are swapped without the lease",
        find: "const isOurs = await isInCharge();",
        replace: "const isOurs = true;",
      },
    ],
  ),
];
