import { expect, test } from "vitest";
import { checkedOptions } from "./parse-config.ts";

const poolOf = (pool: object) => () =>
  checkedOptions({
    models: [{ name: "m", input: { tensor: "i", kind: "encoded-image" } }],
    pools: [{ model: "m", region: "r", ...pool }],
  } as Parameters<typeof checkedOptions>[0]);

const withKey = (allowPlaintext?: boolean) => ({
  key: { env: "KEY", ...(allowPlaintext !== undefined && { allowPlaintext }) },
});

test.each([
  { replicas: ["127.0.0.1:80"] },
  { replicas: ["localhost:80", "dns:///localhost:80"] },
  { replicas: ["[::1]:80"] },
  { gateway: "http://localhost:8080" },
  { gateway: "http://[::1]:8080/" },
  { gateway: "https://gateway.example" },
])("a key may go to %j in plaintext, or encrypted", (to) => {
  expect(poolOf({ ...to, ...withKey() })).not.toThrow();
});

test.each([
  { replicas: ["10.0.0.4:80"] },
  { replicas: ["[fd00::1]:80"] },
  { replicas: ["localhost.example:80"] },
  { replicas: ["dns:///fpga.internal:80"] },
  { gateway: "http://gateway.example" },
])("a key goes to %j in plaintext only where that is allowed", (to) => {
  expect(poolOf({ ...to, ...withKey() })).toThrow("pools[0].key: the key would be sent to");
  expect(poolOf({ ...to, ...withKey(true) })).not.toThrow();
});

test.each([
  { gateway: "http://gateway.example", because: "a pool with gateway cannot be exclusive" },
  {
    replicas: ["fpga:80"],
    dialect: "azure-fpga",
    because: "replicas of the dialect azure-fpga cannot be made to load another model",
  },
])("$because, so it is not exclusive", ({ because, ...pool }) => {
  expect(poolOf({ ...pool, exclusive: true })).toThrow(`pools[0].exclusive: ${because}`);
});

test("a device that two pools name is reached in the same way by both", () => {
  const pools = (other: object) => () =>
    checkedOptions({
      pools: [
        { model: "a", region: "r", replicas: ["fpga:80"], exclusive: true },
        { model: "b", region: "r", replicas: ["fpga:80"], ...other },
      ],
    });

  expect(pools({ exclusive: true })).not.toThrow();
  expect(pools({})).toThrow("pools[1].replicas: fpga:80 is a device that pools[0] lists as well");
  expect(pools({ exclusive: true, tls: {} })).toThrow("must be the same in both");
});

test.each(["fpga", "dns:///fpga", "dns://8.8.8.8/fpga:80", "fd00::1:80", "https://fpga:80"])(
  "%s is no address of a replica",
  (to) => {
    expect(poolOf({ replicas: [to] })).toThrow("pools[0].replicas[0]: expected host:port");
  },
);

test.each(["gateway:80", "grpc://gateway:80", "https://gateway/path", "https://user@gateway"])(
  "%s is no URL of a gateway",
  (gateway) => {
    expect(poolOf({ gateway })).toThrow("pools[0].gateway: expected a URL");
  },
);

test("a pool has replicas or a gateway", () => {
  const fault = "pools[0]: set exactly one of replicas and gateway";

  expect(poolOf({})).toThrow(fault);
  expect(poolOf({ replicas: ["a:1"], gateway: "http://a:1" })).toThrow(fault);
});

test.each([
  {
    pool: { dialect: "azure-fpga" },
    fault: "pools[0].dialect: a pool with gateway has no dialect",
  },
  { pool: { tls: {} }, fault: "pools[0].tls: tls requires a gateway URL with https" },
  { pool: { region: "east, west" }, fault: "pools[0].region: the region of a gateway must be" },
  { pool: { service: "s" }, fault: "pools[0].service: service requires the dialect" },
])("a setting that a pool with gateway cannot have is a fault: $fault", ({ pool, fault }) => {
  expect(poolOf({ gateway: "http://a:1", ...pool })).toThrow(fault);
});

test("a region is a name, or stands for that of the nodes of replicas", () => {
  const replicas = ["kubernetes:///m.default:8500"];

  expect(poolOf({ replicas, region: "kubernetes:///zone" })).not.toThrow();
  expect(poolOf({ replicas, region: "kubernetes:///regoin" })).toThrow(
    "pools[0].region: expected a name, kubernetes:///region or kubernetes:///zone",
  );
  expect(poolOf({ gateway: "http://g", region: "kubernetes:///region" })).toThrow(
    "pools[0].region: name the region of the gateway",
  );
});
