import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { ModelMetadata, ModelSpec, Signature, Tensor, TensorInfo } from "@tensorgate/core";
import { joined } from "@tensorgate/core";
import {
  type SignatureDef,
  SignatureDefSchema,
  type TensorInfo as TensorInfoMessage,
  TensorProtoSchema,
} from "@tensorgate/proto/tensorflow/framework";
import {
  type GetModelMetadataResponse,
  GetModelMetadataResponseSchema,
  type SignatureDefMap,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import type {
  ModelSpec as ModelSpecMessage,
  ModelSpecSchema,
} from "@tensorgate/proto/tensorflow_serving/model";
import { dataTypes, dtypeByNumber } from "./data-type.ts";
import { tensorProtoWriter } from "./tensor-proto.ts";

/** A model spec as a message. Its signature is left to its field's default where there is none. */
export function modelSpecMessage({
  name,
  version,
  versionLabel,
  signatureName = "",
}: ModelSpec): MessageInitShape<typeof ModelSpecSchema> {
  if (version !== undefined) {
    return { name, signatureName, versionChoice: { case: "version", value: { value: version } } };
  }
  if (versionLabel !== undefined) {
    return { name, signatureName, versionChoice: { case: "versionLabel", value: versionLabel } };
  }
  return { name, signatureName };
}

/** Reads the message of a model spec. */
export function modelSpecFromMessage({
  name,
  signatureName,
  versionChoice,
}: ModelSpecMessage): ModelSpec {
  return {
    name,
    ...(signatureName !== "" && { signatureName }),
    ...(versionChoice.case === "version" && { version: versionChoice.value.value }),
    ...(versionChoice.case === "versionLabel" && { versionLabel: versionChoice.value }),
  };
}

/** A signature as `GetModelMetadata` shows it. */
export function signatureDefFromSignature({
  inputs,
  outputs,
  defaults = new Map(),
  methodName = "tensorflow/serving/predict",
}: Signature): SignatureDef {
  return create(SignatureDefSchema, {
    inputs: tensorInfos(inputs),
    outputs: tensorInfos(outputs),
    defaults: Object.fromEntries(
      [...defaults].map(([name, tensor]) => [name, tensorProtoMessage(tensor)]),
    ),
    methodName,
  });
}

const tensorProtoMessage = (tensor: Tensor) =>
  fromBinary(TensorProtoSchema, joined(tensorProtoWriter(tensor, "values").finish()));

function tensorInfos(infos: ReadonlyMap<string, TensorInfo>) {
  return Object.fromEntries(
    [...infos].map(([name, { dtype, shape, graphName = `${name}:0` }]) => [
      name,
      {
        ...(graphName !== "" && { encoding: { case: "name" as const, value: graphName } }),
        dtype: dataTypes[dtype].number,
        tensorShape: shape
          ? { dim: shape.map((extent) => ({ size: BigInt(extent) })) }
          : { unknownRank: true },
      },
    ]),
  );
}

/** Signatures by name as the `signature_def` field of the metadata has them. */
export function signatureDefMap(signatures: ReadonlyMap<string, Signature>): SignatureDefMap {
  const signatureDef = Object.fromEntries(
    [...signatures].map(([name, signature]) => [name, signatureDefFromSignature(signature)]),
  );
  return create(SignatureDefMapSchema, { signatureDef });
}

/** The same, packed. */
export function packedSignatures(signatures: ReadonlyMap<string, Signature>): Any {
  return anyPack(SignatureDefMapSchema, signatureDefMap(signatures));
}

/** Field of the metadata in which a model server of ours describes a model. TensorFlow Serving rejects it. */
export const manifestField = "tensorgate.manifest";

/** Metadata as `GetModelMetadata` answers them. */
export function modelMetadataResponse({
  model,
  signatures,
  encodedSignatures,
  manifest,
}: ModelMetadata): GetModelMetadataResponse {
  const { name, version } = model;
  const packed = packedSignatures(signatures);
  return create(GetModelMetadataResponseSchema, {
    modelSpec: { name, versionChoice: { case: "version", value: { value: version } } },
    metadata: {
      signature_def: encodedSignatures
        ? { ...packed, value: new Uint8Array(encodedSignatures) }
        : packed,
      ...(manifest !== undefined && {
        [manifestField]: anyPack(StringValueSchema, create(StringValueSchema, { value: manifest })),
      }),
    },
  });
}

/** Reads an answer to `GetModelMetadata`. */
export function modelMetadataFromResponse({
  modelSpec,
  metadata,
}: GetModelMetadataResponse): ModelMetadata {
  const choice = modelSpec?.versionChoice;
  const packed = metadata["signature_def"];
  const map = packed && anyUnpack(packed, SignatureDefMapSchema);
  const described = metadata[manifestField];
  const manifest = described && anyUnpack(described, StringValueSchema)?.value;
  return {
    ...(manifest !== undefined && { manifest }),
    ...(packed && { encodedSignatures: packed.value }),
    model: {
      name: modelSpec?.name ?? "",
      version: choice?.case === "version" ? choice.value.value : 0n,
    },
    signatures: new Map(
      Object.entries(map?.signatureDef ?? {}).map(([name, each]) => [name, signatureFromDef(each)]),
    ),
  };
}

/** Reads a signature. Tensors whose type no request can have are left out. */
export function signatureFromDef({ inputs, outputs, methodName }: SignatureDef): Signature {
  return { inputs: graphInfos(inputs), outputs: graphInfos(outputs), methodName };
}

function graphInfos(
  infos: Readonly<Record<string, TensorInfoMessage>>,
): ReadonlyMap<string, TensorInfo> {
  return new Map(
    Object.entries(infos).flatMap(([name, { dtype, tensorShape, encoding }]) => {
      const known = dtypeByNumber.get(dtype);
      if (!known) return [];
      const isRanked = tensorShape && !tensorShape.unknownRank;
      const shape = isRanked ? tensorShape.dim.map(({ size }) => Number(size)) : undefined;
      const graphName = encoding.case === "name" ? encoding.value : "";
      return [[name, { dtype: known, shape, graphName }] as const];
    }),
  );
}

/** TensorFlow's names of the types of a signature's inputs, by which a body is read. */
export function inputTypeNames({ inputs }: Signature): ReadonlyMap<string, string> {
  return new Map([...inputs].map(([name, { dtype }]) => [name, dataTypes[dtype].name]));
}
