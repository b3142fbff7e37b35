import type { GatewayOptions } from "./config/gateway-options.ts";
import { createAuthentication } from "./inbound/access/authentication.ts";
import { createSnapshot, type Snapshot } from "./models/snapshot.ts";

/** What a reload swaps: what models and pools mean, and who may call. */
export interface Meaning {
  readonly snapshot: Snapshot;
  readonly authenticate: ReturnType<typeof createAuthentication>;
}

/** @throws SettingError if a file or an environment variable cannot be used */
export function meaningOf(options: GatewayOptions): Meaning {
  const { models, pools, keys = [], allowPlaintextKeys = false } = options;
  return {
    snapshot: createSnapshot({ models, pools }),
    authenticate: createAuthentication({ keys, allowPlaintextKeys }),
  };
}
