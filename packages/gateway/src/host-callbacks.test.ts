import { expect, test } from "vitest";
import { hostCallbacks } from "./host-callbacks.ts";

const fail = () => {
  throw new Error("the embedder's own fault");
};

test.each([
  { name: "onCall", where: "call" },
  { name: "onCertificates", where: "certificates" },
  { name: "onRejectedConnections", where: "connections" },
  { name: "onReplica", where: "replica" },
] as const)("what $name throws is an internal error of $where", ({ name, where }) => {
  const reported: string[] = [];
  const host = hostCallbacks({
    [name]: fail,
    onInternalError: (_error, requestId) => void reported.push(requestId),
  });

  host[name]?.({} as never);

  expect(reported).toEqual([where]);
});

test("what onInternalError throws is dropped", () => {
  const host = hostCallbacks({ onInternalError: fail, onCertificates: fail });

  host.onCertificates({ file: "cert.pem" });
  host.onTelemetryFailure(new Error("an instrument's"));
});
