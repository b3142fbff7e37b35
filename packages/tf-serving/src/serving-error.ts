import { grpcCode, grpcCodeName } from "@tensorgate/grpc";

/** An error with TensorFlow Serving's own code and text. */
export class ServingError extends Error {
  override readonly name = "ServingError";
  readonly grpcCode: number;
  /** Labels that the model has, where a call names another one. */
  readonly knownLabels: readonly string[];

  constructor(
    code: number,
    message: string,
    {
      knownLabels = [],
      ...options
    }: ErrorOptions & { readonly knownLabels?: readonly string[] } = {},
  ) {
    super(message, options);
    this.grpcCode = code;
    this.knownLabels = knownLabels;
  }

  /** Name of the code, such as `INVALID_ARGUMENT`. */
  get codeName(): string {
    return grpcCodeName(this.grpcCode);
  }
}

export const invalidArgument = (message: string): ServingError =>
  new ServingError(grpcCode.INVALID_ARGUMENT, message);
export const unimplemented = (message: string): ServingError =>
  new ServingError(grpcCode.UNIMPLEMENTED, message);
const notFound = (message: string): ServingError => new ServingError(grpcCode.NOT_FOUND, message);

/** Names as the texts list them: sorted, joined by a comma, in braces. */
function set(names: Iterable<string>): string {
  return `{${[...names].toSorted().join(",")}}`;
}

/** The texts that every client of TensorFlow Serving may know by heart, one function per mistake. */
export const servingErrors = {
  malformedMessage: (detail: string): ServingError =>
    invalidArgument(`the message cannot be decoded: ${detail}`),

  missingModelSpec: (): ServingError => invalidArgument("Missing ModelSpec"),
  missingModelName: (): ServingError => invalidArgument("ModelSpec has no name specified."),

  emptyModelName: (): ServingError => invalidArgument("Found ModelSpec with an empty model name."),
  differentModels: (): ServingError =>
    invalidArgument("All ModelSpecs in a MultiInferenceRequest must access the same model name."),

  servableNotFound: (name: string, version?: bigint): ServingError =>
    notFound(
      `Servable not found for request: ${version === undefined ? `Latest(${name})` : `Specific(${name}, ${version})`}`,
    ),

  unknownVersionLabel: (label: string, knownLabels: readonly string[] = []): ServingError =>
    new ServingError(grpcCode.INVALID_ARGUMENT, `Unrecognized servable version label: ${label}`, {
      knownLabels,
    }),

  unknownSignature: (name: string): ServingError =>
    new ServingError(grpcCode.FAILED_PRECONDITION, `Serving signature key "${name}" not found.`),

  inputSizeMismatch: (sent: readonly string[], expected: readonly string[]): ServingError => {
    const extra = sent.filter((name) => !expected.includes(name));
    const missing = expected.filter((name) => !sent.includes(name));
    return invalidArgument(
      `input size does not match signature: ${sent.length}!=${expected.length} len(${set(sent)}) != len(${set(expected)}). Sent extra: ${set(extra)}. Missing but required: ${set(missing)}.`,
    );
  },

  missingInput: (
    input: { readonly alias: string; readonly graphName: string },
    sent: readonly string[],
    defaults: readonly string[],
  ): ServingError =>
    invalidArgument(
      `Signature input alias: ${input.alias}(feed name: ${input.graphName}) not found in request and no default value provided. Inputs expected to be in the request ${set(sent)}, or default input alias set: ${defaults.toSorted().join(",")}`,
    ),

  unknownInput: (used: readonly string[], sent: readonly string[]): ServingError =>
    invalidArgument(
      `Inputs contains invalid name. Used request inputs: ${used.toSorted().join(",")}, request input: ${sent.toSorted().join(",")}`,
    ),

  tensorParsing: (alias: string): ServingError => invalidArgument(`tensor parsing error: ${alias}`),

  wrongDType: (expected: string, provided: string): ServingError =>
    invalidArgument(`Expects arg[0] to be ${expected} but ${provided} is provided`),

  unknownOutput: (name: string, outputs: readonly string[]): ServingError =>
    invalidArgument(
      `output tensor alias not found in signature: ${name} Outputs expected to be in the set ${set(outputs)}.`,
    ),

  duplicateOutput: (name: string): ServingError =>
    invalidArgument(`duplicate output tensor alias: ${name}`),

  noExampleSignature: (name: string): ServingError =>
    invalidArgument(`No signature was found with the name: ${name}`),
  noExamples: (): ServingError => invalidArgument("Input is empty."),
  duplicateTask: (signature: string): ServingError =>
    invalidArgument(`Duplicate evaluation of signature: ${signature}`),
  noTaskSignature: (name: string): ServingError =>
    invalidArgument(`Requested signature not found in model graph: ${name}`),
  unsupportedMethod: (name: string): ServingError =>
    unimplemented(`Unsupported signature method_name: ${name}`),

  /** In REST only: over gRPC it is `unknownSignature`. */
  unknownRestSignature: (name: string): ServingError =>
    invalidArgument(`Serving signature name: "${name}" not found in signature def`),

  timedOut: (): ServingError =>
    new ServingError(grpcCode.DEADLINE_EXCEEDED, "Timed out waiting for notification"),

  labelOfUnavailable: (label: { readonly model: string; readonly version: bigint }): ServingError =>
    new ServingError(
      grpcCode.FAILED_PRECONDITION,
      `Request to assign label to version ${label.version} of model ${label.model}, which is not currently available for inference`,
    ),
  modelListedTwice: (name: string): ServingError =>
    invalidArgument(`Illegal to list model ${name} multiple times in config list`),
  relativeBasePath: (name: string, basePath: string): ServingError =>
    invalidArgument(
      `Expected model ${name} to have an absolute path or URI; got base_path()=${basePath}`,
    ),
  unsupportedPlatform: (name: string, platform: string): ServingError =>
    invalidArgument(`Model ${name} requests unsupported platform ${platform}`),
  changedPlatform: (name: string, was: string, requested: string): ServingError =>
    invalidArgument(
      `Illegal to change a model's platform. For model ${name} platform was ${was} and new platform requested is ${requested}`,
    ),
  unsupportedConfig: (): ServingError =>
    invalidArgument(
      "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported",
    ),

  missingMetadataField: (): ServingError =>
    invalidArgument("GetModelMetadataRequest must specify at least one metadata_field"),
  unsupportedMetadataField: (field: string): ServingError =>
    invalidArgument(`Metadata field ${field} is not supported`),

  noVersions: (name: string): ServingError =>
    notFound(`Could not find any versions of model ${name}`),
  noVersion: (name: string, version: bigint): ServingError =>
    notFound(`Could not find version ${version} of model ${name}`),
} as const;

/** Longest status message over gRPC, in bytes. */
const maxMessageBytes = 1_024;

/** A status message as the server sends it over gRPC: a long one is cut and says so. */
export function statusMessage(message: string): string {
  const bytes = new TextEncoder().encode(message);
  if (bytes.byteLength <= maxMessageBytes) return message;
  const mark = "...TRUNCATED";
  const kept = bytes.subarray(0, maxMessageBytes - mark.length);
  return `${new TextDecoder().decode(kept).replace(/\uFFFD$/, "")}${mark}`;
}
