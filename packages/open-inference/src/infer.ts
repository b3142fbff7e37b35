import {
  cutText,
  InvalidRequestError,
  NotSupportedError,
  type Parameters,
  type Priority,
  type Tensor,
} from "@tensorgate/core";

/** An output that a request asks for by name. */
export interface RequestedOutput {
  readonly name: string;
  /** Whether its bytes follow the JSON; undefined if the request does not say. */
  readonly isBinary?: boolean;
  /** Classes to make of its values; 0 for the values themselves. */
  readonly classCount: number;
}

/** An inference request, whatever its form. */
export interface InferRequest {
  /** As the caller gave it; empty if there is none. */
  readonly id: string;
  /** How long the caller waits, in microseconds; undefined if it does not say. */
  readonly timeoutUs?: number;
  readonly priority?: Priority;
  /** Those that are for the model's server; absent if there are none. */
  readonly parameters?: Parameters;
  /** Whether outputs that are not named come as bytes. */
  readonly isBinaryOutput: boolean;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Without a name twice; empty for all outputs. */
  readonly outputs: readonly RequestedOutput[];
}

/** What the parameters of a request ask. */
export type RequestSettings = Pick<
  InferRequest,
  "timeoutUs" | "priority" | "isBinaryOutput" | "parameters"
>;

/** Parameters that the gateway answers for, or that a server takes for its own: no other server gets them. */
const ownParameters =
  /^(sequence_(id|start|end)|timeout|priority|binary_data_output|binary_data_size|shared_memory_.*|headers|triton_.*)$/;

/**
 * Reads the parameters of a request. What the gateway does not know is for the model's server.
 *
 * @param parameters - in JSON, integers are bigint as in a message
 *
 * @throws InvalidRequestError if one has the wrong type; NotSupportedError for a sequence of requests, whose state a
 *   single replica would have to keep
 */
export function requestSettings(parameters: Parameters): RequestSettings {
  const sequence = parameters.get("sequence_id");
  if (sequence !== undefined && String(sequence) !== "0" && sequence !== "") {
    throw new NotSupportedError("sequences of requests (sequence_id) are not supported", {
      field: "sequence_id",
      hint: "calls are spread over replicas; leave the parameter out if the model keeps no state",
    });
  }
  const timeoutUs = wholeNumber(parameters, "timeout");
  const rank = wholeNumber(parameters, "priority");
  const others = [...parameters].filter(([name]) => !ownParameters.test(name));
  return {
    isBinaryOutput: flag(parameters, "binary_data_output") ?? false,
    ...(timeoutUs && { timeoutUs }),
    // 1 is Triton's highest priority, and 0 that of its configuration.
    ...(rank && { priority: rank === 1 ? "critical" : "batch" }),
    ...(others.length > 0 && { parameters: new Map(others) }),
  };
}

/** @throws InvalidRequestError if the tensor is said to lie in shared memory */
export function assertNoSharedMemory(tensorName: string, parameters: Parameters): void {
  if (!parameters.has("shared_memory_region")) return;
  throw new InvalidRequestError(
    `"${cutText(tensorName, 80)}" is in shared memory, which the gateway does not have`,
    { field: tensorName, hint: "send the values in the request" },
  );
}

/**
 * @param name - of the output
 * @throws InvalidRequestError if a parameter has the wrong type, or the number of classes is negative
 */
export function requestedOutput(name: string, parameters: Parameters): RequestedOutput {
  assertNoSharedMemory(name, parameters);
  const isBinary = flag(parameters, "binary_data");
  return {
    name,
    classCount: wholeNumber(parameters, "classification") ?? 0,
    ...(isBinary !== undefined && { isBinary }),
  };
}

/** @throws InvalidRequestError if two tensors have one name */
export function assertUnique(kind: "input" | "output", names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new InvalidRequestError(`${kind} "${cutText(name, 80)}" is there twice`, {
        field: name,
      });
    }
    seen.add(name);
  }
}

function flag(parameters: Parameters, name: string): boolean | undefined {
  const value = parameters.get(name);
  if (value === undefined || typeof value === "boolean") return value;
  throw new InvalidRequestError(`parameter "${name}" must be true or false`, { field: name });
}

/** @returns undefined if it is absent */
export function wholeNumber(parameters: Parameters, name: string): number | undefined {
  const value = parameters.get(name);
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
  throw new InvalidRequestError(`parameter "${name}" must be a whole number >= 0`, { field: name });
}
