import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { createGateway, type GatewayOptions } from "@tensorgate/gateway";
import { expect, onTestFinished, test, vi } from "vitest";
import { configChanges } from "./config-changes.ts";
import { createConfigReload } from "./config-reload.ts";
import { watchConfig } from "./config-watch.ts";

const pool = (model: string, region: string, replica = "127.0.0.1:9") => ({
  model,
  region,
  replicas: [replica],
});

test("added, removed and changed parts are logged by name", () => {
  const digest = "0".repeat(64);
  const before: GatewayOptions = {
    models: [{ name: "a" }, { name: "b" }],
    pools: [pool("a", "eastus"), pool("b", "eastus")],
    keys: [{ id: "app", sha256: digest, models: ["*"] }],
  };
  const after: GatewayOptions = {
    models: [{ name: "a", cache: true }, { name: "c" }],
    pools: [pool("a", "eastus", "127.0.0.1:10"), pool("c", "westus")],
    keys: [{ id: "app", sha256: digest, models: ["*"] }],
    allowPlaintextKeys: true,
  };

  expect(configChanges(before, after)).toEqual([
    ...["model a changed", "model b removed", "model c added"],
    ...["pool a in eastus changed", "pool b in eastus removed", "pool c in westus added"],
    "allowPlaintextKeys changed",
  ]);
});

/** A folder with a configuration, watched; counts the changes that were noticed. */
function watchedFolder({ isMounted = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-serve-"));
  const file = join(folder, "tensorgate.yaml");
  if (isMounted) {
    // As Kubernetes mounts a ConfigMap.
    mkdirSync(join(folder, "..1"));
    writeFileSync(join(folder, "..1", "tensorgate.yaml"), "one");
    symlinkSync("..1", join(folder, "..data"));
    symlinkSync("..data/tensorgate.yaml", file);
  } else writeFileSync(file, "one");
  const clock = manualClock();
  let changeCount = 0;
  const watching = watchConfig(file, {
    onChange: () => {
      changeCount += 1;
    },
    onError: (error) => {
      throw error;
    },
    clock,
  });
  onTestFinished(() => {
    watching[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  const noticed = () => vi.waitFor(() => expect(clock.pendingTimersMs()).toHaveLength(1));
  return { folder, file, clock, noticed, changeCount: () => changeCount };
}

test.each([
  {
    how: "is written",
    change: ({ file }: { file: string }) => writeFileSync(file, "two"),
  },
  {
    how: "is replaced, as editors do",
    change: ({ file, folder }: { file: string; folder: string }) => {
      writeFileSync(join(folder, ".new"), "two");
      renameSync(join(folder, ".new"), file);
    },
  },
  {
    how: "is exchanged behind its link, as a ConfigMap is",
    isMounted: true,
    change: ({ folder }: { folder: string }) => {
      mkdirSync(join(folder, "..2"));
      writeFileSync(join(folder, "..2", "tensorgate.yaml"), "two");
      symlinkSync("..2", join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    },
  },
])(
  "a file that $how is noticed once, when it has settled",
  async ({ change, isMounted = false }) => {
    const watched = watchedFolder({ isMounted });

    change(watched);
    await watched.noticed();
    watched.clock.advance(199);
    expect(watched.changeCount()).toBe(0);
    watched.clock.advance(1);

    expect(watched.changeCount()).toBe(1);
  },
);

test("other files of the folder are ignored", async () => {
  const { folder, file, clock, noticed, changeCount } = watchedFolder();

  writeFileSync(join(folder, "gateway.log"), "a line");
  writeFileSync(file, "two");
  await noticed();
  clock.advance(200);

  expect(changeCount()).toBe(1);
});

test("a folder that cannot be watched is reported", () => {
  const errors: Error[] = [];

  watchConfig("/nowhere/tensorgate.yaml", {
    onChange: () => {},
    onError: (error) => errors.push(error),
    clock: manualClock(),
  })[Symbol.dispose]();

  expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining("ENOENT")]);
});

/** A reload of what `next` holds, and what the log says. */
function reloading(initial: GatewayOptions) {
  const said: string[] = [];
  const gateway = createGateway(initial);
  const next: { read: () => GatewayOptions } = { read: () => initial };
  const reload = createConfigReload({
    file: "t.yaml",
    read: () => next.read(),
    gateway,
    initial,
    log: {
      info: (line) => said.push(line),
      warn: (line) => said.push(`warn: ${line}`),
    },
  });
  onTestFinished(() => gateway.close(0));
  return { reload, next, said };
}

const initial: GatewayOptions = { listen: { port: 0 }, pools: [pool("a", "eastus")] };

test("what a running gateway cannot change is named", () => {
  const { reload, next, said } = reloading(initial);
  next.read = () => ({
    listen: { port: 1 },
    routing: { maxAttempts: 2 },
    pools: [pool("a", "westus")],
  });

  reload.ifChanged();

  expect(said).toEqual([
    "configuration reloaded from t.yaml: pool a in eastus removed, pool a in westus added",
    "warn: restart to apply the changes of listen, routing in t.yaml",
  ]);
});

test("no news is silent unless it was asked for", () => {
  const { reload, said } = reloading(initial);

  reload.ifChanged();
  expect(said).toEqual([]);
  reload.now();

  expect(said).toEqual(["configuration reloaded from t.yaml: no model, pool or key changed"]);
});

test("a fault is logged once, and so is its end", () => {
  const { reload, next, said } = reloading(initial);
  next.read = () => {
    throw new Error("t.yaml has 1 fault");
  };

  reload.ifChanged();
  reload.ifChanged();
  next.read = () => initial;
  reload.ifChanged();

  expect(said).toEqual([
    "warn: configuration rejected, keeping the previous one: t.yaml has 1 fault",
    "configuration reloaded from t.yaml: no model, pool or key changed",
  ]);
});

test("what the gateway finds wrong itself leaves it as it was", () => {
  const { reload, next, said } = reloading(initial);
  next.read = () => ({
    ...initial,
    pools: [{ ...pool("a", "eastus"), key: { env: "NOT_SET_1" } }],
  });

  reload.now();

  expect(said).toEqual([expect.stringMatching(/^warn: configuration rejected, .*NOT_SET_1/)]);
});

test("a file that has lost its keys takes none away by itself, only when asked", () => {
  const keys = [{ id: "app", sha256: "0".repeat(64), models: ["*"] }];
  const { reload, next, said } = reloading({ ...initial, keys });
  next.read = () => initial;

  reload.ifChanged();
  expect(said).toEqual([
    expect.stringMatching(/keeping the previous one: all keys were removed; send SIGHUP/),
  ]);
  reload.now();

  expect(said.slice(1)).toEqual(["configuration reloaded from t.yaml: key app removed"]);
});
