import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "@tensorgate/core";
import { decoderDefaults, decoderPool, type PreprocessElsewhere } from "@tensorgate/imaging";
import type { Dialect } from "@tensorgate/tf-serving";
import { ModelFolderError } from "./manifest.ts";
import { manifestFromModel } from "./manifest-from-model.ts";
import { findModels, type ModelFolder, type ModelSource } from "./model-folders.ts";
import { type Servable, servable } from "./servable.ts";
import { distance } from "./service/distance.ts";
import { fpgaMethod } from "./service/fpga-service.ts";
import { servingMethods } from "./service/grpc-service.ts";
import { addUnary } from "./service/unary-method.ts";
import { reopeningSession } from "./session/reopening-session.ts";
import type { GenerationProgress } from "./zoo/seeded-family.ts";

export interface ModelServerOptions {
  /** Where models come from; several sources are served together. */
  readonly models: ModelSource | readonly ModelSource[];
  /**
   * Whom to behave like: TensorFlow Serving, or a container with one model on an FPGA.
   * @default "tensorflow-serving"
   */
  readonly dialect?: Dialect;
  /**
   * Address to bind.
   * @default "127.0.0.1"
   */
  readonly host?: string;
  /**
   * Port of the gRPC API; 0 takes a free one.
   * @default 8_500
   */
  readonly port?: number;
  /**
   * Threads that each model may use.
   * @default 1
   */
  readonly threads?: number;
  /**
   * How much later every answer is sent, in milliseconds: a server that is far away, for trying things.
   * @default 0
   */
  readonly roundTripMs?: number;
  /** Told while models of families are made. */
  readonly onProgress?: (progress: GenerationProgress) => void;
  /** Told as soon as a model can be scored. */
  readonly onLoaded?: (model: { readonly name: string; readonly version: bigint }) => void;
}

export const modelServerDefaults: Readonly<
  Required<Pick<ModelServerOptions, "host" | "port" | "threads" | "dialect" | "roundTripMs">>
> = { host: "127.0.0.1", port: 8_500, threads: 1, dialect: "tensorflow-serving", roundTripMs: 0 };

export interface ModelServer {
  readonly port: number;
  readonly models: readonly { readonly name: string; readonly version: bigint }[];
  /**
   * Takes no new call and finishes those that run.
   * @param graceMs - after which what is left is cut; 5 s by default
   */
  close(graceMs?: number): Promise<void>;
}

/**
 * Loads every model, then opens the port.
 *
 * @throws ModelFolderError if there is nothing to serve; the engine's error if a model cannot be loaded
 */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const { host, port, threads, dialect, roundTripMs } = { ...modelServerDefaults, ...options };
  const servables = new Map<string, Servable>();
  const decoders = decoderPool({ options: decoderDefaults, clock: systemClock });
  const closeModels = async () => {
    const models = [...servables.values()].map((model) => model.close());
    await Promise.all([decoders.close(), ...models]);
  };
  try {
    const folders = [options.models]
      .flat()
      .flatMap((source) => findModels(source, options.onProgress));
    assertDistinct(folders);
    for (const folder of folders) {
      const model = await load(folder, threads, decoders.preprocess);
      servables.set(model.name, model);
      options.onLoaded?.(model);
    }
    decoders.warm();
    // As much as TensorFlow Serving takes; the default of 4 MB refuses eight float pictures.
    const server = new Server({
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
    const methods =
      dialect === "tensorflow-serving"
        ? servingMethods(servables)
        : [fpgaMethod(onlyModel(servables), dialect)];
    const distant = distance(roundTripMs, systemClock);
    for (const method of methods) addUnary(server, distant(method));
    const bound = await bind(server, host, port);
    return {
      port: bound,
      models: [...servables.values()].map(({ name, version }) => ({ name, version })),
      close: async (graceMs = 5_000) => {
        await shutDown(server, graceMs);
        await closeModels();
      },
    };
  } catch (thrown) {
    await closeModels();
    throw thrown;
  }
}

function assertDistinct(folders: readonly ModelFolder[]): void {
  const names = folders.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ModelFolderError(`two of the models to serve are called "${twice}"`);
  }
}

/** @throws ModelFolderError if there are several: a device holds one */
function onlyModel(servables: ReadonlyMap<string, Servable>): Servable {
  const [only, ...others] = servables.values();
  if (only && others.length === 0) return only;
  throw new ModelFolderError(
    `an FPGA container holds exactly one model, not ${[...servables.keys()].join(", ")}: name one of them`,
  );
}

async function load(
  { name, version, modelFile, manifest }: ModelFolder,
  threads: number,
  preprocess: PreprocessElsewhere,
): Promise<Servable> {
  const session = await reopeningSession({ modelFile, threads });
  return servable({
    name,
    version,
    manifest: manifest ?? manifestFromModel(session.signature),
    session,
    preprocess,
  });
}

const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, wake) => {
    const timer = setTimeout(wake, delayMs).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
