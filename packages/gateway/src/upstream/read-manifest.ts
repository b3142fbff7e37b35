import { withDeadline } from "@tensorgate/core";
import type { BackendRequest } from "./backend-capabilities.ts";
import { tensorflowServing } from "./dialects/tensorflow-serving.ts";
import { channelDefaults } from "./options.ts";
import { createCredentials } from "./transport/credentials.ts";
import { createUnaryChannel } from "./transport/unary-channel.ts";

/** A model server that may say what a model is. */
export interface ManifestRequest
  extends Pick<BackendRequest, "address" | "tls" | "key" | "timeoutMs" | "clock"> {
  readonly model: string;
}

/**
 * Asks a model server for the manifest of the version that answers for a model: its preprocessing, labels and outputs.
 *
 * @returns JSON; undefined from a server that has no manifests, as TensorFlow Serving itself
 * @throws ScoringError if the server does not answer, or has no such model; SettingError if a file of `tls` or the key
 *   cannot be used
 */
export async function readManifest(request: ManifestRequest): Promise<string | undefined> {
  const { address, tls, key, model: name, timeoutMs, clock } = request;
  const channel = createUnaryChannel({
    address,
    clock,
    settings: { ...channelDefaults, connectTimeoutMs: timeoutMs },
    credentials: createCredentials({ tls, key, isKeyBare: false, headers: {} }, "the replica"),
  });
  try {
    const replica = tensorflowServing.connect(channel, { region: "", isExclusive: false, clock });
    return await withDeadline(async (call) => replica.manifest?.({ name }, call), {
      requestId: "manifest",
      timeoutMs,
      clock,
    });
  } finally {
    void channel.close();
  }
}
