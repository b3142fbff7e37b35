import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { NodeRequest } from "../server/node-http.ts";
import { authentication, type Credentials, credentialsOf } from "./authentication.ts";

const key = `tg_app_${"x".repeat(43)}`;
const keys = [
  { id: "app", sha256: createHash("sha256").update(key).digest("hex"), models: ["shapes"] },
];

function credentialsFrom(remoteAddress: string, encrypted = false): Credentials {
  const headers = { authorization: `Bearer ${key}` };
  const request = { headers, socket: { remoteAddress, encrypted } };
  return credentialsOf(request as unknown as NodeRequest);
}

test.each([
  { from: "127.0.0.1", encrypted: false, because: "loopback never leaves the machine" },
  { from: "::ffff:127.0.0.1", encrypted: false, because: "so it is written on a socket for both" },
  { from: "10.1.2.3", encrypted: true, because: "it is encrypted" },
])("a key from $from is taken: $because", ({ from, encrypted }) => {
  const authenticate = authentication({ keys, allowPlaintextKeys: false });

  expect(authenticate(credentialsFrom(from, encrypted))?.id).toBe("app");
});

test("a key over plaintext from another machine is refused unless that is allowed", () => {
  const strict = authentication({ keys, allowPlaintextKeys: false });
  const lenient = authentication({ keys, allowPlaintextKeys: true });

  expect(() => strict(credentialsFrom("10.1.2.3"))).toThrow("plaintext");
  expect(lenient(credentialsFrom("10.1.2.3"))?.id).toBe("app");
});

test("a key is for its models only", () => {
  const caller = authentication({ keys, allowPlaintextKeys: false })(credentialsFrom("127.0.0.1"));

  expect([caller?.mayUse("shapes"), caller?.mayUse("*"), caller?.mayUse("vgg")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("without keys everybody is let in", () => {
  const authenticate = authentication({ keys: [], allowPlaintextKeys: false });

  expect(authenticate(credentialsFrom("10.1.2.3"))).toBeUndefined();
});
