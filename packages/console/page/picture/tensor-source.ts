import { element } from "../elements.ts";
import type { PageModel } from "../gateway.ts";

/** Values of an example at most; a larger tensor is left to the user. */
const maxValues = 4_096;

/** Lets the user write the tensors of a model that takes no picture, as TensorFlow Serving's REST API has them. */
export function tensorSource(onRun: (body: string) => void): {
  show(model: PageModel | undefined): void;
} {
  const text = element<HTMLTextAreaElement>("tensors");
  let shown: string | undefined;
  element("run").addEventListener("click", () => onRun(text.value));
  return {
    show: (model) => {
      if (!model || model.name === shown) return;
      shown = model.name;
      text.value = JSON.stringify({ inputs: exampleOf(model) }, undefined, 2);
    },
  };
}

interface TensorInfo {
  readonly name: string;
  readonly dtype?: string;
  readonly shape?: readonly number[];
}

/** Returns zeros, or empty texts, in the shape of each input. */
function exampleOf({ input }: PageModel): object {
  const { tensors = [] } = input as { readonly tensors?: readonly TensorInfo[] };
  return Object.fromEntries(
    tensors.map(({ name, dtype, shape = [] }) => {
      const extents = shape.map((extent) => (extent < 0 ? 1 : extent));
      const count = extents.reduce((product, extent) => product * extent, 1);
      const value = dtype === "BYTES" ? "" : dtype === "BOOL" ? false : 0;
      return [name, count > maxValues ? [] : filled(extents, value)];
    }),
  );
}

function filled([extent, ...rest]: readonly number[], value: unknown): unknown {
  if (extent === undefined) return value;
  return Array.from({ length: extent }, () => filled(rest, value));
}
