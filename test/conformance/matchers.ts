import { expect } from "vitest";

/** What a case expects of a JSON value; its matchers are those of the cases' README. */
export type Expected = unknown;

/** Fails unless a value is as expected. An object asks only for its own members. */
export function expectMatch(got: unknown, wanted: Expected, at = "$"): void {
  const fault = faultOf(got, wanted, at);
  if (fault !== undefined) expect.fail(fault);
}

const matches = (got: unknown, wanted: Expected) => faultOf(got, wanted, "") === undefined;

/** @returns what is wrong; undefined for a value that is as expected */
function faultOf(got: unknown, wanted: Expected, at: string): string | undefined {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(got) || got.length !== wanted.length) {
      return `${at}: ${shown(got)} is not a list of ${wanted.length}`;
    }
    return firstFault(wanted.map((each, index) => faultOf(got[index], each, `${at}[${index}]`)));
  }
  if (typeof wanted === "object" && wanted !== null) {
    const entries = Object.entries(wanted);
    if (entries.some(([key]) => key.startsWith("$"))) {
      return firstFault(entries.map(([key, operand]) => matcherFault(got, key, operand, at)));
    }
    if (typeof got !== "object" || got === null) return `${at}: ${shown(got)} is no object`;
    const members = got as Readonly<Record<string, unknown>>;
    return firstFault(entries.map(([key, each]) => faultOf(members[key], each, `${at}.${key}`)));
  }
  return scalarFault(got, wanted, at);
}

function scalarFault(got: unknown, wanted: unknown, at: string): string | undefined {
  const isRight =
    wanted === "$string"
      ? typeof got === "string" && got !== ""
      : wanted === "$false"
        ? got === undefined || got === false
        : wanted === "$absent"
          ? got === undefined
          : typeof wanted === "number" && !Number.isInteger(wanted)
            ? typeof got === "number" && Math.abs(got - wanted) <= 1e-6 * Math.abs(wanted)
            : got === wanted;
  return isRight ? undefined : `${at}: ${shown(got)} instead of ${shown(wanted)}`;
}

function matcherFault(
  got: unknown,
  matcher: string,
  operand: unknown,
  at: string,
): string | undefined {
  const list = Array.isArray(got) ? got : [];
  const has = (wanted: unknown) => list.some((each) => matches(each, wanted));
  const asList = operand as readonly unknown[];
  const isRight: Readonly<Record<string, () => boolean>> = {
    $contains: () => asList.every(has),
    $lacks: () => !asList.some(has),
    $lacks_names: () => !list.some(({ name }) => asList.includes(name)),
    $set: () => list.length === asList.length && asList.every(has),
    $regex: () => new RegExp(String(operand)).test(String(got)),
    $in: () => asList.some((wanted) => matches(got, wanted)),
    $length: () => list.length === operand || String(got).length === operand,
    $mentions: () => plain(got).includes(plain(operand)),
    $argmax_rows: () => {
      const [width, rows] = operand as readonly [number, readonly number[]];
      return String(largestOfRows(list, width)) === String(rows);
    },
  };
  const check = isRight[matcher];
  if (!check) return `${at}: unknown matcher ${matcher}`;
  return check() ? undefined : `${at}: ${shown(got)} is not ${matcher} ${shown(operand)}`;
}

function largestOfRows(values: readonly number[], width: number): readonly number[] {
  return Array.from({ length: values.length / width }, (_, row) => {
    const ofRow = values.slice(row * width, (row + 1) * width);
    return ofRow.indexOf(Math.max(...ofRow));
  });
}

/** Whatever the case, with `-` and `_` as spaces. */
export function plain(text: unknown): string {
  return String(text).toLowerCase().replace(/[-_]/g, " ");
}

const firstFault = (faults: readonly (string | undefined)[]) =>
  faults.find((fault) => fault !== undefined);

const shown = (value: unknown) =>
  String(typeof value === "bigint" ? value : JSON.stringify(value)).slice(0, 200);
