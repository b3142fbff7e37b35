import { isDeepStrictEqual } from "node:util";
import { createLiveValue, type LiveValue } from "@tensorgate/core";
import { type AccessOptions, reloadFaults } from "./access.ts";
import { ConfigError } from "./config-error.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { checkedOptions } from "./parse-config.ts";

/** Sections that a running gateway reloads. */
const reloadable: ReadonlySet<string> = new Set(["models", "pools", "keys", "allowPlaintextKeys"]);

export interface ReloadDeps<Meaning> {
  /** Options that the gateway was started with, as given. */
  readonly options: GatewayOptions;
  /** The same options, checked. */
  readonly checked: GatewayOptions;
  /** Reads what a configuration means. @throws SettingError if a file or variable that it names cannot be used */
  readonly meaningOf: (checked: GatewayOptions) => Meaning;
}

/** Replaces the pools. @throws SettingError if a pool cannot be used; then nothing has changed */
export type ReplacePools = (pools: GatewayOptions["pools"]) => void;

/** What the current configuration means. It is immutable, and replaced as a whole. */
export interface Reloadable<Meaning> extends LiveValue<Meaning> {
  /**
   * Puts another configuration in force.
   *
   * @returns sections that differ and take effect only after a restart
   * @throws ConfigError or SettingError; then nothing has changed
   */
  reload(
    options: GatewayOptions,
    replacePools: ReplacePools,
  ): { readonly needRestart: readonly string[] };
}

/**
 * Creates the configuration that is in force. Access is checked against the address that is bound since the start.
 *
 * @throws SettingError if a file or variable that it names cannot be used
 */
export function createReloadable<Meaning>(deps: ReloadDeps<Meaning>): Reloadable<Meaning> {
  let access: AccessOptions = deps.checked;
  const live = createLiveValue(deps.meaningOf(deps.checked));
  return Object.assign(live, {
    reload: (changed: GatewayOptions, replacePools: ReplacePools) => {
      const checked = checkedOptions(changed);
      const faults = [...reloadFaults(access, checked)];
      if (faults.length > 0) throw new ConfigError("the configuration", faults);
      const putInForce = live.prepare(deps.meaningOf(checked));
      // The last step that can fail.
      replacePools(checked.pools);
      putInForce();
      const { keys, allowPlaintextKeys } = checked;
      access = { ...access, keys, allowPlaintextKeys };
      return { needRestart: changedSections(deps.options, changed) };
    },
  });
}

/** Returns the sections that differ and take effect only after a restart. */
function changedSections(before: GatewayOptions, after: GatewayOptions): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const of = (options: GatewayOptions, name: string) => options[name as keyof GatewayOptions];
  return [...names]
    .filter((name) => !reloadable.has(name))
    .filter((name) => !isDeepStrictEqual(of(before, name), of(after, name)))
    .sort();
}
