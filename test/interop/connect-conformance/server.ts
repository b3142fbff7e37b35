// A gateway's listener and RPCs with the service of Connect's conformance suite, which starts this program: it reads what
// it must support from standard input, and tells where it listens.
import { readFileSync } from "node:fs";
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { checkedOptions } from "../../../packages/gateway/src/config/parse-config.ts";
import { hostCallbacks } from "../../../packages/gateway/src/host-callbacks.ts";
import { createInbound } from "../../../packages/gateway/src/inbound/inbound.ts";
import { systemClockAndRandom } from "../../../packages/gateway/src/system-clock.ts";
import { createTelemetry } from "../../../packages/gateway/src/telemetry/telemetry.ts";
import { conformanceRouter } from "./service.ts";

const [image = ""] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(image)));
const prefix = "connectrpc.conformance.v1";
const requestSchema = registry.getMessage(`${prefix}.ServerCompatRequest`) as DescMessage;
const responseSchema = registry.getMessage(`${prefix}.ServerCompatResponse`) as DescMessage;

const asked = fromBinary(requestSchema, await sizedInput()) as unknown as {
  readonly messageReceiveLimit: number;
};
const { clock } = systemClockAndRandom;
const options = {
  pools: [{ model: "none", region: "local", replicas: ["127.0.0.1:9"] }],
  listen: { port: 0 },
  ...(asked.messageReceiveLimit > 0 && {
    requests: { maxMessageBytes: asked.messageReceiveLimit },
  }),
};
const settings = checkedOptions(options);
const host = hostCallbacks({});
const telemetry = createTelemetry({ ...host, version: "0.0.0" });
const inbound = createInbound({
  options: settings,
  region: "local",
  maxPictures: 1,
  // No call of the suite reaches a model.
  inForce: { current: { tasks: { catalog: { has: () => false, list: () => [] } } } as never },
  status: () => ({ regions: [], retriesLeft: 0 }),
  capacity: undefined,
  readiness: () => ({ isReady: true, because: "it serves" }),
  version: "0.0.0",
  console: undefined,
  outages: undefined,
  observeCall: telemetry.observeCalls({ current: { snapshot: { has: () => false } } }),
  statistics: telemetry.statistics,
  onInternalError: ({ cause }) => process.stderr.write(`internal error: ${String(cause)}\n`),
  onCertificates: () => {},
  onRejected: () => {},
  onRejectedConnections: () => {},
  isPortShared: false,
  joinStatus: undefined,
  otherRouter: conformanceRouter(registry),
  clock,
});
await inbound.listen();
process.stdout.write(
  sized(
    toBinary(
      responseSchema,
      create(responseSchema, { host: "127.0.0.1", port: inbound.port } as never),
    ),
  ),
);
process.once("SIGTERM", () => void inbound.close(0));

/** Reads one message after its length in four bytes. */
async function sizedInput(): Promise<Uint8Array> {
  let bytes = Buffer.alloc(0);
  for await (const piece of process.stdin) {
    bytes = Buffer.concat([bytes, piece as Buffer]);
    if (bytes.length < 4) continue;
    const end = 4 + bytes.readUInt32BE(0);
    if (bytes.length >= end) return bytes.subarray(4, end);
  }
  throw new Error("standard input has ended");
}

function sized(message: Uint8Array): Buffer {
  const whole = Buffer.alloc(4 + message.byteLength);
  whole.writeUInt32BE(message.byteLength, 0);
  whole.set(message, 4);
  return whole;
}
