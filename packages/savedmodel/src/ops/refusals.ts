import { type OpHandler, refuse } from "../convert/op-call.ts";

/** Operators for which there is more to say than that they have no conversion. */
const reasons: Readonly<Record<string, readonly string[]>> = {
  "the graph parses examples: name the tensor after it as the input": [
    "ParseExample",
    "ParseExampleV2",
    "ParseSingleExample",
  ],
  "the graph decodes what is not a picture: name the tensor after it as the input": [
    "DecodeBase64",
    "DecodeRaw",
    "DecodeCSV",
    "DecodeJSONExample",
  ],
  "answers are drawn at random": [
    "RandomUniform",
    "RandomStandardNormal",
    "TruncatedNormal",
    "Multinomial",
    "StatelessRandomUniformV2",
  ],
  "ONNX has no tables": ["LookupTableFind", "LookupTableFindV2", "HashTableV2"],
  "it runs code of Python": ["PyFunc", "EagerPyFunc"],
};

export const refusedOps: readonly (readonly [string, OpHandler])[] = Object.entries(
  reasons,
).flatMap(([reason, ops]) => ops.map((op) => [op, () => refuse(reason)] as const));
