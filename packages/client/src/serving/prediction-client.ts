import { randomUUID } from "node:crypto";
import {
  type Call,
  type CallOptions,
  type CommonClientOptions,
  commonClientDefaults,
  createCaller,
  createRetryBudget,
  outputFromTensor,
  type TensorInput,
  type TensorOutput,
  tensorsFromInputs,
  versionChoice,
  type WithMeta,
  withMeta,
} from "@tensorgate/client-core";
import {
  type ClockAndRandom,
  cutText,
  InvalidRequestError,
  listedNames,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  type DialectNames,
  dialectNames,
  type FamilyName,
  families,
  predictRequestSegments,
  type ServingDialect,
  scoreResponseFromPredictResponse,
} from "@tensorgate/tf-serving";
import { pictureBytes } from "../picture-input.ts";
import { systemClockAndRandom } from "../system-clock.ts";
import { createRawChannel, type RawChannel } from "./raw-channel.ts";
import { wireCodesOfStatus } from "./serving-failure.ts";

/** Settings of a client of one model server. */
export interface PredictionClientOptions extends CommonClientOptions {
  /** Name or number of the host, without a port. */
  readonly address: string;
  /** By default 443 with TLS; without TLS 8500 for TensorFlow Serving, and 80 for an FPGA container. */
  readonly port?: number;
  /** @default false */
  readonly useTls?: boolean;
  /** Dialect of the server; `azure-fpga` by default, or `tensorflow-serving` if `model` is set. */
  readonly dialect?: ServingDialect;
  /** Name of the model; required by `tensorflow-serving`, since a server has several. */
  readonly model?: string;
  /** Topology of the model; its tensors then have the gateway's names in every dialect. */
  readonly family?: FamilyName;
  /** Token of the service. Rejected if it would be sent in plaintext to another machine. */
  readonly accessToken?: string;
  /** Allows a token in plaintext. @default false */
  readonly allowPlaintextToken?: boolean;
  /** Service name by which a cluster routes to the container. */
  readonly serviceName?: string;
  /** Clock and random numbers, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}

/** Options of one call. */
export interface PredictionOptions<Outputs = unknown>
  extends Pick<CallOptions, "signal" | "timeoutMs" | "deadlineMs" | "maxRetries" | "version"> {
  /** One name returns that tensor, several return them in that order, none returns the only one or all by name. */
  readonly outputs?: Outputs;
}

/** The result, by the requested outputs. */
export type Predicted<Outputs> = Outputs extends string
  ? TensorOutput
  : Outputs extends readonly string[]
    ? readonly TensorOutput[]
    : TensorOutput | Readonly<Record<string, TensorOutput>>;

/** What differs between model servers. */
interface ServerKind {
  /** Whether requests name their model and outputs; otherwise there is one model, which returns every output. */
  readonly namesModels: boolean;
  /** Port without TLS. */
  readonly plainPort: number;
  /** What stands before a token in `authorization`. */
  readonly tokenPrefix: string;
  /** Tensor for a picture, where the model has no family. */
  readonly pictureInput: string;
}

const serverKinds: Readonly<Record<ServingDialect, ServerKind>> = {
  "tensorflow-serving": {
    namesModels: true,
    plainPort: 8_500,
    tokenPrefix: "Bearer ",
    pictureInput: "images",
  },
  "azure-fpga": {
    namesModels: false,
    plainPort: 80,
    tokenPrefix: "Bearer ",
    pictureInput: "Placeholder:0",
  },
  "azure-fpga-preview": {
    namesModels: false,
    plainPort: 80,
    tokenPrefix: "",
    pictureInput: "images",
  },
};

/**
 * Scores at one model server, without a gateway.
 *
 * The methods have the names of the FPGA service's own client. Differences: the batch axis of a single picture is always
 * removed, floats can be sent, a passed deadline is not retried, and a token is not sent in plaintext.
 */
export class PredictionClient implements AsyncDisposable {
  readonly #options: PredictionClientOptions;
  readonly #kind: ServerKind;
  readonly #names: DialectNames;
  readonly #channel: RawChannel;
  readonly #call: Call;

  /** @throws TypeError if options contradict each other */
  constructor(options: PredictionClientOptions) {
    const { useTls = false, port, address, accessToken, serviceName, model } = options;
    this.#options = options;
    const dialect = options.dialect ?? (model === undefined ? "azure-fpga" : "tensorflow-serving");
    const { namesModels, plainPort, tokenPrefix } = serverKinds[dialect];
    this.#kind = serverKinds[dialect];
    if (namesModels && model === undefined) {
      throw new TypeError("set model to the name of one; TensorFlow Serving has several models");
    }
    assertTokenIsSafe(options);
    const family = options.family && families.get(options.family);
    const names = {
      inputs: family ? [family.input, family.pixelInput] : [],
      outputs: family?.outputs ?? [],
    };
    this.#names = dialectNames(names, dialect);
    this.#channel = createRawChannel(`${address}:${port ?? (useTls ? 443 : plainPort)}`, useTls);
    this.#call = createCaller({
      ...commonClientDefaults,
      onEvent: undefined,
      apiKey: undefined,
      ...options,
      headers: {
        ...(accessToken && { authorization: tokenPrefix + accessToken }),
        ...(serviceName && {
          "x-ms-aml-grpc-service-route": `/api/v1/service/${serviceName}`,
        }),
        ...options.headers,
      },
      budget: createRetryBudget(),
      clockAndRandom: options.clockAndRandom ?? systemClockAndRandom,
      newRequestId: randomUUID,
    });
  }

  /** Scores the picture in a file. @param options - `input` is the tensor for it; that of the dialect by default */
  async scoreFile<const Outputs = undefined>(
    path: string | URL,
    { input, ...options }: PredictionOptions<Outputs> & { readonly input?: string } = {},
  ): Promise<WithMeta<Predicted<Outputs>>> {
    const name = input ?? this.#pictureInput();
    return this.#score({ method: "scoreFile", options }, async () => ({
      [name]: { data: [await pictureBytes(path)], shape: [1] },
    }));
  }

  /** Scores named tensors. */
  async scoreTensors<const Outputs = undefined>(
    inputs: Readonly<Record<string, TensorInput>>,
    options: PredictionOptions<Outputs> = {},
  ): Promise<WithMeta<Predicted<Outputs>>> {
    return this.#score({ method: "scoreTensors", options }, async () => inputs);
  }

  /** Closes the connection. */
  close(): void {
    this.#channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #pictureInput(): string {
    const [ofFamily] = this.#names.inputs.keys();
    if (ofFamily !== undefined) return ofFamily;
    return this.#kind.pictureInput;
  }

  async #score<Outputs>(
    { method, options: { outputs, version, ...options } }: PredictionCall<Outputs>,
    read: () => Promise<Readonly<Record<string, TensorInput>>>,
  ): Promise<WithMeta<Predicted<Outputs>>> {
    const { model = "" } = this.#options;
    const { namesModels } = this.#kind;
    const wanted = typeof outputs === "string" ? [outputs] : ((outputs ?? []) as readonly string[]);
    const { message, meta } = await this.#call({
      method,
      options,
      ...(model && { model }),
      wireCodes: wireCodesOfStatus,
      prepare: async () => {
        const inputs = tensorsFromInputs(await read());
        const chosen = versionChoice({ ...(version !== undefined && { version }) });
        const request = predictRequestSegments({
          inputs: new Map(
            inputs.map(([name, tensor]) => [this.#names.inputs.get(name) ?? name, tensor]),
          ),
          modelSpec: namesModels
            ? { name: model, ...(chosen.version && { version: BigInt(chosen.version) }) }
            : { name: "" },
          outputFilter: namesModels
            ? wanted.map((name) => this.#names.outputs.get(name) ?? name)
            : [],
        });
        const isOnePicture = inputs.every(([, { shape }]) => shape[0] === 1);
        return { request: Buffer.concat(request), isOnePicture };
      },
      send: async (sent, { request, isOnePicture }) => {
        const reply = await this.#channel.unary(request, sent);
        return selectOutputs(this.#outputsOf(reply, isOnePicture), outputs) as object;
      },
    });
    return withMeta(message, meta) as WithMeta<Predicted<Outputs>>;
  }

  #outputsOf(reply: Buffer, isOnePicture: boolean): ReadonlyMap<string, TensorOutput> {
    try {
      const { outputs } = scoreResponseFromPredictResponse(reply, {
        asked: { name: "" },
        names: this.#names,
      });
      return new Map(
        [...outputs].map(([name, tensor]) => [name, outputFrom(tensor, isOnePicture)]),
      );
    } catch (cause) {
      throw new UpstreamFailedError("invalid reply from the model server", { cause });
    }
  }
}

interface PredictionCall<Outputs> {
  readonly method: string;
  readonly options: PredictionOptions<Outputs>;
}

/** Converts an output, without the batch axis of a single picture. */
function outputFrom(tensor: Tensor, isOnePicture: boolean): TensorOutput {
  const { shape } = tensor;
  const isBatchOfOne = isOnePicture && shape.length > 1 && shape[0] === 1;
  return outputFromTensor(isBatchOfOne ? { ...tensor, shape: shape.slice(1) } : tensor);
}

function selectOutputs(found: ReadonlyMap<string, TensorOutput>, outputs: unknown): unknown {
  const named = (name: string): TensorOutput => {
    const tensor = found.get(name);
    if (tensor) return tensor;
    throw new InvalidRequestError(`the reply has no output "${cutText(name, 80)}"`, {
      hint: `it has ${listedNames([...found.keys()].map((each) => `"${each}"`))}`,
      field: "outputs",
    });
  };
  if (typeof outputs === "string") return named(outputs);
  if (Array.isArray(outputs)) return outputs.map(named);
  const [only, ...others] = found.values();
  return only && others.length === 0 ? only : Object.fromEntries(found);
}

function assertTokenIsSafe(options: PredictionClientOptions): void {
  const { accessToken, useTls, address, allowPlaintextToken } = options;
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(address);
  if (!accessToken || useTls || isLocal || allowPlaintextToken) return;
  throw new TypeError(
    `the token would be sent to ${address} in plaintext; set useTls: true, or allowPlaintextToken: true if the connection is encrypted otherwise`,
  );
}
