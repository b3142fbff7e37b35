import { describe, expect, test } from "vitest";
import {
  planForDevice,
  planForMemory,
  type ReloadPlan,
  type VersionOrigin,
} from "./reload-plan.ts";

/** `a@1`, or `a@1:elsewhere` for one from another file. */
function version(text: string): VersionOrigin {
  const [id = "", origin = "here"] = text.split(":");
  const [name = "", number = "1"] = id.split("@");
  return { name, version: BigInt(number), origin };
}

const textOf = ({ name, version: number }: VersionOrigin) => `${name}@${number}`;

function told({ reject, unload, load }: ReloadPlan<VersionOrigin>) {
  return {
    reject: reject.map(({ wanted }) => textOf(wanted)),
    unload: unload.map(textOf),
    load: load.map(({ wanted, replaces }) =>
      replaces.length > 0
        ? `${textOf(wanted)} for ${replaces.map(textOf).join(" and ")}`
        : textOf(wanted),
    ),
  };
}

interface Case {
  readonly loaded: string;
  readonly wanted: string;
  readonly untouched?: string;
  readonly labelled?: string;
  readonly plan: ReturnType<typeof told>;
  readonly because: string;
}

const listed = (text: string) => text.split(" ").filter(Boolean);
const parts = ({
  loaded,
  wanted,
  untouched = "",
  labelled = "",
}: Omit<Case, "plan" | "because">) => ({
  loaded: listed(loaded).map(version),
  wanted: listed(wanted).map(version),
  untouched: new Set(listed(untouched)),
  isLabelled: (origin: VersionOrigin) => listed(labelled).includes(textOf(origin)),
});

describe("in memory", () => {
  test.each<Case>([
    {
      loaded: "a@1 b@1",
      wanted: "b@1 c@1",
      plan: { reject: [], unload: ["a@1"], load: ["c@1"] },
      because: "what is listed stays, the rest comes and goes",
    },
    {
      loaded: "a@1 a@3",
      wanted: "a@2 a@3",
      plan: { reject: [], unload: ["a@1"], load: ["a@2"] },
      because: "a version goes first while another one of its name is served",
    },
    {
      loaded: "a@1 a@3",
      wanted: "a@4 a@2 a@3",
      labelled: "a@1",
      plan: { reject: [], unload: [], load: ["a@4", "a@2 for a@1"] },
      because: "a label is never without a version",
    },
    {
      loaded: "a@1",
      wanted: "a@2",
      plan: { reject: [], unload: [], load: ["a@2 for a@1"] },
      because: "a name is never without a model",
    },
    {
      loaded: "a@1",
      wanted: "a@1:elsewhere",
      plan: { reject: [], unload: ["a@1"], load: ["a@1"] },
      because: "one version cannot be there twice",
    },
    {
      loaded: "a@1 b@1",
      wanted: "",
      untouched: "b",
      plan: { reject: [], unload: ["a@1"], load: [] },
      because: "what could not be found is left as it was",
    },
    {
      loaded: "a@1 a@2",
      wanted: "a@4 a@3",
      plan: { reject: [], unload: [], load: ["a@4 for a@1 and a@2", "a@3 for a@1 and a@2"] },
      because: "old versions wait for the first new one",
    },
    {
      loaded: "a@1 a@2",
      wanted: "a@3 a@2",
      plan: { reject: [], unload: ["a@1"], load: ["a@3"] },
      because: "an old version does not wait while one that is wanted is served",
    },
    {
      loaded: "a@1 a@2",
      wanted: "a@2:elsewhere",
      plan: { reject: [], unload: ["a@2"], load: ["a@2 for a@1"] },
      because: "only the version that is the same has to leave first",
    },
  ])("from [$loaded] to [$wanted]: $because", (each) => {
    expect(told(planForMemory(parts(each)))).toEqual(each.plan);
  });
});

describe("on a device", () => {
  test.each<Case>([
    {
      loaded: "",
      wanted: "a@1 b@1",
      plan: { reject: ["b@1"], unload: [], load: ["a@1"] },
      because: "the first one gets it",
    },
    {
      loaded: "a@1",
      wanted: "b@1",
      plan: { reject: [], unload: ["a@1"], load: ["b@1"] },
      because: "the old one makes room",
    },
    {
      loaded: "b@1",
      wanted: "a@1 b@1",
      plan: { reject: ["a@1"], unload: [], load: [] },
      because: "what it holds and is listed stays",
    },
    {
      loaded: "a@1",
      wanted: "a@2",
      plan: { reject: ["a@2"], unload: [], load: [] },
      because: "a new version would have to come before the old one leaves",
    },
    {
      loaded: "a@1",
      wanted: "b@1",
      untouched: "a",
      plan: { reject: ["b@1"], unload: [], load: [] },
      because: "what it holds is listed, though its folder was not found",
    },
    {
      loaded: "a@1",
      wanted: "",
      plan: { reject: [], unload: ["a@1"], load: [] },
      because: "an empty list leaves it empty",
    },
  ])("from [$loaded] to [$wanted]: $because", (each) => {
    expect(told(planForDevice(parts(each)))).toEqual(each.plan);
  });

  test("a rejected model learns which model has the device", () => {
    const plan = planForDevice(parts({ loaded: "a@7", wanted: "b@1", untouched: "a" }));

    expect(plan.reject[0]?.failure).toEqual({
      code: 8,
      message: "the device holds one model at a time, and a version 7 has it",
    });
  });
});
