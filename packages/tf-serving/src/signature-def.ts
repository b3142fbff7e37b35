import { create } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { Signature, TensorInfo } from "@tensorgate/core";
import { type SignatureDef, SignatureDefSchema } from "@tensorgate/proto/tensorflow/framework";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { dataTypes } from "./data-type.ts";

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
