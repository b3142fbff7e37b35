import {
  type AnsweringModel,
  type CallContext,
  type Clock,
  cutText,
  DeadlineExceededError,
  InvalidRequestError,
  listedNames,
  type ModelSpec,
  type Tensor,
} from "@tensorgate/core";
import { classified, type InferRequest, type RequestedOutput } from "@tensorgate/open-inference";
import {
  type DescribedModel,
  type DescribingDeps,
  describedModel,
  isLatest,
  type TensorMetadata,
} from "./described-model.ts";

/** An output, and what the request said of its form; undefined if it did not name it. */
export interface InferredOutput {
  readonly name: string;
  readonly tensor: Tensor;
  readonly requested: RequestedOutput | undefined;
}

export interface Inference {
  readonly model: AnsweringModel;
  readonly region?: string;
  readonly outputs: readonly InferredOutput[];
}

export interface InferenceDeps extends Required<DescribingDeps> {
  readonly clock: Clock;
}

/**
 * Scores a request of the protocol, whatever its form: checks it against what is known of the model, since servers of the
 * protocol compute on wrong types and end at wrong shapes; scores it; and makes classes of the outputs that ask for them.
 *
 * @throws InvalidRequestError for a tensor that the model does not take; what scoring throws
 */
export async function runInference(
  modelSpec: ModelSpec,
  request: InferRequest,
  { call, tasks, model, clock }: InferenceDeps,
): Promise<Inference> {
  const described = await describedModel(modelSpec, { call, tasks, model });
  if (isLatest(modelSpec, described.description)) assertTakes(described, request);
  using limited = withSettings(call, request, clock);
  const { inputs, outputs: requested, parameters } = request;
  const outputFilter = requested.map(({ name }) => name);
  const response = await model().score(
    { modelSpec, inputs, outputFilter, ...(parameters && { parameters }) },
    limited.call,
  );
  const order = new Set([
    ...outputFilter,
    ...described.outputs.map(({ name }) => name),
    ...response.outputs.keys(),
  ]);
  const isWanted = (name: string) => requested.length === 0 || outputFilter.includes(name);
  const outputs = [...order].filter(isWanted).flatMap((name) => {
    const tensor = response.outputs.get(name);
    const asked = requested.find((each) => each.name === name);
    return tensor
      ? [{ name, tensor: inForm(tensor, { name, asked, described }), requested: asked }]
      : [];
  });
  const { region } = response;
  return { model: response.model, outputs, ...(region !== undefined && { region }) };
}

function assertTakes({ description, inputs }: DescribedModel, request: InferRequest): void {
  const isPicture = description.input.kind === "picture";
  for (const [name, tensor] of request.inputs) {
    const expected = inputs.find((each) => each.name === name);
    // A model that takes pictures may take pixels and further inputs besides, which its replicas check.
    if (expected && !isPicture) assertFits(expected, tensor);
    else if (!expected && !isPicture && inputs.length > 0) {
      throw new InvalidRequestError(
        `model "${description.name}" has no input "${cutText(name, 80)}"; inputs: ${listedNames(inputs.map((each) => each.name))}`,
        { field: name },
      );
    }
  }
}

function assertFits({ name, datatype, shape }: TensorMetadata, tensor: Tensor): void {
  if (tensor.dtype !== datatype) {
    throw new InvalidRequestError(
      `input "${name}" has the datatype ${tensor.dtype}; the model takes ${datatype}`,
      { field: name },
    );
  }
  const fits =
    tensor.shape.length === shape.length &&
    shape.every((extent, axis) => extent === -1 || extent === tensor.shape[axis]);
  if (fits) return;
  throw new InvalidRequestError(
    `input "${name}" has the shape [${tensor.shape}]; the model takes [${shape}]`,
    { field: name },
  );
}

interface OutputForm {
  readonly name: string;
  readonly asked: RequestedOutput | undefined;
  readonly described: DescribedModel;
}

function inForm(tensor: Tensor, { name, asked, described }: OutputForm): Tensor {
  const classCount = asked?.classCount ?? 0;
  if (classCount === 0) return tensor;
  const { outputs, labels } = described.description;
  const holds = outputs.find((each) => each.name === name)?.holds;
  const isOfClasses = holds === "probabilities" || holds === "logits";
  const hasLabels = isOfClasses && tensor.shape.at(-1) === labels.length;
  return classified(name, tensor, { classCount, labels: hasLabels ? labels : [] });
}

/** The call with the deadline and the priority of the request's parameters. Disposing of it stops its timer. */
function withSettings(
  call: CallContext,
  { timeoutUs, priority }: Pick<InferRequest, "timeoutUs" | "priority">,
  clock: Clock,
): Disposable & { readonly call: CallContext } {
  const hints = priority && !call.hints.priority ? { ...call.hints, priority } : call.hints;
  const atMs = timeoutUs === undefined ? call.deadline.atMs : clock.nowMs() + timeoutUs / 1_000;
  if (timeoutUs === undefined || atMs >= call.deadline.atMs) {
    return { call: { ...call, hints }, [Symbol.dispose]: () => {} };
  }
  const controller = new AbortController();
  const onAbort = () => controller.abort(call.signal.reason);
  call.signal.addEventListener("abort", onAbort, { once: true });
  const timer = clock.setTimer(timeoutUs / 1_000, () =>
    controller.abort(
      new DeadlineExceededError(`the call was not answered within its timeout of ${timeoutUs} µs`, {
        field: "timeout",
      }),
    ),
  );
  return {
    call: { ...call, hints, deadline: { atMs }, signal: controller.signal },
    [Symbol.dispose]: () => {
      timer[Symbol.dispose]();
      call.signal.removeEventListener("abort", onAbort);
    },
  };
}
