import { create, toBinary } from "@bufbuild/protobuf";
import { defaultSignatureName, type ModelSpec, type Tensor } from "@tensorgate/core";
import {
  ClassificationResponseSchema,
  type ClassificationResult,
} from "@tensorgate/proto/tensorflow_serving/classification";
import { MultiInferenceResponseSchema } from "@tensorgate/proto/tensorflow_serving/inference";
import {
  RegressionResponseSchema,
  type RegressionResult,
} from "@tensorgate/proto/tensorflow_serving/regression";
import {
  classificationResult,
  type ExampleMethod,
  exampleInputs,
  exampleMethods,
  exampleOutputs,
  exampleSignature,
  modelSpecMessage,
  type ReceivedPredictRequest,
  readExampleRequest,
  readMultiInferenceRequest,
  regressionResult,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { Servable } from "../servable.ts";
import { type LoadedModels, resolveServable } from "./loaded-models.ts";

/** A call with examples, each of them serialized. */
export interface ExampleCall {
  readonly modelSpec: ModelSpec | undefined;
  readonly examples: readonly Uint8Array[];
  /** Whether the client has closed the request. */
  readonly isAbandoned: () => boolean;
}

interface Scored {
  readonly modelSpec: ModelSpec;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/**
 * Classifies examples.
 *
 * @throws ServingError with TensorFlow Serving's code and text
 */
export async function classify(
  models: LoadedModels,
  call: ExampleCall,
): Promise<{ readonly modelSpec: ModelSpec; readonly result: ClassificationResult }> {
  const { modelSpec, outputs } = await scoreExamples(models, "classify", call);
  return { modelSpec, result: classificationResult(outputs, call.examples.length) };
}

/** Scores examples by a regression. @throws ServingError with TensorFlow Serving's code and text */
export async function regress(
  models: LoadedModels,
  call: ExampleCall,
): Promise<{ readonly modelSpec: ModelSpec; readonly result: RegressionResult }> {
  const { modelSpec, outputs } = await scoreExamples(models, "regress", call);
  return { modelSpec, result: regressionResult(outputs, call.examples.length) };
}

async function scoreExamples(
  models: LoadedModels,
  method: ExampleMethod,
  { modelSpec, examples, isAbandoned }: ExampleCall,
): Promise<Scored> {
  const servable = resolveServable(models, modelSpec);
  const signature = exampleSignature(servable.signatures, modelSpec?.signatureName);
  const outputFilter = exampleOutputs(method, signature);
  return runExamples(servable, { modelSpec, examples, isAbandoned, outputFilter });
}

async function runExamples(
  servable: Servable,
  {
    modelSpec,
    examples,
    isAbandoned,
    outputFilter,
  }: ExampleCall & { outputFilter: readonly string[] },
): Promise<Scored> {
  const inputs = exampleInputs(examples);
  const request = receivedRequest(inputs, { modelSpec, outputFilter });
  const { model, signatureName, outputs } = await servable.predict(request, isAbandoned);
  return { modelSpec: { ...model, signatureName }, outputs };
}

/** Tensors that did not come in a `PredictRequest`, as one. */
export function receivedRequest(
  inputs: ReadonlyMap<string, Tensor>,
  {
    modelSpec,
    outputFilter = [],
  }: { readonly modelSpec: ModelSpec | undefined; readonly outputFilter?: readonly string[] },
): ReceivedPredictRequest {
  return {
    modelSpec,
    outputFilter,
    inputNames: [...inputs.keys()],
    input: (name) => {
      const tensor = inputs.get(name);
      if (!tensor) throw new RangeError(`there is no input ${name}`);
      return tensor;
    },
  };
}

/** Answers a `ClassificationRequest`. */
export async function classifyMessage(
  models: LoadedModels,
  message: Uint8Array,
  isAbandoned: () => boolean,
): Promise<Uint8Array> {
  const call = { ...readExampleRequest(message), isAbandoned };
  const { modelSpec, result } = await classify(models, call);
  return toBinary(
    ClassificationResponseSchema,
    create(ClassificationResponseSchema, { modelSpec: modelSpecMessage(modelSpec), result }),
  );
}

/** Answers a `RegressionRequest`. */
export async function regressMessage(
  models: LoadedModels,
  message: Uint8Array,
  isAbandoned: () => boolean,
): Promise<Uint8Array> {
  const call = { ...readExampleRequest(message), isAbandoned };
  const { modelSpec, result } = await regress(models, call);
  return toBinary(
    RegressionResponseSchema,
    create(RegressionResponseSchema, { modelSpec: modelSpecMessage(modelSpec), result }),
  );
}

/** Answers a `MultiInferenceRequest`: every task is checked before one is run. */
export async function multiInferenceMessage(
  models: LoadedModels,
  message: Uint8Array,
  isAbandoned: () => boolean,
): Promise<Uint8Array> {
  const { tasks, examples } = readMultiInferenceRequest(message);
  const servable = resolveServable(models, tasks[0]?.modelSpec ?? { name: "" });
  const checked = checkedTasks(servable, tasks);
  const results = [];
  for (const { method, modelSpec, outputFilter } of checked) {
    const call = { modelSpec, examples, isAbandoned, outputFilter };
    const scored = await runExamples(servable, call);
    const result =
      method === "classify"
        ? {
            case: "classificationResult" as const,
            value: classificationResult(scored.outputs, examples.length),
          }
        : {
            case: "regressionResult" as const,
            value: regressionResult(scored.outputs, examples.length),
          };
    results.push({ modelSpec: modelSpecMessage(scored.modelSpec), result });
  }
  return toBinary(MultiInferenceResponseSchema, create(MultiInferenceResponseSchema, { results }));
}

function checkedTasks(
  { name, signatures }: Servable,
  tasks: ReturnType<typeof readMultiInferenceRequest>["tasks"],
) {
  const seen = new Set<string>();
  return tasks.map(({ modelSpec, methodName }) => {
    if (modelSpec.name === "") throw servingErrors.emptyModelName();
    if (modelSpec.name !== name) throw servingErrors.differentModels();
    const signatureName = modelSpec.signatureName || defaultSignatureName;
    if (seen.has(signatureName)) throw servingErrors.duplicateTask(signatureName);
    seen.add(signatureName);
    const signature = signatures.get(signatureName);
    if (!signature) throw servingErrors.noTaskSignature(signatureName);
    const method = methodOf(methodName);
    if (!method) throw servingErrors.unsupportedMethod(methodName);
    return { method, modelSpec, outputFilter: exampleOutputs(method, signature) };
  });
}

function methodOf(methodName: string): ExampleMethod | undefined {
  if (methodName === exampleMethods.classify) return "classify";
  return methodName === exampleMethods.regress ? "regress" : undefined;
}
