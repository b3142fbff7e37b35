import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, type ConfigFault } from "./config-error.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { checkedOptions, configJsonSchema, parseConfig } from "./parse-config.ts";

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

test("the fault of a pool with an unknown model lists the models", () => {
  expect(faultsOf(good.replace("- model: shapes", "- model: shape"))).toMatchObject([
    {
      path: "pools[0].model",
      line: 8,
      message: expect.stringContaining('unknown model "shape"; models: shapes ('),
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
