import { expect, test } from "vitest";
import { cutTimeouts } from "./body.ts";

test.each([
  { name: "grpc-timeout", sent: "99999999H", read: "2147483S" },
  { name: "grpc-timeout", sent: "597H", read: "2147483S" },
  { name: "grpc-timeout", sent: "596H", read: "596H" },
  { name: "grpc-timeout", sent: "99999999m", read: "99999999m" },
  { name: "grpc-timeout", sent: "10S", read: "10S" },
  { name: "grpc-timeout", sent: "999999999H", read: "999999999H" },
  { name: "connect-timeout-ms", sent: "9999999999", read: "2147483647" },
  { name: "connect-timeout-ms", sent: "2147483647", read: "2147483647" },
  { name: "connect-timeout-ms", sent: "-1", read: "-1" },
])("$name $sent is read as $read", ({ name, sent, read }) => {
  const headers = new Headers({ [name]: sent });

  cutTimeouts(headers);

  expect(headers.get(name)).toBe(read);
});
