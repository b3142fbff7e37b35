import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { decoderDefaults } from "@tensorgate/imaging";
import { expect, test } from "vitest";
import { capacityDefaults } from "../packages/gateway/src/capacity/options.ts";
import {
  crossSiteDefaults,
  listenDefaults,
  requestDefaults,
} from "../packages/gateway/src/inbound/options.ts";
import { wireStatus } from "../packages/gateway/src/inbound/protocols/wire-status.ts";
import { pictureDefaults } from "../packages/gateway/src/models/options.ts";
import { cacheDefaults } from "../packages/gateway/src/pipeline/options.ts";
import { rolloutDefaults } from "../packages/gateway/src/rollout/options.ts";
import { routingDefaults } from "../packages/gateway/src/routing/options.ts";
import { rejectionError } from "../packages/gateway/src/routing/rejection-error.ts";
import { channelDefaults } from "../packages/gateway/src/upstream/transport/options.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const gateway = "packages/gateway/src";

/** Rows of a table whose first cell is code. */
function rows(page: string): readonly (readonly string[])[] {
  return page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

test("docs/errors.md lists every reason with its codes", () => {
  const documented = Object.fromEntries(
    rows(read("docs/errors.md")).map(([reason, grpc, http]) => [reason, [grpc, http]]),
  );
  const { "upstream-answered": _ofTheReplica, ...own } = wireStatus;
  const expected = Object.fromEntries(
    Object.entries(own).map(([reason, { grpc, http }]) => [reason, [String(grpc), String(http)]]),
  );

  expect(documented).toMatchObject(expected);
  expect(Object.keys(documented).sort()).toEqual(Object.keys(wireStatus).sort());
});

const optionFiles = [
  { section: "listen", file: `${gateway}/inbound/options.ts`, defaults: listenDefaults },
  {
    section: "crossSite",
    file: `${gateway}/inbound/options.ts`,
    defaults: crossSiteDefaults,
  },
  { section: "requests", file: `${gateway}/inbound/options.ts`, defaults: requestDefaults },
  { section: "pictures", file: `${gateway}/models/options.ts`, defaults: pictureDefaults },
  {
    section: "decoding",
    file: "packages/imaging/src/decoders/options.ts",
    defaults: decoderDefaults,
  },
  { section: "capacity", file: `${gateway}/capacity/options.ts`, defaults: capacityDefaults },
  { section: "cache", file: `${gateway}/pipeline/options.ts`, defaults: cacheDefaults },
  { section: "rollouts", file: `${gateway}/rollout/options.ts`, defaults: rolloutDefaults },
  { section: "routing", file: `${gateway}/routing/options.ts`, defaults: routingDefaults },
  {
    section: "upstream",
    file: `${gateway}/upstream/transport/options.ts`,
    defaults: channelDefaults,
  },
];

const documentedValue = (text: string | undefined) =>
  text?.startsWith('"') || text === "[]" ? JSON.parse(text) : Number(text?.replaceAll("_", ""));

test.each(optionFiles)("the defaults of $section are those of its docstrings", (each) => {
  const tags = [...read(each.file).matchAll(/@default (\S+)\s*\*\/\s*readonly (\w+)\?/g)];
  const documented = Object.fromEntries(
    tags.map(([, value, name = ""]) => [name, documentedValue(value)]),
  );

  expect(documented).toMatchObject(each.defaults);
});

test.each(optionFiles)("docs/options.md lists the defaults of $section", (each) => {
  const documented = Object.fromEntries(
    rows(read("docs/options.md"))
      .filter(([name, value]) => name?.startsWith(`${each.section}.`) && value !== "none")
      .map(([name, value]) => [name?.slice(each.section.length + 1), documentedValue(value)]),
  );

  expect(documented).toEqual(each.defaults);
});

test("the README has fewer than 200 lines", () => {
  expect(read("README.md").split("\n").length).toBeLessThan(200);
});

test("every test that SECURITY.md names is there", () => {
  const root = new URL("..", import.meta.url).pathname;
  const files = globSync(["packages/*/src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root });
  const there = new Set(files.map((file) => path.basename(file)));
  const named = [...read("SECURITY.md").matchAll(/`(?:[\w/-]+\/)?([\w-]+\.test\.ts)`/g)];

  expect(named.length).toBeGreaterThan(30);
  expect(named.map(([, name = ""]) => name).filter((name) => !there.has(name))).toEqual([]);
});

test("docs/devices.md quotes the error of a model that no device holds", () => {
  const { message, hint } = rejectionError("model-not-ready", {
    model: "ssd",
    devices: {
      aliases: ["westeurope-1", "westeurope-2"],
      isAnyOut: true,
      swap: { elapsedMs: 14_000, usualMs: 45_000 },
    },
  });

  expect(read("docs/devices.md")).toContain(`    ${message}\n    ${hint}\n`);
});
