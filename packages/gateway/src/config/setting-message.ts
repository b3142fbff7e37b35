import { counted, meantName } from "@tensorgate/core";
import type { z } from "zod";

type Issue = z.core.$ZodRawIssue;
type IssueOf<Code extends Issue["code"]> = Extract<Issue, { readonly code: Code }>;

/** Returns the message for a value that a setting cannot have; undefined for that of the schema. */
export const settingMessage: z.core.$ZodErrorMap = (issue) => {
  const { input } = issue;
  switch (issue.code) {
    case "invalid_type":
      if (input === undefined) return `missing setting; expected ${issue.expected}`;
      return `expected ${typeNames[issue.expected] ?? issue.expected}, got ${typeof input === "number" ? input : typeName(input)}`;
    case "invalid_value":
      return noSuchValue(input, issue.values);
    case "too_big":
      return boundText("at most", issue.maximum, issue);
    case "too_small":
      return boundText("at least", issue.minimum, issue);
    case "invalid_union":
      return unionMessage(issue as IssueOf<"invalid_union">);
    default:
      return undefined;
  }
};

const typeNames: Readonly<Record<string, string>> = { int: "a whole number" };

function typeName(value: unknown): string {
  if (value === null) return "nothing";
  return Array.isArray(value) ? "array" : typeof value;
}

function boundText(
  bound: "at most" | "at least",
  limit: number | bigint,
  { origin, input, inclusive = true }: { origin: string; input?: unknown; inclusive?: boolean },
): string {
  if (origin === "string") return `must have ${bound} ${counted(Number(limit), "character")}`;
  if (origin === "array") return `must have ${bound} ${counted(Number(limit), "entry", "entries")}`;
  const words = inclusive ? bound : bound === "at most" ? "less than" : "more than";
  return `must be ${words} ${limit}, got ${input}`;
}

/** One of several forms of a section is chosen by a setting in it, or by the type of the value. */
function unionMessage(issue: IssueOf<"invalid_union">): string | undefined {
  const { input, errors = [] } = issue;
  const { discriminator, options } = issue as { discriminator?: string; options?: unknown[] };
  if (discriminator !== undefined && options) {
    const chosen = isRecord(input) ? input[discriminator] : undefined;
    return noSuchValue(
      chosen,
      options.filter((each) => each !== undefined),
    );
  }
  const firsts = errors.flatMap(([first]) => (first ? [first] : []));
  // The form whose outer type is that of the value is the one that was meant.
  const inner = firsts.find(({ path }) => path.length > 0);
  if (inner) return `${inner.message} at [${inner.path.join("].[")}]`;
  const types = firsts.flatMap((each) => (each.code === "invalid_type" ? [each.expected] : []));
  return types.length < firsts.length || types.length === 0
    ? firsts[0]?.message
    : `expected ${types.join(" or ")}, got ${typeName(input)}`;
}

function noSuchValue(written: unknown, values: readonly unknown[]): string | undefined {
  const names = values.map(String);
  const expected = `expected ${names.length > 1 ? "one of " : ""}${names.map((each) => `"${each}"`).join(", ")}`;
  if (written === undefined) return `missing setting; ${expected}`;
  const nearest = typeof written === "string" ? meantName(written, names) : undefined;
  return nearest === undefined ? expected : `did you mean "${nearest}"? ${expected}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
