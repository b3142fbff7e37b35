import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { hasPeers, setUpPeer, tensorflowPython } from "../support/peers.ts";

// Our own text of TensorFlow's protos has fewer fields, but those that it has are the official ones.

const generated = fileURLToPath(new URL("../../proto/gen/", import.meta.url));
const script = fileURLToPath(new URL("official_descriptors.py", import.meta.url));

/** Files that the official package leaves out. */
const notInThePackage = new Set(["monitoring_config_pb.js"]);

type Kind = "message" | "enum" | "service";
type Members = Readonly<Record<string, unknown>>;

/** Everything of the files below `tensorflow` and `tensorflow_serving`, in the form that the script prints. */
async function ownDescriptors(): Promise<readonly (readonly [Kind, string, Members])[]> {
  const all: (readonly [Kind, string, Members])[] = [];
  const addEnum = ({ typeName, values }: DescEnum) =>
    all.push([
      "enum",
      typeName,
      Object.fromEntries(values.map(({ name, number }) => [name, number])),
    ]);
  const addMessage = (message: DescMessage) => {
    const fields = message.proto.field.map(({ name, number, type, label, typeName }) => [
      name,
      [number, type, label === 3, typeName],
    ]);
    all.push(["message", message.typeName, Object.fromEntries(fields)]);
    message.nestedMessages.forEach(addMessage);
    message.nestedEnums.forEach(addEnum);
  };
  for (const folder of ["tensorflow", "tensorflow_serving"]) {
    for (const name of readdirSync(join(generated, folder))) {
      if (!name.endsWith(".js") || notInThePackage.has(name)) continue;
      const module = (await import(join(generated, folder, name))) as Record<string, unknown>;
      const [, file] = Object.entries(module).find(([key]) => key.startsWith("file_")) ?? [];
      const { messages, enums, services } = file as DescFile;
      messages.forEach(addMessage);
      enums.forEach(addEnum);
      for (const { typeName, proto } of services) {
        const methods = proto.method.map((each) => [each.name, [each.inputType, each.outputType]]);
        all.push(["service", typeName, Object.fromEntries(methods)]);
      }
    }
  }
  return all;
}

test.skipIf(hasPeers)("the official protos are skipped: the folder of peers is not here", () => {});

describe.runIf(hasPeers)("beside the official package", () => {
  let missing: string | undefined;
  beforeAll(async () => {
    missing = await setUpPeer("tensorflow/setup.sh", ["backend"]);
  }, 900_000);

  test("every message, enum and service of ours has the official names, numbers and types", async (context) => {
    if (missing) return context.skip(missing);
    const own = await ownDescriptors();
    const input = JSON.stringify(own.map(([kind, name]) => [kind, name]));
    const output = execFileSync(tensorflowPython, [script], {
      input,
      stdio: ["pipe", "pipe", "ignore"],
      maxBuffer: 2 ** 26,
    });
    const official = JSON.parse(output.toString()) as readonly (Members | null)[];

    expect(own.length).toBeGreaterThan(40);
    for (const [index, [kind, name, members]] of own.entries()) {
      expect(official[index], `${kind} ${name}`).toMatchObject(members);
    }
  });
});
