import {
  type DType,
  defaultSignature,
  nearestNames,
  type Signature,
  scoredSignatureNames,
  type TensorInfo,
} from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { attributeDType, attributeShape } from "../read/attributes.ts";
import { type Body, tensorPlace } from "../read/graph-index.ts";
import type { StoredModel } from "../read/read-model.ts";
import { SavedModelError } from "../saved-model-error.ts";

/** A tensor that is fed or asked for. */
export interface NamedTensor {
  /** Its name in the signature, or that of its node if no signature has it. */
  readonly key: string;
  /** In the graph, such as `Placeholder:0`. */
  readonly graphName: string;
  readonly dtype: DType | undefined;
  /** -1 for an open extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
}

export interface Wanted {
  readonly signature?: string | undefined;
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
}

/** The tensors between which a graph is converted: those named, or else those of a signature. */
export interface NamedTensors {
  /** Undefined if the model has none. */
  readonly signatureName: string | undefined;
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly NamedTensor[];
}

/** @throws SavedModelError for names that the model does not have, with the nearest ones */
export function namedTensors(model: StoredModel, main: Body, wanted: Wanted): NamedTensors {
  const { signatures } = model;
  const signatureName = signatureNameOf(signatures, wanted.signature);
  const signature = signatures.get(signatureName ?? "");
  const known = [...signatures.values()];
  // The tensors of the wanted signature have its names, rather than those of others.
  const all = signature ? [signature, ...known] : known;
  const named = (names: readonly string[] | undefined, kind: "inputs" | "outputs") => {
    if (names && names.length > 0) {
      return names.map((name) =>
        tensorNamed(
          main,
          name,
          all.map((each) => each[kind]),
        ),
      );
    }
    if (signature) return fromSignature(main, signature[kind]);
    throw new SavedModelError(
      "unknown-name",
      `the model has no signature: name its ${kind}, such as ${examples(main, kind)}`,
    );
  };
  return {
    signatureName,
    inputs: named(wanted.inputs, "inputs"),
    outputs: named(wanted.outputs, "outputs"),
  };
}

function signatureNameOf(
  signatures: ReadonlyMap<string, Signature>,
  wanted: string | undefined,
): string | undefined {
  if (wanted === undefined) {
    const used = defaultSignature({ signatures });
    return [...signatures].find(([, signature]) => signature === used)?.[0];
  }
  if (signatures.has(wanted)) return wanted;
  const names = scoredSignatureNames(signatures);
  throw new SavedModelError(
    "unknown-name",
    `unknown signature "${wanted}"; signatures: ${names.join(", ") || "none"}`,
  );
}

function fromSignature(main: Body, infos: ReadonlyMap<string, TensorInfo>): readonly NamedTensor[] {
  return [...infos].map(([key, info]) => {
    const graphName = info.graphName ?? "";
    const { shape, dtype } = seenIn(main, graphName);
    return { key, graphName, dtype: info.dtype ?? dtype, shape: info.shape ?? shape };
  });
}

function tensorNamed(
  main: Body,
  name: string,
  infos: readonly ReadonlyMap<string, TensorInfo>[],
): NamedTensor {
  const place = tensorPlace(name, main);
  if (!main.nodes.has(place.name)) {
    const nearest = nearestNames(place.name, [...main.nodes.keys()]).map((each) => `${each}:0`);
    throw new SavedModelError(
      "unknown-name",
      `the graph has no tensor ${name}; the nearest: ${nearest.join(", ")}`,
    );
  }
  const graphName = `${place.name}:${place.output}`;
  for (const each of infos) {
    const found = [...each].find(([, info]) => info.graphName === graphName);
    if (!found) continue;
    const [key, info] = found;
    return { key, graphName, dtype: info.dtype, shape: info.shape ?? seenIn(main, name).shape };
  }
  const key = place.output === 0 ? place.name : graphName;
  return { key, graphName, ...seenIn(main, name) };
}

/** What the node of a tensor says of it. */
function seenIn(main: Body, name: string): Pick<NamedTensor, "dtype" | "shape"> {
  const node = main.nodes.get(tensorPlace(name, main).name);
  if (!node) return { dtype: undefined, shape: undefined };
  return { dtype: dtypeOf(node), shape: attributeShape(node, "shape") };
}

function dtypeOf(node: NodeDef): DType | undefined {
  const names = node.op === "Cast" ? ["DstT"] : ["dtype", "T", "out_type", "element_dtype"];
  return names.map((name) => attributeDType(node, name)).find((dtype) => dtype !== undefined);
}

/** For a message: placeholders, and nodes that no other takes. */
function examples(main: Body, kind: "inputs" | "outputs"): string {
  const nodes = [...main.nodes.values()];
  const taken = new Set(
    nodes.flatMap(({ input }) => input.map((each) => each.replace(/^\^|:.*$/g, ""))),
  );
  const found =
    kind === "inputs"
      ? nodes.filter(({ op }) => op === "Placeholder")
      : nodes.filter(({ name }) => !taken.has(name));
  return (
    found
      .slice(0, 3)
      .map(({ name }) => `${name}:0`)
      .join(", ") || "none"
  );
}
