import type { GatewayStatus, ReplicaStatus } from "@tensorgate/core";
import { expect, test } from "vitest";
import { joinedStatus } from "./worker-status.ts";

const replica: ReplicaStatus = {
  id: "eastus-1",
  address: "10.0.0.1:8500",
  state: "ready",
  inFlight: 1,
  slots: 4,
  answered: 10,
  failed: 0,
  ejections: 0,
  serviceMs: 2,
};

function statusOf(
  uptimeMs: number,
  waiting: number,
  replicas: readonly ReplicaStatus[],
): GatewayStatus {
  const pool = { model: "shapes", waiting, isOverloaded: waiting > 5, replicas };
  const regions = [{ name: "eastus", roundTripMs: uptimeMs / 10, pools: [pool] }];
  return { version: "1.0.0", region: "eastus", uptimeMs, retriesLeft: 10, regions };
}

test("counts add up, and times are means by answers", () => {
  const other = { ...replica, inFlight: 2, answered: 30, failed: 3, ejections: 1, serviceMs: 6 };

  const joined = joinedStatus([statusOf(100, 2, [replica]), statusOf(50, 4, [other])]);

  expect(joined).toEqual({
    version: "1.0.0",
    region: "eastus",
    uptimeMs: 100,
    retriesLeft: 20,
    regions: [
      {
        name: "eastus",
        roundTripMs: 5,
        pools: [
          {
            model: "shapes",
            waiting: 6,
            isOverloaded: false,
            replicas: [
              {
                ...replica,
                inFlight: 3,
                slots: 8,
                answered: 40,
                failed: 3,
                ejections: 1,
                serviceMs: 5,
              },
            ],
          },
        ],
      },
    ],
  });
});

test("a replica that one worker excluded is used as long as another one uses it", () => {
  const out = { ...replica, state: "ejected" as const, lastProbe: "refused" };
  const stateOf = (...replicas: ReplicaStatus[]) => {
    const [first, ...rest] = replicas.map((each) => statusOf(1, 0, [each]));
    return first && joinedStatus([first, ...rest]).regions[0]?.pools[0]?.replicas[0];
  };

  expect(stateOf(out, replica)).toMatchObject({ state: "ready", lastProbe: "refused" });
  expect(stateOf(out, { ...replica, state: "warming" })).toMatchObject({ state: "warming" });
  expect(stateOf(out, out)).toMatchObject({ state: "ejected" });
});

test("where one worker schedules the calls of all, its figures are those of all", () => {
  const sharing = { gatewayCount: 2, ownersLost: 0 };
  const owner = {
    ...statusOf(50, 3, [{ ...replica, answered: 90 }]),
    sharing: { ...sharing, role: "owner" as const },
  };
  const follower = {
    ...statusOf(100, 0, [replica]),
    sharing: { ...sharing, role: "follower" as const },
  };

  expect(joinedStatus([follower, owner])).toEqual({ ...owner, uptimeMs: 100 });
});

test("free devices are those of the worker that counts them, also where another one owns the slots", () => {
  const capacity = { devices: [], ageMs: 1 };
  const counting = { ...statusOf(1, 0, []), capacity };
  const sharing = { role: "owner" as const, gatewayCount: 2, ownersLost: 0 };

  expect(joinedStatus([statusOf(1, 0, []), counting]).capacity).toBe(capacity);
  expect(joinedStatus([counting, { ...statusOf(1, 0, []), sharing }]).capacity).toBe(capacity);
  expect(joinedStatus([statusOf(1, 0, [])])).not.toHaveProperty("capacity");
});

test("replicas that only some workers know are listed once", () => {
  const late = { ...replica, id: "eastus-2", address: "10.0.0.2:8500" };

  const joined = joinedStatus([statusOf(1, 0, [replica]), statusOf(1, 0, [replica, late])]);

  expect(joined.regions[0]?.pools[0]?.replicas.map(({ id, slots }) => [id, slots])).toEqual([
    ["eastus-1", 8],
    ["eastus-2", 4],
  ]);
});
