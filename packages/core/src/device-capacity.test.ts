import { expect, test } from "vitest";
import { capacityLines, type DeviceCapacity } from "./device-capacity.ts";

const fpga = (regions: Readonly<Record<string, readonly [free: number, total: number]>>) =>
  ({
    resource: "xilinx.com/fpga",
    regions: Object.entries(regions).map(([name, [freeCount, totalCount]]) => ({
      name,
      freeCount,
      totalCount,
    })),
  }) satisfies DeviceCapacity;

test.each([
  { regions: {}, line: "no node has xilinx.com/fpga" },
  {
    regions: { eastus: [0, 2], westeurope: [2, 2] },
    line: "no free xilinx.com/fpga in eastus (2 in use); westeurope has 2 of 2",
  },
  {
    regions: { eastus: [1, 2], westeurope: [2, 2] },
    line: "free xilinx.com/fpga: eastus has 1 of 2, westeurope has 2 of 2",
  },
  { regions: { "": [0, 1] }, line: "no free xilinx.com/fpga in the cluster (1 in use)" },
] as const)("devices are reported as: $line", ({ regions, line }) => {
  expect(capacityLines({ devices: [fpga(regions)], ageMs: 1 })).toEqual([line]);
});

test.each([
  { capacity: { devices: [] }, lines: ["free devices are unknown: not read yet"] },
  {
    capacity: { devices: [], because: "the API server answers 403" },
    lines: ["free devices are unknown: the API server answers 403"],
  },
  {
    capacity: { devices: [fpga({ eastus: [1, 1] })], ageMs: 90_400, because: "no answer" },
    lines: [
      "free xilinx.com/fpga: eastus has 1 of 1",
      "free devices are those of 90 s ago: no answer",
    ],
  },
])("what is not known is said: $lines", ({ capacity, lines }) => {
  expect(capacityLines(capacity)).toEqual(lines);
});
