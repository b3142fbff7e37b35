import { isDeepStrictEqual } from "node:util";
import type { GatewayOptions } from "./gateway-options.ts";

/** Sections that a running gateway can exchange. */
const exchangeable: ReadonlySet<string> = new Set([
  "models",
  "pools",
  "keys",
  "allowPlaintextKeys",
]);

/** Sections that differ, and that only a restart can change. */
export function changedSections(before: GatewayOptions, after: GatewayOptions): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const of = (options: GatewayOptions, name: string) => options[name as keyof GatewayOptions];
  return [...names]
    .filter((name) => !exchangeable.has(name))
    .filter((name) => !isDeepStrictEqual(of(before, name), of(after, name)))
    .sort();
}
