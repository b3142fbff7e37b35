import { expect, test } from "vitest";
import { type AccessOptions, reloadFaults } from "./access.ts";

const keys = [{ id: "app", sha256: "0".repeat(64), models: ["*"] }];
const others = { listen: { host: "0.0.0.0" }, keys };
const tls = { cert: "cert.pem", key: "key.pem" };

interface ReloadCase {
  readonly name: string;
  readonly running: AccessOptions;
  readonly next: AccessOptions;
  /** Settings that the reload is rejected for. */
  readonly rejected: readonly string[];
}

const cases: readonly ReloadCase[] = [
  {
    name: "no keys and a loopback address, while all addresses are bound",
    running: others,
    next: { listen: { host: "127.0.0.1" } },
    rejected: ["keys"],
  },
  {
    name: "no keys and no address, while all addresses are bound",
    running: others,
    next: {},
    rejected: ["keys"],
  },
  {
    name: "no keys but client certificates, which are not asked for yet",
    running: others,
    next: { listen: { host: "0.0.0.0", tls: { ...tls, clientCa: "ca.pem" } } },
    rejected: ["keys"],
  },
  {
    name: "no keys and an allowAnonymous that counts from the next start",
    running: others,
    next: { listen: { host: "0.0.0.0" }, allowAnonymous: true },
    rejected: ["keys"],
  },
  {
    name: "no keys, and an allowAnonymous taken away with them",
    running: { ...others, allowAnonymous: true },
    next: { listen: { host: "127.0.0.1" } },
    rejected: ["keys"],
  },
  {
    name: "no keys and fewer origins, while every page may call",
    running: { keys, crossSite: { origins: ["*"] } },
    next: { crossSite: { origins: ["https://app.example"] } },
    rejected: ["keys"],
  },
  {
    name: "no keys but client certificates, on loopback",
    running: { keys, listen: { tls } },
    next: { listen: { tls: { ...tls, clientCa: "ca.pem" } } },
    rejected: ["keys"],
  },
  {
    name: "plaintext keys allowed for a loopback address, while all addresses are bound",
    running: others,
    next: { keys, allowPlaintextKeys: true },
    rejected: ["allowPlaintextKeys"],
  },
  {
    name: "plaintext keys no longer allowed, while TLS is not served yet",
    running: { ...others, allowPlaintextKeys: true },
    next: { keys, listen: { host: "0.0.0.0", tls } },
    rejected: ["allowPlaintextKeys"],
  },
  {
    name: "an anonymous gateway that is to be bound to loopback only",
    running: { listen: { host: "0.0.0.0" }, allowAnonymous: true },
    next: {},
    rejected: ["keys"],
  },
  {
    name: "a key taken away with a new address and new origins",
    running: { ...others, keys: [...keys, { id: "old", sha256: "1".repeat(64), models: ["*"] }] },
    next: { keys, crossSite: { origins: ["https://app.example"] } },
    rejected: [],
  },
  {
    name: "no keys on the same loopback address",
    running: { keys },
    next: { listen: { host: "127.0.0.1" } },
    rejected: [],
  },
  {
    name: "no keys where client certificates are asked for already",
    running: { keys, listen: { host: "0.0.0.0", tls: { ...tls, clientCa: "ca.pem" } } },
    next: { listen: { host: "0.0.0.0", tls: { ...tls, clientCa: "ca.pem" } } },
    rejected: [],
  },
  {
    name: "no keys where everybody may call already",
    running: { ...others, allowAnonymous: true },
    next: { listen: { host: "0.0.0.0" }, allowAnonymous: true },
    rejected: [],
  },
  {
    name: "another certificate with other keys",
    running: { ...others, listen: { host: "0.0.0.0", tls } },
    next: { keys, listen: { host: "0.0.0.0", tls: { cert: "new.pem", key: "new-key.pem" } } },
    rejected: [],
  },
  {
    name: "plaintext keys allowed on the address that is bound",
    running: others,
    next: { ...others, allowPlaintextKeys: true },
    rejected: [],
  },
];

test.each(cases)("a reload with $name: rejected for $rejected", ({ running, next, rejected }) => {
  const faults = [...reloadFaults(running, next)];

  expect(faults.map(({ path }) => path)).toEqual(rejected);
});
