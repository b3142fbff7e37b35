import {
  base64,
  checkedNames,
  outputFromTensor,
  type PredictOptions,
  type TensorInput,
  type TensorOutput,
  tensorsFromInputs,
  versionChoice,
  type WithMeta,
  withMeta,
} from "@tensorgate/client-core";
import type { Tensor } from "@tensorgate/core";
import type { Connection } from "./connection.ts";

/** A tensor in Connect's JSON. @see tensorgate.v1.Tensor */
interface TensorJson {
  readonly dtype?: string;
  readonly shape?: readonly string[];
  readonly data?: string;
  readonly elements?: { readonly elements?: readonly string[] };
}

/** Scores named tensors; returns named tensors. @throws ClientError */
export async function predict(
  connection: Connection,
  model: string,
  inputs: Readonly<Record<string, TensorInput>>,
  options: PredictOptions = {},
): Promise<WithMeta<Readonly<Record<string, TensorOutput>>>> {
  const { outputs = [], signature: signatureName } = options;
  const { message, meta } = await connection.call({
    method: "predict",
    model,
    options,
    path: "/tensorgate.v1.ScoringService/Predict",
    headers: { "connect-protocol-version": "1" },
    body: async () => {
      const tensors = tensorsFromInputs(inputs).map(([name, tensor]) => [name, wireTensor(tensor)]);
      return {
        contentType: "application/json",
        data: JSON.stringify({
          modelSpec: { name: model, signatureName, ...versionChoice(options) },
          inputs: Object.fromEntries(tensors),
          outputFilter: checkedNames("outputs", outputs),
        }),
      };
    },
    read: (text) => {
      const { outputs: tensors = {} } = JSON.parse(text) as {
        readonly outputs?: Readonly<Record<string, TensorJson>>;
      };
      const entries = Object.entries(tensors).map(
        ([name, tensor]) => [name, outputFromTensor(tensorFrom(tensor))] as const,
      );
      return Object.fromEntries(entries);
    },
  });
  return withMeta(message, meta);
}

function wireTensor(tensor: Tensor): TensorJson {
  const { dtype } = tensor;
  const shape = tensor.shape.map(String);
  if (tensor.dtype !== "BYTES") return { dtype, shape, data: base64(tensor.data) };
  return { dtype, shape, elements: { elements: tensor.elements.map(base64) } };
}

function tensorFrom({ dtype = "", shape = [], data = "", elements }: TensorJson): Tensor {
  const extents = shape.map(Number);
  if (dtype === "BYTES") {
    return { dtype, shape: extents, elements: (elements?.elements ?? []).map(bytesOf) };
  }
  return { dtype, shape: extents, data: bytesOf(data) } as Tensor;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
