import { consoleFiles } from "@tensorgate/console";
import { createGateway, type GatewayOptions } from "@tensorgate/gateway";
import { explainedListenError } from "../command-error.ts";
import { logInternalError, note } from "../note.ts";
import { untilStopped } from "../until-stopped.ts";
import { readConfig } from "./config.ts";

export interface ServeOptions {
  readonly config: string;
  readonly host?: string;
  readonly port?: number;
  readonly region?: string;
}

/** Runs a gateway until it is stopped. */
export async function runServe({ config, host, port, region }: ServeOptions): Promise<void> {
  const file = readConfig(config);
  const options: GatewayOptions = {
    ...file,
    ...(region && { region }),
    listen: { ...file.listen, ...(host && { host }), ...(port !== undefined && { port }) },
  };
  const stopped = untilStopped();
  const gateway = createGateway(options, {
    console: consoleFiles(),
    onInternalError: logInternalError,
  });
  try {
    await gateway.listen();
  } catch (thrown) {
    const { host: boundHost = "127.0.0.1", port: boundPort = 8_080 } = options.listen ?? {};
    throw explainedListenError(thrown, { host: boundHost, port: boundPort });
  }
  process.stdout.write(`ready: ${gateway.url}\n`);
  await stopped;
  note("stopping: finishing what is in flight");
  await gateway.close();
}
