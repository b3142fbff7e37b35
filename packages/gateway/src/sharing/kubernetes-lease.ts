import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { KubernetesAccount, KubernetesRequest } from "../kubernetes-account.ts";
import type { Lease, LeaseState } from "./lease.ts";

const leaseSchema = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z.object({ holderIdentity: z.string().nullish() }).optional(),
});

const timeoutMs = 2_000;
const maxTextChars = 1 << 20;

/**
 * Creates a lease of Kubernetes, by the account of this pod. A Lease that is there is patched, so that it keeps the labels
 * that its maker gave it.
 */
export function createKubernetesLease(
  account: KubernetesAccount,
  { name, namespace = account.namespace }: { readonly name: string; readonly namespace?: string },
): Lease {
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const own = `${leases}/${name}`;
  const kind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };

  /** @returns undefined for one of the statuses of `expected` */
  async function answerOf(
    request: Omit<KubernetesRequest, "timeoutMs">,
    expected: readonly number[],
  ): Promise<string | undefined> {
    const response = await account.send({ ...request, timeoutMs });
    const text = await textOf(response);
    const { statusCode = 0 } = response;
    if (statusCode === 200 || statusCode === 201) return text;
    if (expected.includes(statusCode)) return undefined;
    const { method = "GET" } = request;
    throw new Error(`the API server answers ${statusCode} to ${method} of the lease ${name}`);
  }

  async function read(): Promise<LeaseState | undefined> {
    const text = await answerOf({ path: own }, [404]);
    if (text === undefined) return undefined;
    const { metadata, spec } = leaseSchema.parse(JSON.parse(text));
    return { holder: spec?.holderIdentity ?? "", version: metadata.resourceVersion };
  }

  /** @returns whether it was still as it was seen */
  async function patch(holder: string | null, { version }: LeaseState): Promise<boolean> {
    const body = { metadata: { resourceVersion: version }, spec: { holderIdentity: holder } };
    return (await answerOf({ method: "PATCH", path: own, body }, [404, 409])) !== undefined;
  }

  return {
    read,
    take: async (holder, seen) => {
      if (seen) return patch(holder, seen);
      const body = { ...kind, metadata: { name, namespace }, spec: { holderIdentity: holder } };
      return (await answerOf({ method: "POST", path: leases, body }, [409])) !== undefined;
    },
    release: async (holder) => {
      const seen = await read();
      if (seen?.holder === holder) await patch(null, seen);
    },
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) {
    text += piece;
    if (text.length > maxTextChars) throw new Error("the answer of the API server is too long");
  }
  return text;
}
