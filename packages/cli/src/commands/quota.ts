import { z } from "zod";
import { CommandError } from "../command-error.ts";
import { type ClusterPlace, createClusterTools, readQuota } from "../deploy/cluster-tools.ts";
import { quotaText } from "../deploy/device-quota.ts";
import { runProgram } from "../deploy/programs.ts";

export interface QuotaOptions extends ClusterPlace {
  readonly resource: string;
  readonly replicas: number;
}

/** Says whether the nodes of a cluster have devices for replicas; the exit code is 1 if they do not. */
export async function runQuota({ resource, replicas, ...place }: QuotaOptions): Promise<void> {
  const question = { resource, wantedCount: replicas };
  const quota = await readQuota(createClusterTools(place), question);
  const text = quotaText(quota);
  if (quota.freeCount < replicas) throw new CommandError(text);
  process.stdout.write(`${text}\n`);
}

export interface CloudQuotaOptions {
  readonly region: string;
  readonly family?: string;
}

const usages = z.array(
  z.object({
    currentValue: z.coerce.number(),
    limit: z.coerce.number(),
    localName: z.string().optional(),
    name: z.object({ value: z.string(), localizedValue: z.string() }).partial().optional(),
  }),
);

/** Lists the processors of a region that the subscription may still use, by family of machines. */
export async function runCloudQuota({ region, family = "" }: CloudQuotaOptions): Promise<void> {
  const args = ["vm", "list-usage", "--location", region, "--output", "json"];
  const { stdout } = await runProgram("az", args);
  const lines = usages.parse(JSON.parse(stdout)).flatMap(({ currentValue, limit, ...each }) => {
    const name = each.localName ?? each.name?.localizedValue ?? each.name?.value ?? "";
    const isWanted = name.toLowerCase().includes(family.toLowerCase());
    return isWanted ? [`${name}: ${limit - currentValue} of ${limit} free in ${region}`] : [];
  });
  if (lines.length === 0) throw new CommandError(`no family "${family}" in ${region}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}
