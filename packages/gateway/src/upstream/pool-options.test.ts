import { expect, test } from "vitest";
import { checkedOptions } from "../config/parse-config.ts";

const poolAt = (replica: string, allowPlaintext?: boolean) => () =>
  checkedOptions({
    models: [{ name: "m", input: { tensor: "i", kind: "encoded-image" } }],
    pools: [
      {
        ...{ model: "m", region: "r", replicas: [replica] },
        key: { env: "KEY", ...(allowPlaintext !== undefined && { allowPlaintext }) },
      },
    ],
  } as Parameters<typeof checkedOptions>[0]);

test.each(["127.0.0.1:80", "localhost:80", "dns:///localhost:80", "[::1]:80"])(
  "a key may go to %s in plaintext",
  (to) => {
    expect(poolAt(to)).not.toThrow();
  },
);

test.each(["10.0.0.4:80", "[fd00::1]:80", "localhost.example:80", "dns:///fpga.internal:80"])(
  "a key goes to %s in plaintext only where that is allowed",
  (to) => {
    expect(poolAt(to)).toThrow("pools[0].key: the key would go to");
    expect(poolAt(to, true)).not.toThrow();
  },
);

test.each(["fpga", "dns:///fpga", "dns://8.8.8.8/fpga:80", "fd00::1:80", "https://fpga:80"])(
  "%s is no address of a replica",
  (to) => {
    expect(poolAt(to)).toThrow("pools[0].replicas[0]: expected host:port");
  },
);
