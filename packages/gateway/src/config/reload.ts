import { isDeepStrictEqual } from "node:util";
import { type AccessOptions, reloadFaults } from "./access.ts";
import { ConfigError } from "./config-error.ts";
import type { GatewayOptions } from "./gateway-options.ts";
import { checkedOptions } from "./parse-config.ts";

/** Sections that a running gateway reloads. */
const reloadable: ReadonlySet<string> = new Set(["models", "pools", "keys", "allowPlaintextKeys"]);

export interface ReloadDeps<InForce> {
  /** Options that the gateway was started with, as given. */
  readonly options: GatewayOptions;
  /** The same options, checked. */
  readonly checked: GatewayOptions;
  /** What they mean. */
  readonly first: InForce;
  /** Builds what a configuration means. @throws SettingError if it cannot be used */
  readonly build: (checked: GatewayOptions) => InForce;
  /** Replaces the pools. @throws SettingError if a pool cannot be used; then nothing has changed */
  readonly replacePools: (pools: GatewayOptions["pools"]) => void;
}

export interface Reloadable<InForce> {
  /** What is in force: what the current configuration means. It is immutable, and replaced as a whole. */
  readonly current: InForce;
  /**
   * Puts another configuration in force.
   *
   * @returns sections that differ and take effect only after a restart
   * @throws ConfigError or SettingError; then nothing has changed
   */
  reload(options: GatewayOptions): { readonly needRestart: readonly string[] };
}

/** Creates the configuration that is in force. Access is checked against the address that is bound since the start. */
export function createReloadable<InForce>(deps: ReloadDeps<InForce>): Reloadable<InForce> {
  let access: AccessOptions = deps.checked;
  const inForce: Reloadable<InForce> & { current: InForce } = {
    current: deps.first,
    reload: (changed) => {
      const checked = checkedOptions(changed);
      const faults = [...reloadFaults(access, checked)];
      if (faults.length > 0) throw new ConfigError("the configuration", faults);
      const next = deps.build(checked);
      // The last step that can fail.
      deps.replacePools(checked.pools);
      inForce.current = next;
      const { keys, allowPlaintextKeys } = checked;
      access = { ...access, keys, allowPlaintextKeys };
      return { needRestart: changedSections(deps.options, changed) };
    },
  };
  return inForce;
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
