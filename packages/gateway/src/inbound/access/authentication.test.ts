import { createHash } from "node:crypto";
import type { Caller } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { AccessRequest } from "./access.ts";
import { type AuthenticationOptions, createAuthentication } from "./authentication.ts";

const key = `tg_app_${"x".repeat(43)}`;
const keys = [
  { id: "app", sha256: createHash("sha256").update(key).digest("hex"), models: ["shapes"] },
];

function requestFrom(facts: Partial<AccessRequest>): AccessRequest {
  const headers: Record<string, string> = { authorization: `Bearer ${key}` };
  return {
    header: (name) => headers[name],
    remoteAddress: "10.1.2.3",
    isEncrypted: true,
    isPublic: false,
    kind: "call",
    ...facts,
  };
}

async function callerOf(
  options: AuthenticationOptions,
  facts: Partial<AccessRequest> = {},
): Promise<Caller | undefined> {
  const admission = await createAuthentication(options)?.(requestFrom(facts), {});
  return admission?.caller;
}

test("a key over plaintext from another machine is refused unless that is allowed", async () => {
  const facts = { isEncrypted: false };

  await expect(callerOf({ keys, allowPlaintextKeys: false }, facts)).rejects.toThrow("plaintext");
  expect((await callerOf({ keys, allowPlaintextKeys: true }, facts))?.id).toBe("app");
});

test.each([
  { remoteAddress: "127.0.0.1", isEncrypted: false, because: "loopback never leaves the machine" },
  {
    remoteAddress: "::ffff:127.0.0.1",
    isEncrypted: false,
    because: "so it is written on a socket for both",
  },
  { remoteAddress: "10.1.2.3", isEncrypted: true, because: "it is encrypted" },
])("a key from $remoteAddress is private: $because", async ({ because: _, ...facts }) => {
  expect((await callerOf({ keys, allowPlaintextKeys: false }, facts))?.id).toBe("app");
});

test("a key is for its models only", async () => {
  const caller = await callerOf({ keys, allowPlaintextKeys: false });

  expect([caller?.mayUse("shapes"), caller?.mayUse("*"), caller?.mayUse("vgg")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("without keys, and for what is public, every caller is admitted", async () => {
  const header = () => undefined;

  expect(await callerOf({ keys: [], allowPlaintextKeys: false }, { header })).toBeUndefined();
  const facts = { header, isPublic: true };
  expect(await callerOf({ keys, allowPlaintextKeys: false }, facts)).toBeUndefined();
});
