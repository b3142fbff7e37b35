import { SettingError } from "@tensorgate/core";
import type { GatewayOptions } from "./config/gateway-options.ts";
import { assertTlsFiles } from "./inbound/server/listener/tls-acceptor.ts";
import { createCredentials } from "./upstream/transport/credentials.ts";

/**
 * Tries the files and environment variables that a configuration names: certificates, keys and tokens. A gateway does not
 * start with one that cannot be used.
 *
 * @returns a message for each fault, with its setting or file
 */
export function credentialFaults({ listen, pools }: GatewayOptions): readonly string[] {
  const trials = pools.map(({ tls, key }, index) => () => {
    createCredentials({ tls, key }, `pools[${index}]`).read();
  });
  const { tls } = listen ?? {};
  if (tls) trials.unshift(() => assertTlsFiles(tls));
  return trials.flatMap((attempt) => {
    try {
      attempt();
      return [];
    } catch (thrown) {
      if (thrown instanceof SettingError) return [thrown.message];
      throw thrown;
    }
  });
}
