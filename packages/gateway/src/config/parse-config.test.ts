import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, type ConfigFault } from "./config-error.ts";
import { configJsonSchema } from "./config-schema.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { checkedOptions, parseConfig } from "./parse-config.ts";

const good = `region: westeurope
models:
  - name: shapes
    input: { tensor: images, kind: encoded-image }
    output: { scores: { holds: probabilities } }
    labels: labels.txt
pools:
  - model: shapes
    region: westeurope
    replicas: ["10.0.0.4:8500", "[::1]:8500"]
`;
const readText = (path: string) => {
  if (path !== "labels.txt") throw new Error("no such file");
  return "arrow\nbolt\n";
};

function faultsOf(text: string): readonly ConfigFault[] {
  try {
    parseConfig(text, "tensorgate.yaml", readText);
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.faults;
    throw thrown;
  }
  return [];
}

test("a good configuration is read, labels from their file", () => {
  const options = parseConfig(good, "tensorgate.yaml", readText);

  expect(options.models?.[0]?.labels).toEqual(["arrow", "bolt"]);
  expect(options.pools[0]?.replicas).toHaveLength(2);
});

test("a setting under its old name is accepted, in a file and in code", () => {
  const old = good.replace("labels: labels.txt", "repeatable: false");
  const pool = { model: "m", region: "here", replicas: ["10.0.0.4:8500"] };
  const inCode = { models: [{ name: "m", repeatable: false }], pools: [pool] };

  expect(parseConfig(old, "tensorgate.yaml", readText).models?.[0]?.idempotent).toBe(false);
  expect(checkedOptions(inCode as GatewayOptions).models?.[0]?.idempotent).toBe(false);
});

test("every fault has its path and line", () => {
  const bad = good
    .replace("kind: encoded-image", "kind: jpeg")
    .replace("labels.txt", "nowhere.txt")
    .replace("- model: shapes", "- model: shape")
    .replace('"10.0.0.4:8500"', '"http://10.0.0.4"')
    .concat("colour: blue\n");

  const faults = faultsOf(bad).map(({ path, line }) => `${line} ${path}`);

  expect(faults.toSorted()).toEqual(
    [
      "11 colour",
      "4 models[0].input.kind",
      "6 models[0].labels",
      "8 pools[0].model",
      "10 pools[0].replicas[0]",
    ].toSorted(),
  );
});

test.each([
  { text: "regoin: westeurope", says: "did you mean `region`?", path: "regoin" },
  { text: "listen: { prot: 8080 }", says: "did you mean `port`?", path: "listen.prot" },
  { text: "routing: { hedge: {} }", says: "settings here: ", path: "routing.hedge" },
  { text: "colour: blue", says: "settings here: region, listen, ", path: "colour" },
])("the message for the unknown setting $path has what to write", ({ text, says, path }) => {
  expect(faultsOf(`${good}${text}\n`)).toContainEqual({
    path,
    line: 11,
    message: expect.stringContaining(`unknown setting; ${says}`),
  });
});

test("an unknown setting is compared with those of its section: in lists, records and unions", () => {
  const bad = good
    .replace("kind: encoded-image", "kind: encoded-image, format: [jpeg]")
    .replace("holds: probabilities", "holds: probabilities, tenser: scores")
    .replace("tensor: images", "tensor: { tensorflow_serving: images }")
    .replace("    region: westeurope", "    regoin: westeurope");

  expect(faultsOf(bad).map(({ path, line, message }) => `${line} ${path}: ${message}`)).toEqual(
    expect.arrayContaining([
      "4 models[0].input.format: unknown setting; did you mean `formats`?",
      "4 models[0].input.tensor.tensorflow_serving: unknown setting; did you mean `tensorflow-serving`?",
      "5 models[0].output.scores.tenser: unknown setting; did you mean `tensor`?",
      "9 pools[0].regoin: unknown setting; did you mean `region`?",
      "8 pools[0].region: missing setting; expected string",
    ]),
  );
});

test.each([
  { from: "labels: labels.txt", to: "labels: 5", message: "expected array, got 5" },
  {
    from: "labels: labels.txt",
    to: "labels: [arrow, 2]",
    message: "expected string, got 2 at [1]",
  },
  { from: "name: shapes", to: 'name: ""', message: "must have at least 1 character" },
  {
    from: "    replicas:",
    to: "    parallelism: 1.5\n    replicas:",
    message: "expected a whole number, got 1.5",
  },
  {
    from: "    replicas:",
    to: "    parallelism: 0\n    replicas:",
    message: "must be at least 1, got 0",
  },
  {
    from: "kind: encoded-image",
    to: "kind: encoded-image, heightPx: tall",
    message: "expected number, got string",
  },
  {
    from: "models:",
    to: "listen: { port: 99999 }\nmodels:",
    message: "must be at most 65535, got 99999",
  },
  {
    from: "models:",
    to: "listen: { host: null }\nmodels:",
    message: "expected string, got nothing",
  },
  {
    from: "models:",
    to: "listen: { tls: true }\nmodels:",
    message: "expected object, got boolean",
  },
])("a value that a setting cannot have: $message", ({ from, to, message }) => {
  expect(good).toContain(from);

  const messages = faultsOf(good.replace(from, to)).map((fault) => fault.message);

  expect(messages).toContainEqual(expect.stringMatching(`^${message.replace(/[[\]]/g, "\\$&")}`));
});

test("the fault of a pool with an unknown model has the model that was meant", () => {
  expect(faultsOf(good.replace("- model: shapes", "- model: shape"))).toMatchObject([
    {
      path: "pools[0].model",
      line: 8,
      message: expect.stringContaining('unknown model "shape"; did you mean "shapes"? ('),
    },
  ]);
});

test("an address open to others needs allowAnonymous", () => {
  const open = `${good}listen: { host: 0.0.0.0 }\n`;

  expect(faultsOf(open)).toMatchObject([{ path: "listen.host", line: 11 }]);
  expect(faultsOf(`${open}allowAnonymous: true\n`)).toEqual([]);
});

test("invalid YAML is reported with its line", () => {
  expect(faultsOf("models:\n  - name: [\n")).toMatchObject([{ line: 3 }]);
});

test("an unknown alias is a fault", () => {
  expect(faultsOf("*nobody")).toMatchObject([{ message: expect.stringContaining("nobody") }]);
});

/** Characters and pieces that mean something in YAML, so that more than scalars comes up. */
const anyYaml = fc.constantFrom(
  ..."*&!|>[]{}:,-?#%@`'\"\n \t a1~".split(""),
  "- ",
  ": ",
  "<<: ",
  "\n  ",
  "models:",
  "&a ",
  "*a",
);

test("any text is a configuration or a ConfigError", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyYaml }), (text) => {
      faultsOf(text);
    }),
    { numRuns: 1_000 },
  );
});

test("options in TypeScript are checked alike, and undefined counts as absent", () => {
  const options = parseConfig(good, "tensorgate.yaml", readText);

  expect(checkedOptions({ ...options, region: undefined as never })).not.toHaveProperty("region");
  expect(() => checkedOptions({ ...options, pools: [] })).toThrow(ConfigError);
});

test("the JSON Schema describes each section", () => {
  const schema = configJsonSchema() as { readonly properties: Record<string, unknown> };

  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining(["region", "listen", "models", "pools", "requests", "routing"]),
  );
});

test("relative paths are resolved against its folder", () => {
  const text = `
listen: { tls: { cert: tls/cert.pem, key: /etc/key.pem, clientCa: ca.pem } }
models: [{ name: m }]
pools:
  - { model: m, region: r, replicas: ["127.0.0.1:1"], tls: { ca: ca.pem }, key: { file: key.txt } }
`;
  const { listen, pools } = parseConfig(text, "/srv/gateway/tensorgate.yaml");

  expect(listen?.tls).toEqual({
    cert: "/srv/gateway/tls/cert.pem",
    key: "/etc/key.pem",
    clientCa: "/srv/gateway/ca.pem",
  });
  expect(pools[0]).toMatchObject({
    tls: { ca: "/srv/gateway/ca.pem" },
    key: { file: "/srv/gateway/key.txt" },
  });
});

test.each([
  ["keys: [{ id: a, sha256: X, models: [shaps] }]", "keys[0].models[0]", 'did you mean "shapes"?'],
  [
    "keys: [{ id: a, sha256: X, models: ['*'], residency: [westeurop] }]",
    "keys[0].residency[0]",
    'no pool is in a region "westeurop"; did you mean "westeurope"?',
  ],
  [
    "keys: [{ id: a, sha256: X, models: ['*'] }, { id: a, sha256: Y, models: ['*'] }]",
    "keys[1].id",
    '"a" is listed twice',
  ],
  ["listen: { model: other }", "listen.model", 'unknown model "other"; models: shapes'],
  [
    "routing: { roundTripsMs: { mars: 600000 } }",
    "routing.roundTripsMs.mars",
    'no pool is in a region "mars"; regions: westeurope',
  ],
])("%s names nothing", (text, path, says) => {
  const hex = (each: string) => each.repeat(64);
  const faults = faultsOf(`${good}${text.replace("X", hex("a")).replace("Y", hex("b"))}\n`);

  expect(faults).toEqual([{ path, line: 11, message: expect.stringContaining(says) }]);
});

const twoRegions = `models:
  - name: near
  - name: far
    residency: [here]
  - name: nowhere
pools:
  - { model: near, region: here, replicas: ["10.0.0.4:8500"] }
  - { model: far, region: there, replicas: ["10.0.0.5:8500"] }
keys:
  - { id: a, sha256: ${"a".repeat(64)}, models: [near], residency: [there] }
`;

test("models that nothing serves are faults, as are residencies that leave no region", () => {
  expect(faultsOf(twoRegions)).toEqual([
    {
      path: "models[1].residency",
      line: 4,
      message: expect.stringContaining("pools are in there"),
    },
    { path: "models[2].name", line: 5, message: expect.stringContaining("no pool serves") },
    { path: "keys[0].residency", line: 10, message: expect.stringContaining("pools are in here") },
  ]);
});

test("faults of shape and of meaning are reported together", () => {
  const both = twoRegions.replace("- name: near", "- { name: near, cache: 7 }");

  expect(faultsOf(both).map(({ path }) => path)).toEqual([
    "models[0].cache",
    "models[1].residency",
    "models[2].name",
    "keys[0].residency",
  ]);
});

test("the schema has the defaults, for editors", () => {
  const schema = configJsonSchema();

  expect(schema).toMatchObject({
    properties: {
      listen: { properties: { port: { default: 8080 }, host: { default: "127.0.0.1" } } },
      routing: { properties: { maxWaiting: { default: 1_000 } } },
      decoding: { properties: { maxWaiting: { default: 256 } } },
    },
  });
});

test("a value that is none of those has the one that was meant", () => {
  const bad = good.replace("kind: encoded-image", "kind: encoded-imag");

  expect(faultsOf(bad)).toMatchObject([
    {
      path: "models[0].input.kind",
      message: expect.stringContaining('did you mean "encoded-image"?'),
    },
  ]);
});
