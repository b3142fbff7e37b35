import { once } from "node:events";
import { createServer } from "node:net";
import { explainedListenError } from "../command-error.ts";

/**
 * Binds a port and leaves it again, so that one that is in use is reported before anything else has been started.
 *
 * @throws CommandError if it cannot be bound
 */
export async function assertFreePort(address: {
  readonly host: string;
  readonly port: number;
}): Promise<void> {
  const server = createServer();
  try {
    server.listen(address);
    await once(server, "listening");
  } catch (thrown) {
    throw explainedListenError(thrown, address);
  } finally {
    server.close();
  }
}
