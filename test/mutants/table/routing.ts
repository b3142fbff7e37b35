import { type Mutant, mutantsOf } from "../mutant.ts";

const routing = "packages/gateway/src/routing";
const scheduler = `${routing}/scheduler`;
const simulation = "packages/gateway/simulation/properties.test.ts";

/** Where a call may go, how often, and until when. */
export const routingMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${scheduler}/regions/region-selection.ts`,
    ["test/end-to-end/residency.test.ts", `${scheduler}/regions/hop-limit.test.ts`],
    [
      {
        name: "residency: left when a call is placed",
        find: "if (residency && !residency.includes(region)) return false;",
        replace: "",
      },
      {
        name: "hops: sent on by a second gateway",
        find: "return !isForwarded ||",
        replace: "return isForwarded || !isForwarded ||",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/replicas/outlier-detection.ts`,
    [`${scheduler}/replicas/slow-replica.test.ts`],
    [
      {
        name: "outliers: one pause ejects a replica",
        find: "if (isSlow && isLasting &&",
        replace: "if (isSlow &&",
      },
      {
        name: "outliers: a replica that has become slow counts as usual",
        find: "const usualMs = replica.slowInARow > 0 ? replica.usualBeforeMs : replica.slots.usualMs;",
        replace: "const { usualMs } = replica.slots;",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/replicas/replica.ts`,
    [`${scheduler}/replicas/slow-replica.test.ts`],
    [
      {
        name: "outliers: what was in flight with the first slow reply ends its row",
        find: "} else if (isUsual && sentMs >= this.slowSinceMs) this.slowInARow = 0;",
        replace: "} else this.slowInARow = 0;",
      },
    ],
  ),
  ...mutantsOf(
    `${routing}/ask-nearest.ts`,
    [`${routing}/ask-nearest.test.ts`, "test/end-to-end/residency.test.ts"],
    [
      {
        name: "residency: left when a model is asked about",
        find: "ofModel.filter(({ region }) => !residency || residency.includes(region))",
        replace: "ofModel.filter(({ region }) => !residency || region !== '')",
      },
      {
        name: "asking: any number of replicas",
        find: "const maxAsked = 4;",
        replace: "const maxAsked = 400;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/core/src/call.ts",
    [
      "test/end-to-end/residency.test.ts",
      "packages/gateway/src/inbound/protocols/incoming-call.test.ts",
    ],
    [
      {
        name: "residency: the wider of two lists",
        find: "common && list ? common.filter((region) => list.includes(region))",
        replace: "common && list ? [...common, ...list]",
      },
      {
        name: "residency: that of the model is ignored",
        find: "const residency = regions && commonRegions(call.hints.residency, regions);",
        replace: "const residency = call.hints.residency;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/call-headers.ts",
    [
      "packages/gateway/src/inbound/protocols/incoming-call.test.ts",
      "test/end-to-end/residency.test.ts",
    ],
    [
      {
        name: "hops: any number of gateways",
        find: "if (hops <= maxHops) return hops;",
        replace: "if (hops >= 0) return hops;",
      },
    ],
  ),
  ...mutantsOf(
    `packages/gateway/src/inbound/protocols/incoming-call.ts`,
    [
      "packages/gateway/src/inbound/protocols/incoming-call.test.ts",
      "test/end-to-end/residency.test.ts",
    ],
    [
      {
        name: "residency: that of the key is ignored",
        find: ": commonRegions(parseRegions(regions), caller?.residency);",
        replace: ": parseRegions(regions);",
      },
      {
        name: "deadline: as long as the caller likes",
        find: "Math.min(Math.max(0, askedMs), requests.maxTimeoutMs)",
        replace: "Math.max(0, askedMs)",
      },
      {
        name: "deadline: it ends nothing",
        find: "const timer = clock.setTimer(timeoutMs, expire);",
        replace: "const timer = clock.setTimer(timeoutMs, () => {});",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/retries.ts`,
    [`${scheduler}/retries.test.ts`],
    [
      {
        name: "repetition: of what must not be repeated",
        find: 'if (!request.isIdempotent) return "give-up";',
        replace: "",
      },
      {
        name: "repetition: without end",
        find: 'if (request.failedCount >= maxAttempts) return "give-up";',
        replace: "",
      },
      {
        name: "repetition: of a poison request",
        find: 'if (request.lostReplicaCount >= maxLostReplicas) return "reject-poison";',
        replace: "",
      },
      {
        name: "repetition: beyond the budget",
        find: '? "give-up" : "retry-if-budgeted"',
        replace: '? "give-up" : "retry"',
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/attempts.ts`,
    [`${routing}/router.test.ts`, simulation, "test/end-to-end/replica-failures.test.ts"],
    [
      {
        name: "repetition: when slow, of what must not be repeated",
        find: "if (!isAlone || !request.isIdempotent) return;",
        replace: "if (!isAlone) return;",
      },
      {
        name: "repetition: when slow, beyond the budget",
        find: "if (retries.withdraw()) admission.enter(request, true);",
        replace: "admission.enter(request, true);",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/queues/admission.ts`,
    [`${routing}/router.test.ts`, simulation],
    [
      {
        name: "repetition: a hedge of what must not be repeated",
        find: "mayHedge: arrival.mayHedge && arrival.isIdempotent,",
        replace: "mayHedge: arrival.mayHedge,",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/attempts.ts`,
    [`${scheduler}/small-parts.test.ts`],
    [
      {
        name: "budget: retries without end",
        find: "if (budget.left < 1) return false;",
        replace: "",
      },
      {
        name: "budget: retries are saved up without end",
        find: "budget.left = Math.min(budget.left + share, Math.max(maxBalance, reserve));",
        replace: "budget.left += share;",
      },
    ],
  ),
  ...mutantsOf(
    `${scheduler}/pool.ts`,
    [`${scheduler}/regions/foreseen-wait.test.ts`],
    [
      {
        name: "regions: the wait is that of a round trip ago",
        find: "reportedWaitMs(survey, pool.targetMs(survey), survey.roundTripMs)",
        replace: "reportedWaitMs(survey, pool.targetMs(survey))",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/routing/scheduler/replicas/slots.ts",
    ["packages/gateway/src/routing/scheduler/replicas/slots.test.ts"],
    [
      {
        name: "slots: one from the front is not taken out",
        find: "else this.#first = after;",
        replace: "",
      },
      {
        name: "slots: one from the end is not taken out",
        find: "else this.#last = before;",
        replace: "",
      },
      {
        name: "slots: one from the middle takes those behind it along",
        find: "if (before) before.after = after;",
        replace: "if (before) before.after = undefined;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/routing/scheduler/replicas/latency.ts",
    ["packages/gateway/src/routing/scheduler/small-parts.test.ts"],
    [
      {
        name: "service time: NaN is remembered",
        find: "if (Number.isNaN(durationMs)) return;",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/core/src/collections.ts",
    ["packages/core/src/collections.test.ts"],
    [
      {
        name: "heap: an item that was removed has its place still",
        find: "item.heapIndex = notInHeap;",
        replace: "",
      },
      {
        name: "heap: the last item does not take the place of one that was removed",
        find: "if (last !== item) place(last, heapIndex);",
        replace: "if (last !== item) heap.first = items[0];",
      },
    ],
  ),
];
