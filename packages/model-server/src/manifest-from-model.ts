import type { Manifest } from "./manifest.ts";
import { defaultSignatureName } from "./servable.ts";
import { dtypeFromOrtType } from "./session/ort-tensor.ts";
import type { ModelSignature, ModelValue } from "./session/session-worker.ts";

/** What can be said of a model that has no manifest: its own inputs and outputs are its signature. */
export function manifestFromModel({ inputs, outputs }: ModelSignature): Manifest {
  const infos = (values: readonly ModelValue[]) =>
    values.map(({ name, type, shape }) => {
      const dtype = dtypeFromOrtType(type) ?? "BYTES";
      return [name, { dtype, shape }] as const;
    });
  const signature = {
    inputs: Object.fromEntries(infos(inputs)),
    outputs: Object.fromEntries(
      infos(outputs).map(([name, info]) => [name, { ...info, holds: "tensor" as const }]),
    ),
  };
  return { weights: "given", labels: [], signatures: { [defaultSignatureName]: signature } };
}
