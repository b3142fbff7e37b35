import type { ServingDialect } from "@tensorgate/tf-serving";
import type { FaultOptions, Faults } from "./faults/fault-options.ts";
import type { ServedModel } from "./hosting/served-model.ts";
import type { ModelSource } from "./model-folders.ts";
import type { GenerationProgress } from "./topologies/seeded-family.ts";

/** What models run on. */
export type DeviceOptions =
  /** All models are in memory, and requests to all of them run concurrently. */
  | { readonly kind: "shared" }
  /** One model at a time, and one request at a time, as an FPGA has it. */
  | ExclusiveDevice;

export interface ExclusiveDevice {
  readonly kind: "exclusive";
  /**
   * Time that the device needs between unloading one model and loading the next, in milliseconds.
   * @default 2_000
   */
  readonly reconfigureMs?: number;
  /**
   * The model that it holds at the start, or `false` for none; by default the first that is found.
   */
  readonly startWith?: string | false;
  /**
   * Status of a request for a model that is being loaded or unloaded: NOT_FOUND, as in TensorFlow Serving, or
   * UNAVAILABLE.
   * @default "not-found"
   */
  readonly duringSwap?: "not-found" | "unavailable";
}

export interface ModelServerOptions {
  /** Where models come from; several sources are served together, and none is an empty list. */
  readonly models: ModelSource | readonly ModelSource[];
  /**
   * Server whose behaviour is taken: TensorFlow Serving, or a container with one model on an FPGA.
   * @default "tensorflow-serving"
   */
  readonly dialect?: ServingDialect;
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
   * Port of the REST API; 0 takes a free one. Without it there is none.
   */
  readonly restPort?: number;
  /**
   * Time limit of a call of the REST API, in milliseconds.
   * @default 30_000
   */
  readonly restTimeoutMs?: number;
  /**
   * Whether pages of other origins may read the answers of the REST API.
   * @default false
   */
  readonly restCors?: boolean;
  /**
   * Path of a page with metrics on the port of the REST API, in Prometheus' text format. Without it there is none.
   */
  readonly metricsPath?: string;
  /**
   * How often folders of versions are looked at, in milliseconds: new versions are loaded, and those that are gone are
   * unloaded. 0 for never. An exclusive device is not watched, since it cannot load a version beside another.
   * @default 0
   */
  readonly folderPollMs?: number;
  /**
   * Whether a list may give labels to versions that are not available yet. A label that is in force never moves to such
   * a version.
   * @default false
   */
  readonly allowUnavailableLabels?: boolean;
  /**
   * Threads that each model may use.
   * @default 1
   */
  readonly threads?: number;
  /**
   * Round-trip time that is added to every response, in milliseconds, to simulate a distant server.
   * @default 0
   */
  readonly roundTripMs?: number;
  /**
   * What models run on.
   * @default { kind: "shared" }
   */
  readonly device?: DeviceOptions;
  /**
   * What computes responses. `none` returns zeros of the right shape immediately and decodes no picture: with
   * `serviceMs` it simulates a device of known speed; its responses mean nothing.
   * @default "onnx"
   */
  readonly engine?: "onnx" | "none";
  /**
   * Time that a request keeps its slot after the engine has finished it, in milliseconds.
   * @default 0
   */
  readonly serviceMs?: number;
  /**
   * Concurrency limit over all models; further requests are queued, first in, first out. 1 on an exclusive device,
   * without limit otherwise.
   */
  readonly concurrency?: number;
  /**
   * The old name of `concurrency`, which is accepted with a warning.
   * @deprecated
   */
  readonly lanes?: number;
  /**
   * Folders below which a reload may name base paths, in addition to those of `models`.
   * @default []
   */
  readonly reloadFolders?: readonly string[];
  /**
   * Folder for the ONNX form of SavedModels that are served as they are. Without it, `TENSORGATE_CACHE` or the user's
   * cache folder.
   */
  readonly cacheFolder?: string;
  /**
   * Faults to inject, for tests and demonstrations.
   * @default {}
   */
  readonly faults?: FaultOptions;
  /** Called while models of families are generated. */
  readonly onProgress?: (progress: GenerationProgress) => void;
  /** Called when a model becomes available, after a reload too. */
  readonly onLoaded?: (model: { readonly name: string; readonly version: bigint }) => void;
  /** Called with one line for the log: a model that cannot be served, or faults that are on. */
  readonly onWarning?: (warning: string) => void;
}

export const modelServerDefaults: Readonly<
  Required<
    Pick<
      ModelServerOptions,
      | ("host" | "port" | "threads" | "dialect" | "roundTripMs")
      | ("device" | "engine" | "serviceMs" | "reloadFolders" | "faults")
      | ("restTimeoutMs" | "restCors" | "folderPollMs" | "allowUnavailableLabels")
    >
  >
> = {
  host: "127.0.0.1",
  port: 8_500,
  restTimeoutMs: 30_000,
  restCors: false,
  folderPollMs: 0,
  allowUnavailableLabels: false,
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
  /** Port of the gRPC API. */
  readonly port: number;
  /** Port of the REST API; undefined if there is none. */
  readonly restPort: number | undefined;
  /** Models that are available now. */
  readonly models: readonly { readonly name: string; readonly version: bigint }[];
  /** Changes the faults to inject. */
  readonly faults: Faults;
  /**
   * Serves a list of models in place of the last one. Its base paths are trusted: an operator wrote them.
   *
   * @returns a line for each model that cannot be served
   * @throws ServingError for a list that cannot be right: nothing is changed then
   */
  reload(models: readonly ServedModel[]): Promise<readonly string[]>;
  /**
   * Stops accepting calls and finishes those in flight; a reload in progress is aborted.
   * @param graceMs - time after which calls in flight are cut; 5 s by default
   */
  close(graceMs?: number): Promise<void>;
}
