import { expect, test } from "vitest";
import { addressesOf, tlsOf } from "./pool.ts";

test.each([
  { gateway: "http://gateway.example", address: "gateway.example:80", isTls: false },
  { gateway: "https://gateway.example/", address: "gateway.example:443", isTls: true },
  { gateway: "https://gateway.example:8443", address: "gateway.example:8443", isTls: true },
  { gateway: "http://[fd00::1]:8080", address: "[fd00::1]:8080", isTls: false },
])("$gateway is one replica at $address", ({ gateway, address, isTls }) => {
  expect(addressesOf({ gateway })).toEqual([address]);
  expect(tlsOf({ gateway })).toEqual(isTls ? {} : undefined);
});

test("what a pool says of TLS goes before what a URL says", () => {
  const tls = { ca: "ca.pem" };

  expect(tlsOf({ gateway: "https://a", tls })).toBe(tls);
  expect(tlsOf({ tls })).toBe(tls);
  expect(tlsOf({})).toBeUndefined();
});
