import { create } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Signature, TensorInfo } from "@tensorgate/core";
import {
  type SignatureDef,
  SignatureDefSchema,
  type TensorInfo as TensorInfoMessage,
} from "@tensorgate/proto/tensorflow/framework";
import {
  type GetModelMetadataResponse,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { dataTypes, dtypeFromNumber } from "./data-type.ts";

/** A signature as `GetModelMetadata` shows it. */
export function signatureDefFromSignature({ inputs, outputs }: Signature): SignatureDef {
  return create(SignatureDefSchema, {
    inputs: tensorInfos(inputs),
    outputs: tensorInfos(outputs),
    methodName: "tensorflow/serving/predict",
  });
}

function tensorInfos(infos: ReadonlyMap<string, TensorInfo>) {
  return Object.fromEntries(
    [...infos].map(([name, { dtype, shape }]) => [
      name,
      {
        encoding: { case: "name" as const, value: `${name}:0` },
        dtype: dataTypes[dtype].number,
        tensorShape: shape
          ? { dim: shape.map((extent) => ({ size: BigInt(extent) })) }
          : { unknownRank: true },
      },
    ]),
  );
}

/** Signatures by name, packed as the `signature_def` field of the metadata. */
export function packedSignatures(signatures: ReadonlyMap<string, Signature>): Any {
  const signatureDef = Object.fromEntries(
    [...signatures].map(([name, signature]) => [name, signatureDefFromSignature(signature)]),
  );
  return anyPack(SignatureDefMapSchema, create(SignatureDefMapSchema, { signatureDef }));
}

/** A tensor of a signature, with its name in the graph behind it. */
export interface GraphTensorInfo extends TensorInfo {
  /** Such as `Placeholder:0`; empty for tensors that are not dense. */
  readonly graphName: string;
}

/** A signature as `GetModelMetadata` tells it. Tensors of types that are not known here are left out. */
export interface GraphSignature extends Signature {
  readonly inputs: ReadonlyMap<string, GraphTensorInfo>;
  readonly outputs: ReadonlyMap<string, GraphTensorInfo>;
}

/** Signatures by name, out of an answer to `GetModelMetadata`. */
export function signaturesFromMetadata({
  metadata,
}: GetModelMetadataResponse): ReadonlyMap<string, GraphSignature> {
  const packed = metadata["signature_def"];
  const map = packed && anyUnpack(packed, SignatureDefMapSchema);
  return new Map(
    Object.entries(map?.signatureDef ?? {}).map(([name, { inputs, outputs }]) => [
      name,
      { inputs: graphInfos(inputs), outputs: graphInfos(outputs) },
    ]),
  );
}

function graphInfos(
  infos: Readonly<Record<string, TensorInfoMessage>>,
): ReadonlyMap<string, GraphTensorInfo> {
  return new Map(
    Object.entries(infos).flatMap(([name, { dtype, tensorShape, encoding }]) => {
      const known = dtypeFromNumber(dtype);
      if (!known) return [];
      const isRanked = tensorShape && !tensorShape.unknownRank;
      const shape = isRanked ? tensorShape.dim.map(({ size }) => Number(size)) : undefined;
      const graphName = encoding.case === "name" ? encoding.value : "";
      return [[name, { dtype: known, shape, graphName }] as const];
    }),
  );
}
