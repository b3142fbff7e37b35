import { type OwnCall, withDeadline } from "@tensorgate/core";
import type { BackendRequest } from "./backend-capabilities.ts";
import { tensorflowServing } from "./dialects/tensorflow-serving.ts";
import { inClusterApi, type KubernetesApi } from "./discovery/kubernetes-api.ts";
import { kubernetesScheme, kubernetesServiceFrom } from "./discovery/kubernetes-resolver.ts";
import type { ReplicaAddress } from "./discovery/resolver.ts";
import { channelDefaults } from "./options.ts";
import { createCredentials } from "./transport/credentials.ts";
import { unreachable } from "./transport/failures.ts";
import { createUnaryChannel } from "./transport/unary-channel.ts";

/** A model server that may say what a model is. */
export interface ManifestRequest
  extends Pick<BackendRequest, "tls" | "key" | "timeoutMs" | "clock"> {
  /** `host:port`, or `kubernetes:///service.namespace:port` for a pod of a Service that is ready. */
  readonly address: string;
  readonly model: string;
}

/**
 * Asks a model server for the manifest of the version that answers for a model: its preprocessing, labels and outputs.
 *
 * @returns JSON; undefined from a server that has no manifests, as TensorFlow Serving itself
 * @throws ScoringError if the server does not answer, or has no such model; SettingError if a file of `tls` or the key
 *   cannot be used
 */
export function readManifest(
  request: ManifestRequest,
  kubernetes: Pick<KubernetesApi, "list"> | undefined = inClusterApi(),
): Promise<string | undefined> {
  const { tls, key, model: name, timeoutMs, clock } = request;
  const ask = async (call: OwnCall): Promise<string | undefined> => {
    const { authority, ip } = await addressOf(request, kubernetes, call.signal);
    const channel = createUnaryChannel({
      address: authority,
      ...(ip !== undefined && { ip }),
      clock,
      settings: { ...channelDefaults, connectTimeoutMs: timeoutMs },
      credentials: createCredentials({ tls, key, isKeyBare: false, headers: {} }, "the replica"),
    });
    try {
      const replica = tensorflowServing.connect(channel, { region: "", isExclusive: false, clock });
      return await replica.manifest?.({ name }, call);
    } finally {
      void channel.close();
    }
  };
  return withDeadline(ask, { requestId: "manifest", timeoutMs, clock });
}

/** @throws UpstreamFailedError if no pod of a Service is ready */
async function addressOf(
  { address }: ManifestRequest,
  kubernetes: Pick<KubernetesApi, "list"> | undefined,
  signal: AbortSignal,
): Promise<ReplicaAddress> {
  if (!address.startsWith(kubernetesScheme)) return { authority: address };
  const service = kubernetesServiceFrom(address.slice(kubernetesScheme.length));
  if (!service || !kubernetes) throw unreachable(`${address} needs a pod of Kubernetes`);
  const { slices } = await kubernetes.list(service, signal);
  const [pod] = slices.flatMap(({ ready }) => ready);
  if (!pod) throw unreachable(`no pod of ${address} is ready`);
  return { authority: `${service.name}.${service.namespace}.svc:${service.port}`, ip: pod.ip };
}
