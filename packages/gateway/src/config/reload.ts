import { isDeepStrictEqual } from "node:util";
import { type AccessOptions, reloadFaults } from "./access.ts";
import { ConfigError } from "./config-error.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { checkedOptions } from "./parse-config.ts";

/** Sections that a running gateway swaps. */
const reloadable: ReadonlySet<string> = new Set(["models", "pools", "keys", "allowPlaintextKeys"]);

export interface ReloadDeps<InForce> {
  /** What the gateway was started with, as it was given. */
  readonly options: GatewayOptions;
  /** The same, checked. */
  readonly checked: GatewayOptions;
  /** What that means. */
  readonly first: InForce;
  /** Builds what a configuration means. @throws SettingError if it cannot be used */
  readonly build: (checked: GatewayOptions) => InForce;
  /** Swaps the pools. @throws SettingError if that cannot be done; then nothing has changed */
  readonly replacePools: (pools: GatewayOptions["pools"]) => void;
}

export interface Reloadable<InForce> {
  /** What the configuration means that is in force now: immutable, swapped whole. */
  readonly current: InForce;
  /**
   * @returns sections that differ and take effect only after a restart
   * @throws ConfigError or SettingError; then everything is as it was
   */
  reload(options: GatewayOptions): { readonly needRestart: readonly string[] };
}

/** Swaps what a reload may swap; a reload is judged by what is bound since the start. */
export function createReloadable<InForce>(deps: ReloadDeps<InForce>): Reloadable<InForce> {
  let current = deps.first;
  let access: AccessOptions = deps.checked;
  return {
    get current() {
      return current;
    },
    reload: (changed) => {
      const checked = checkedOptions(changed);
      const faults = [...reloadFaults(access, checked)];
      if (faults.length > 0) throw new ConfigError("the configuration", faults);
      const next = deps.build(checked);
      // What can fail has failed by now, or does here.
      deps.replacePools(checked.pools);
      current = next;
      const { keys, allowPlaintextKeys } = checked;
      access = { ...access, keys, allowPlaintextKeys };
      return { needRestart: changedSections(deps.options, changed) };
    },
  };
}

/** Sections that differ, and that only a restart can change. */
function changedSections(before: GatewayOptions, after: GatewayOptions): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const of = (options: GatewayOptions, name: string) => options[name as keyof GatewayOptions];
  return [...names]
    .filter((name) => !reloadable.has(name))
    .filter((name) => !isDeepStrictEqual(of(before, name), of(after, name)))
    .sort();
}
