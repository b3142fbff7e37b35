import {
  bytesTensor,
  createWorkBudget,
  elementCount,
  fixedSizeTensor,
  joined,
  MalformedMessageError,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import { dataTypes } from "../data-type.ts";
import { invalidArgument, type ServingError } from "../serving-error.ts";
import { fieldsOf } from "../wire/fields.ts";
import { type FeatureValues, readFeature } from "./feature.ts";

/** Types that a feature of an example may have. */
export type FeatureDType = FeatureValues["dtype"];

/** A feature with a fixed number of values, as `tf.io.FixedLenFeature` describes it. */
export interface FixedFeature {
  readonly dtype: FeatureDType;
  /** Shape of the feature in one example, without open extents. */
  readonly shape: readonly number[];
  /** Stands in where an example has no such feature; without it the feature is required. */
  readonly defaultValue?: Tensor;
}

/** Most fields, names and values that come one by one, of all examples of a request. */
const maxElements = 1_048_576;

/**
 * Parses N serialized examples as TensorFlow's `ParseExample` does.
 *
 * @param features - by their names in the examples
 * @returns for each feature a tensor of shape `[N, ...shape]`
 * @throws ServingError INVALID_ARGUMENT with TensorFlow's text; TooLargeError for more than a million fields
 */
export function parseExamples(
  serialized: readonly Uint8Array[],
  features: ReadonlyMap<string, FixedFeature>,
): ReadonlyMap<string, Tensor> {
  const elements = createWorkBudget(maxElements);
  const examples = serialized.map((bytes) => readExample(bytes, elements));
  const tensors = [...features].map(([name, feature]) => {
    const values = examples.map((example, index) =>
      valuesOf(example.get(name), { name, feature, index }),
    );
    return [name, batchOf(values, feature)] as const;
  });
  return new Map(tensors);
}

function readExample(
  bytes: Uint8Array,
  elements: WorkBudget,
): ReadonlyMap<string, FeatureValues | undefined> {
  try {
    const entries = fieldsOf(joined(fieldsOf(bytes, 1, elements)), 1, elements);
    const named = entries.map((entry) => {
      const name = new TextDecoder().decode(fieldsOf(entry, 1, elements).at(-1));
      return [name, readFeature(joined(fieldsOf(entry, 2, elements)), elements)] as const;
    });
    // Of two features with one name the last one counts, as in any map.
    return new Map(named);
  } catch (cause) {
    if (!(cause instanceof MalformedMessageError)) throw cause;
    throw atNode(`Could not parse example input, value: '${new TextDecoder().decode(bytes)}'`);
  }
}

interface FeaturePlace {
  readonly name: string;
  readonly feature: FixedFeature;
  /** Of the example. */
  readonly index: number;
}

/** The values that one example has of a feature. */
type Values = readonly Uint8Array[] | Uint8Array;

function valuesOf(found: FeatureValues | undefined, place: FeaturePlace): Values {
  const { name, feature, index } = place;
  const { dtype, shape, defaultValue } = feature;
  if (!found) {
    if (defaultValue) return elementsOf(defaultValue);
    const type = dataTypes[dtype].name;
    throw atNode(
      `Name: <unknown>, Feature: ${name} (data type: ${type}) is required but could not be found.`,
    );
  }
  const where = `Name: <unknown>, Key: ${name}, Index: ${index}. `;
  if (found.dtype !== dtype) {
    const [got, wanted] = [dataTypes[found.dtype].name, dataTypes[dtype].name];
    throw atNode(`${where} Data types don't match. Data type: ${got} but expected type: ${wanted}`);
  }
  if (found.count === elementCount(shape)) return found.values;
  const kind = dtype === "BYTES" ? "bytes" : dataTypes[dtype].name;
  throw atNode(
    `${where} Number of ${kind} values != expected.  Values size: ${found.count} but output shape: [${shape}]`,
  );
}

function elementsOf(tensor: Tensor): Values {
  return tensor.dtype === "BYTES" ? tensor.elements : tensor.data;
}

function batchOf(values: readonly Values[], { dtype, shape }: FixedFeature): Tensor {
  const whole = [values.length, ...shape];
  if (dtype === "BYTES") return bytesTensor(whole, (values as readonly Uint8Array[][]).flat());
  return fixedSizeTensor(dtype, whole, joined(values as readonly Uint8Array[]));
}

/** A failure of the operator that parses examples, which TensorFlow names behind its text. */
function atNode(text: string): ServingError {
  return invalidArgument(`${text}\n\t [[{{node ParseExample/ParseExample}}]]`);
}
