import { availableParallelism } from "node:os";
import { grpcCode } from "@tensorgate/grpc";
import type { RequestFault } from "@tensorgate/model-server";
import { type FamilyName, familyNames } from "@tensorgate/tf-serving/names";
import { InvalidArgumentError, Option } from "commander";

export function parseKeyId(text: string): string {
  if (/^[A-Za-z0-9-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError("Expected 1 to 64 letters, digits and dashes");
}

export function familyOption(flags: string, description: string): Option {
  return new Option(
    flags,
    `${description}, separated by commas: ${familyNames.join(", ")}`,
  ).argParser(parseFamilies);
}

export function cacheOption(): Option {
  return new Option("--cache <folder>", "cache folder for generated models").env(
    "TENSORGATE_CACHE",
  );
}

export function registerFromOption(): Option {
  return new Option(
    "--register-from <folder>",
    "folder below which calls on the admin port may register models from; repeatable",
  ).argParser(collected);
}

export function parseFamilies(
  text: string,
  before: readonly FamilyName[] = [],
): readonly FamilyName[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !isFamilyName(name));
  if (unknown === undefined) return [...before, ...names.filter(isFamilyName)];
  throw new InvalidArgumentError(`Unknown family ${unknown}; families: ${familyNames.join(", ")}`);
}

const isFamilyName = (name: string): name is FamilyName =>
  familyNames.some((each) => each === name);

export function portOption(flags: string, description: string, value: number): Option {
  return new Option(flags, description).argParser(parsePort).default(value);
}

/** Converts the error of a parser to the error of its flag. */
export function explained<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text);
    } catch (thrown) {
      throw new InvalidArgumentError(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
}

export function parseCount(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 1_000) return value;
  throw new InvalidArgumentError("Expected a whole number from 1 to 1000");
}

const maxWorkers = 256;

/** Parses a number of processes; `auto` stands for the processors that this process may use. */
export function parseWorkers(text: string): number {
  if (text === "auto") return availableParallelism();
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= maxWorkers) return value;
  throw new InvalidArgumentError(`Expected a whole number from 1 to ${maxWorkers}, or auto`);
}

/** Parses a number of replicas, 0 included. */
export function parseFloor(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 1_000) return value;
  throw new InvalidArgumentError("Expected a whole number from 0 to 1000");
}

export function parseShare(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("Expected a number from 0 to 1");
}

export function parseResize(text: string): number | "warp" | "letterbox" {
  if (text === "warp" || text === "letterbox") return text;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 4_096) return value;
  throw new InvalidArgumentError("Expected a number of pixels from 1 to 4096, warp or letterbox");
}

export function parseVersion(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("Expected a whole number");
}

export function parseMilliseconds(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 600_000) return value;
  throw new InvalidArgumentError("Expected a whole number of milliseconds from 1 to 600000");
}

/** Parses the value of a flag of TensorFlow Serving, which may have one or none: `--flag`, `--flag=false`. */
export function parseSwitch(text: string): boolean {
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw new InvalidArgumentError("Expected true or false");
}

/** Parses an interval in seconds, 0 for never, to milliseconds. */
export function parseSeconds(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 86_400) return value * 1_000;
  throw new InvalidArgumentError("Expected a whole number of seconds from 0 to 86400");
}

/** Parses an interval within the limits of a gateway. */
export function parseInterval(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 250 && value <= 60_000) return value;
  throw new InvalidArgumentError("Expected a whole number of milliseconds from 250 to 60000");
}

export function parsePort(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new InvalidArgumentError("Expected a port from 0 to 65535");
}

export function parseSeed(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number");
}

/** Collects the values of a repeatable flag. */
export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** A fault of a model server, by its flag. */
export type FaultFlag = RequestFault | { readonly kind: "fail-load" | "stick-load" };

export function parseFault(text: string, before: readonly FaultFlag[] = []): readonly FaultFlag[] {
  return [...before, faultFrom(text)];
}

function faultFrom(text: string): FaultFlag {
  const [kind, value = ""] = text.split("=", 2);
  switch (text) {
    case "drop":
    case "reset":
    case "garbage":
    case "fail-load":
    case "stick-load":
      return { kind: text };
  }
  if (kind === "delay") return { kind, delayMs: parseMilliseconds(value) };
  const code = Object.entries(grpcCode).find(([name]) => name === value)?.[1];
  if (kind === "error" && code) return { kind, code };
  throw new InvalidArgumentError(
    "Expected drop, delay=MS, reset, garbage, error=CODE (such as UNAVAILABLE), fail-load or stick-load",
  );
}

export function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("Expected an http or https URL such as http://127.0.0.1:8080");
}

export function urlOption(): Option {
  return new Option("--url <url>", "URL of the gateway").env("TENSORGATE_URL").argParser(parseUrl);
}

export function keyOption(): Option {
  return new Option("--key <key>", "API key for the gateway").env("TENSORGATE_API_KEY");
}

export function timeoutOption(): Option {
  return new Option("--timeout <ms>", "time limit of each request, in milliseconds")
    .argParser(parseMilliseconds)
    .default(10_000);
}
