import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { nodeHttps } from "./node-modules.ts";

/** The account of this pod at the API server of its cluster. */
export interface KubernetesAccount {
  /** Namespace of the pod. */
  readonly namespace: string;
  /** Sends a request. The token is read for each one, since Kubernetes replaces it. */
  send(request: KubernetesRequest): Promise<IncomingMessage>;
}

export interface KubernetesRequest {
  /** A patch is a merge patch. */
  readonly method?: "GET" | "POST" | "PATCH";
  /** With the query. */
  readonly path: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Time without a byte after which it fails, in milliseconds. */
  readonly timeoutMs: number;
}

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** @returns undefined outside of a cluster */
export function inClusterAccount(
  env: NodeJS.ProcessEnv = process.env,
  folder: string = accountFolder,
): KubernetesAccount | undefined {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (!host || !port) return undefined;
  const read = (file: string) => readFileSync(`${folder}/${file}`, "utf8").trim();

  return {
    get namespace() {
      return read("namespace");
    },
    send: ({ method = "GET", path, body, signal, timeoutMs }) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const contentType =
          method === "PATCH" ? "application/merge-patch+json" : "application/json";
        const sent = nodeHttps().request(
          {
            method,
            host,
            port,
            path,
            ca: read("ca.crt"),
            headers: {
              authorization: `Bearer ${read("token")}`,
              ...(text !== undefined && { "content-type": contentType }),
            },
            ...(signal && { signal }),
            timeout: timeoutMs,
            agent: false,
          },
          resolve,
        );
        sent.once("timeout", () => sent.destroy(new Error("the API server does not answer")));
        sent.once("error", reject);
        sent.end(text);
      }),
  };
}
