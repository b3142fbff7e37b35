import { expect, test } from "vitest";
import { isPodReady, isPodRunning, podList } from "./kubernetes-objects.ts";

const pod = (name: string, phase: string, more: object = {}) => ({
  metadata: { name, namespace: "default", labels: {}, ...more },
  spec: { containers: [] },
  status: { phase, conditions: [{ type: "Ready", status: "True" }] },
});

test("a pod that terminates is counted no more, although it is ready for a while", () => {
  const { items } = podList.parse({
    items: [
      pod("stays", "Running"),
      pod("leaves", "Running", { deletionTimestamp: "2026-11-29T20:00:00Z" }),
      pod("ended", "Failed"),
    ],
  });

  expect(items.filter(isPodRunning).map(({ metadata }) => metadata.name)).toEqual(["stays"]);
  expect(items.map(isPodReady)).toEqual([true, false, true]);
});
