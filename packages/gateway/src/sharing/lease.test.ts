import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import type { KubernetesAccount } from "../kubernetes-account.ts";
import { createKubernetesLease } from "./kubernetes-lease.ts";
import { createFileLease, type Lease } from "./lease.ts";

function fileLease(): Lease {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-lease-"));
  onTestFinished(() => {
    expect(readdirSync(folder).filter((name) => name !== "owner")).toEqual([]);
    rmSync(folder, { recursive: true });
  });
  return createFileLease(join(folder, "owner"));
}

interface Stored {
  readonly metadata: { readonly resourceVersion: string; readonly labels?: object };
  readonly spec?: { readonly holderIdentity: string | null };
}

/** An API server with the rules for one Lease, which is there or is not. */
function kubernetesLease(initial?: Stored): Lease & { stored(): Stored | undefined } {
  let stored = initial;
  let version = 1;
  const account: KubernetesAccount = {
    namespace: "models",
    send: async ({ method = "GET", path, body }) => {
      const leases = "/apis/coordination.k8s.io/v1/namespaces/models/leases";
      expect(path).toBe(method === "POST" ? leases : `${leases}/gateways`);
      const statusCode = handle(method, body as Stored);
      const text = JSON.stringify(statusCode < 300 ? stored : {});
      const response = Readable.from([text]) as unknown as IncomingMessage;
      return Object.assign(response, { statusCode });
    },
  };

  function handle(method: string, { metadata, ...rest }: Stored = { metadata: noVersion }): number {
    if (method === "POST" && stored) return 409;
    if (method !== "POST" && !stored) return 404;
    if (method === "GET") return 200;
    const { resourceVersion: seen } = metadata;
    if (method === "PATCH" && seen !== stored?.metadata.resourceVersion) return 409;
    version += 1;
    const merged = { ...stored?.metadata, ...metadata, resourceVersion: String(version) };
    stored = { ...stored, ...rest, metadata: merged };
    return method === "POST" ? 201 : 200;
  }
  return { ...createKubernetesLease(account, { name: "gateways" }), stored: () => stored };
}

const noVersion = { resourceVersion: "" };

test("a Lease that a chart made keeps its labels", async () => {
  const labels = { "app.kubernetes.io/managed-by": "Helm" };
  const lease = kubernetesLease({ metadata: { resourceVersion: "1", labels } });
  const seen = await lease.read();

  expect(seen).toEqual({ holder: "", version: "1" });
  expect(await lease.take("a:1", seen)).toBe(true);
  expect(lease.stored()).toMatchObject({ metadata: { labels }, spec: { holderIdentity: "a:1" } });
});

describe.each([
  ["in a file", fileLease],
  ["of Kubernetes", () => kubernetesLease()],
])("a lease %s", (_where, create) => {
  test("has no holder at first, and then the gateway that took it", async () => {
    const lease = create();

    expect(await lease.read()).toBeUndefined();
    expect(await lease.take("a:1", undefined)).toBe(true);
    expect(await lease.take("b:1", undefined)).toBe(false);
    expect(await lease.read()).toMatchObject({ holder: "a:1" });
  });

  test("is taken over only as it was seen", async () => {
    const lease = create();
    await lease.take("a:1", undefined);
    const seen = await lease.read();

    expect(await lease.take("b:1", seen)).toBe(true);
    expect(await lease.take("c:1", seen)).toBe(false);
    expect(await lease.read()).toMatchObject({ holder: "b:1" });
  });

  test("goes to one of several that take it at the same time", async () => {
    const lease = create();
    const holders = ["a:1", "b:1", "c:1", "d:1"];

    const won = await Promise.all(holders.map((holder) => lease.take(holder, undefined)));

    expect(won.filter(Boolean)).toHaveLength(1);
    expect((await lease.read())?.holder).toBe(holders[won.indexOf(true)]);
  });

  test("goes to one of several that take it over at the same time", async () => {
    for (let trial = 0; trial < 40; trial += 1) {
      const lease = create();
      await lease.take("a:1", undefined);
      const seen = await lease.read();
      const holders = ["b:1", "c:1", "d:1", "e:1"];

      const takeLater = async (holder: string, at: number) => {
        for (let turn = (trial * (at + 1)) % 7; turn > 0; turn -= 1) await stat(tmpdir());
        return lease.take(holder, seen);
      };
      const won = await Promise.all(holders.map(takeLater));

      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await lease.read())?.holder).toBe(holders[won.indexOf(true)]);
    }
  });

  test("is released by its holder only", async () => {
    const lease = create();
    await lease.take("a:1", undefined);

    await lease.release("b:1");
    expect(await lease.read()).toMatchObject({ holder: "a:1" });
    await lease.release("a:1");
    const released = await lease.read();
    expect(released?.holder ?? "").toBe("");
    expect(await lease.take("b:1", released)).toBe(true);
  });
});

test("a Lease that may not be read is an error with its name", async () => {
  const refused = Object.assign(Readable.from(["{}"]), { statusCode: 403 });
  const lease = createKubernetesLease(
    { namespace: "models", send: async () => refused as unknown as IncomingMessage },
    { name: "gateways" },
  );

  await expect(lease.read()).rejects.toThrow(
    "the API server answers 403 to GET of the lease gateways",
  );
});
