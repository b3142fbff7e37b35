import type { CallContext } from "./call.ts";
import type { AnsweringModel, ModelSpec } from "./model-spec.ts";
import type { ResolvedModel } from "./resolved-model.ts";
import type { Tensor } from "./tensor.ts";

/** The calls of TensorFlow Serving's `PredictionService` that score. */
export type ServingMethod = "Predict" | "Classify" | "Regress" | "MultiInference";

/** A call of TensorFlow Serving's API as its caller encoded it. */
export interface EncodedCall {
  readonly method: ServingMethod;
  /** The request's message. */
  readonly message: Uint8Array;
}

/** Value of a parameter: a number is a double, a bigint an integer of 64 bits. */
export type ParameterValue = string | number | bigint | boolean;

/** Parameters of a request, an input or an output, by name. */
export type Parameters = ReadonlyMap<string, ParameterValue>;

export interface ScoreRequest {
  readonly modelSpec: ModelSpec;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Values for the model beside the tensors; replicas whose protocol has no parameters get none. */
  readonly parameters?: Parameters;
  /** Outputs the caller wants back; empty for all. */
  readonly outputFilter: readonly string[];
  /**
   * Whether tensors have the names that they have at a replica, in the request and in the response.
   * @default false
   */
  readonly hasWireNames?: boolean;
  /**
   * The request as its caller encoded it: a replica that understands it gets these bytes, and answers in bytes. Others
   * get the inputs, where the method is `Predict`.
   */
  readonly encoded?: EncodedCall;
}

export interface ScoreResponse {
  readonly model: AnsweringModel;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Names that the reply had for outputs that were recognized by a pattern, by our names; absent if there are none. */
  readonly matchedNames?: ReadonlyMap<string, string>;
  /** Encoded response message instead of outputs, if the request was sent as its caller encoded it. */
  readonly encoded?: Uint8Array;
  /** Region that answered; absent below the router. */
  readonly region?: string;
}

/** Scores one request as a caller makes it. */
export type Score = (request: ScoreRequest, call: CallContext) => Promise<ScoreResponse>;

/** A request together with what its model stood for when the call began. */
export interface ResolvedRequest extends ScoreRequest {
  readonly model: ResolvedModel;
  /**
   * Verifies the outputs of a reply as soon as it is read: a failed call may be retried at another replica. Absent if
   * any outputs will do.
   *
   * @param outputs - under their canonical names
   * @throws UpstreamFailedError if the reply is not what the model gives
   */
  readonly verify?: (outputs: ReadonlyMap<string, Tensor>) => void;
}

/** Scores one resolved request. Every stage behind `models/` has this type; the innermost one does I/O. */
export type ScoreResolved = (request: ResolvedRequest, call: CallContext) => Promise<ScoreResponse>;

/** Wraps a stage in one concern. A layer may answer by itself, or call `next` zero or more times. */
export type Layer = (next: ScoreResolved) => ScoreResolved;
