import { InvalidRequestError, type Parameters, type ParameterValue } from "@tensorgate/core";

/** Members of a JSON object by name. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** @param where - path of the value, for the message. @throws InvalidRequestError if it is no object */
export function objectAt(value: unknown, where: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new InvalidRequestError(`${where} must be an object`, { field: where });
}

/** @throws InvalidRequestError if it is no array */
export function arrayAt(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new InvalidRequestError(`${where} must be an array`, { field: where });
}

/** @throws InvalidRequestError if it is no text */
export function textAt(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw new InvalidRequestError(`${where} must be a string`, { field: where });
}

/** @throws InvalidRequestError if it is no array of numbers */
export function numbersAt(value: unknown, where: string): readonly number[] {
  const numbers = arrayAt(value, where);
  if (numbers.every((each) => typeof each === "number")) return numbers;
  throw new InvalidRequestError(`${where} must be an array of integers`, { field: where });
}

/** Reads `parameters`, integers as bigint. @throws InvalidRequestError if a value is not a text, a number, true or false */
export function parametersAt(value: unknown, where: string): Parameters {
  if (value === undefined) return none;
  const parameters = new Map<string, ParameterValue>();
  for (const [name, each] of Object.entries(objectAt(value, where))) {
    if (typeof each !== "string" && typeof each !== "number" && typeof each !== "boolean") {
      throw new InvalidRequestError(
        `${where} may have strings, numbers, true and false as values; "${name}" is none`,
        { field: `${where}.${name}` },
      );
    }
    parameters.set(
      name,
      typeof each === "number" && Number.isSafeInteger(each) ? BigInt(each) : each,
    );
  }
  return parameters;
}

const none: Parameters = new Map();
