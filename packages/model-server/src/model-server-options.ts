import type { Dialect } from "@tensorgate/tf-serving";
import type { FaultOptions, Faults } from "./faults/fault-options.ts";
import type { ModelSource } from "./model-folders.ts";
import type { GenerationProgress } from "./zoo/seeded-family.ts";

/** What models run on. */
export type DeviceOptions =
  /** Memory has room for every model, and a processor for requests to all of them. */
  | { readonly kind: "shared" }
  /** One model at a time, and one request at a time, as an FPGA has it. */
  | ExclusiveDevice;

export interface ExclusiveDevice {
  readonly kind: "exclusive";
  /**
   * How long the device takes to be made ready for another model, in milliseconds: from when the old one has left to
   * when the new one is loaded.
   * @default 2_000
   */
  readonly reconfigureMs?: number;
  /**
   * The model that it holds at the start, or `false` for none. The first that is found without it.
   */
  readonly startWith?: string | false;
  /**
   * What a request for a model that is coming or leaving is told: NOT_FOUND, as TensorFlow Serving does, or
   * UNAVAILABLE.
   * @default "not-found"
   */
  readonly duringSwap?: "not-found" | "unavailable";
}

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
  /**
   * What models run on.
   * @default { kind: "shared" }
   */
  readonly device?: DeviceOptions;
  /**
   * What computes answers. `none` answers zeros of the right shape at once, and looks at no picture: with `serviceMs`
   * a device whose speed is known, of which the answers mean nothing.
   * @default "onnx"
   */
  readonly engine?: "onnx" | "none";
  /**
   * How long a request keeps its lane after the engine is done with it, in milliseconds.
   * @default 0
   */
  readonly serviceMs?: number;
  /**
   * Requests that run at the same time, over all models; the others wait, first come first served.
   * 1 on an exclusive device, without limit otherwise.
   */
  readonly lanes?: number;
  /**
   * Folders that a reload may name base paths below, beside those that models come from.
   * @default []
   */
  readonly reloadFolders?: readonly string[];
  /**
   * What shall go wrong, for tests and demonstrations.
   * @default {}
   */
  readonly faults?: FaultOptions;
  /** Told while models of families are made. */
  readonly onProgress?: (progress: GenerationProgress) => void;
  /** Told as soon as a model can be scored, after a reload too. */
  readonly onLoaded?: (model: { readonly name: string; readonly version: bigint }) => void;
  /** Told what nobody should overlook: that faults are on. One line. */
  readonly onWarning?: (warning: string) => void;
}

export const modelServerDefaults: Readonly<
  Required<
    Pick<
      ModelServerOptions,
      | ("host" | "port" | "threads" | "dialect" | "roundTripMs")
      | ("device" | "engine" | "serviceMs" | "reloadFolders" | "faults")
    >
  >
> = {
  host: "127.0.0.1",
  port: 8_500,
  threads: 1,
  dialect: "tensorflow-serving",
  roundTripMs: 0,
  device: { kind: "shared" },
  engine: "onnx",
  serviceMs: 0,
  reloadFolders: [],
  faults: {},
};

export const exclusiveDeviceDefaults: Readonly<
  Required<Pick<ExclusiveDevice, "reconfigureMs" | "duringSwap">>
> = { reconfigureMs: 2_000, duringSwap: "not-found" };

export interface ModelServer {
  readonly port: number;
  /** Those that can be scored now. */
  readonly models: readonly { readonly name: string; readonly version: bigint }[];
  /** What goes wrong from now on. */
  readonly faults: Faults;
  /**
   * Takes no new call and finishes those that run; a reload that runs is given up.
   * @param graceMs - after which what is left is cut; 5 s by default
   */
  close(graceMs?: number): Promise<void>;
}
