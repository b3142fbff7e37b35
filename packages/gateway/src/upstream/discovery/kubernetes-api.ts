import type { IncomingMessage } from "node:http";
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
}

/** Largest list, and longest line of a watch, in characters. */
const maxTextChars = 16 << 20;
/** Time without a byte after which a request fails, in milliseconds; a watch has bookmarks about once a minute. */
const idleTimeoutMs = 150_000;

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
    service: KubernetesService,
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> => {
    const parameters = new URLSearchParams({
      labelSelector: `kubernetes.io/service-name=${service.name}`,
      ...query,
    });
    const path = `/apis/discovery.k8s.io/v1/namespaces/${service.namespace}/endpointslices?${parameters}`;
    const response = await account.send({ path, signal, timeoutMs: idleTimeoutMs });
    if (response.statusCode === 200) return response;
    response.destroy();
    throw new Error(`the API server answers ${response.statusCode}`);
  };

  return {
    list: async (service, signal) => {
      let text = "";
      const response = await get(service, {}, signal);
      for await (const piece of response.setEncoding("utf8")) {
        text += piece;
        if (text.length > maxTextChars) throw new Error("the list of endpoints is too long");
      }
      return parseSliceList(text);
    },
    watch: async (service, { resourceVersion, onEvent, signal }) => {
      const query = { watch: "true", allowWatchBookmarks: "true", resourceVersion };
      const response = await get(service, query, signal);
      let rest = "";
      for await (const piece of response.setEncoding("utf8")) {
        const lines = (rest + piece).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > maxTextChars) throw new Error("an event of endpoints is too long");
        for (const line of lines) if (line !== "") onEvent(parseSliceEvent(line));
      }
    },
  };
}
