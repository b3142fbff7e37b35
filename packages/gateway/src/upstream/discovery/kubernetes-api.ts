import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { inClusterAccount } from "../../kubernetes-account.ts";
import {
  parseSliceEvent,
  parseSliceList,
  type SliceEvent,
  type SliceList,
} from "./endpoint-slices.ts";

/** A Service of Kubernetes. */
export interface KubernetesService {
  readonly name: string;
  readonly namespace: string;
}

/** What is asked of the API server. */
export interface KubernetesApi {
  list(service: KubernetesService, signal: AbortSignal): Promise<SliceList>;
  /** Resolves when the server ends the watch, which it does every few minutes. Rejects if it fails. */
  watch(
    service: KubernetesService,
    options: {
      readonly resourceVersion: string;
      readonly onEvent: (event: SliceEvent) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
  /**
   * Reads the region of a node.
   *
   * @returns its label `topology.kubernetes.io/region`, undefined if it has none
   * @throws Error if there is no such node, or no permission to read it
   */
  nodeRegion(name: string, signal: AbortSignal): Promise<{ readonly label: string | undefined }>;
}

/** Largest list, and longest line of a watch, in characters. */
const maxTextChars = 16 << 20;
/** Time without a byte after which a request fails, in milliseconds; a watch has bookmarks about once a minute. */
const idleTimeoutMs = 150_000;
/** The same of a node, for whose region replicas wait, in milliseconds. */
const nodeTimeoutMs = 5_000;

const nodeSchema = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
});

/**
 * Creates the API of the cluster that this process runs in, by the account of its pod.
 *
 * @returns undefined outside of a cluster
 */
export function inClusterApi(
  env: NodeJS.ProcessEnv = process.env,
  folder?: string,
): KubernetesApi | undefined {
  const account = inClusterAccount(env, folder);
  if (!account) return undefined;

  const get = async (
    path: string,
    signal: AbortSignal,
    timeoutMs = idleTimeoutMs,
  ): Promise<IncomingMessage> => {
    const response = await account.send({ path, signal, timeoutMs });
    if (response.statusCode === 200) return response;
    response.destroy();
    throw new Error(`the API server answers ${response.statusCode}`);
  };
  const slicesPath = (service: KubernetesService, query: Record<string, string> = {}) => {
    const labelSelector = `kubernetes.io/service-name=${service.name}`;
    const parameters = new URLSearchParams({ labelSelector, ...query });
    return `/apis/discovery.k8s.io/v1/namespaces/${service.namespace}/endpointslices?${parameters}`;
  };
  const textOf = async (response: IncomingMessage, what: string): Promise<string> => {
    let text = "";
    for await (const piece of response.setEncoding("utf8")) {
      text += piece;
      if (text.length > maxTextChars) throw new Error(`${what} is too long`);
    }
    return text;
  };

  return {
    list: async (service, signal) => {
      const response = await get(slicesPath(service), signal);
      return parseSliceList(await textOf(response, "the list of endpoints"));
    },
    watch: async (service, { resourceVersion, onEvent, signal }) => {
      const query = { watch: "true", allowWatchBookmarks: "true", resourceVersion };
      const response = await get(slicesPath(service, query), signal);
      let rest = "";
      for await (const piece of response.setEncoding("utf8")) {
        const lines = (rest + piece).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > maxTextChars) throw new Error("an event of endpoints is too long");
        for (const line of lines) if (line !== "") onEvent(parseSliceEvent(line));
      }
    },
    nodeRegion: async (name, signal) => {
      const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
      const response = await get(path, signal, nodeTimeoutMs);
      const { metadata } = nodeSchema.parse(JSON.parse(await textOf(response, "the node")));
      return { label: metadata.labels["topology.kubernetes.io/region"] };
    },
  };
}
