import { z } from "zod";
import { CommandError } from "../command-error.ts";
import type { ClusterTools } from "./cluster-tools.ts";
import { createKey, keyEntry, readKey } from "./service-key.ts";

/** The parts of a release's values that later deployments keep. */
export interface KeptValues {
  readonly gateway: {
    readonly keys?: readonly object[] | undefined;
    readonly allowAnonymous?: boolean | undefined;
  };
}

const keptValues: z.ZodType<KeptValues> = z.object({
  gateway: z
    .object({ keys: z.array(z.record(z.string(), z.unknown())), allowAnonymous: z.boolean() })
    .partial()
    .default({}),
});

/** Reads what a release has that later ones keep. @returns undefined if there is no release */
export async function releasedValues(
  { helm }: ClusterTools,
  service: string,
): Promise<KeptValues | undefined> {
  const { code, stdout, stderr } = await helm(["get", "values", service, "-o", "json"], {
    accepted: [0, 1],
  });
  if (code === 0) return keptValues.parse(JSON.parse(stdout) ?? {});
  if (/not found/i.test(stderr)) return undefined;
  throw new CommandError(`helm get values failed: ${stderr.trim()}`);
}

/** Who may call a service. */
export interface PlannedAccess {
  readonly values: { readonly allowAnonymous: boolean; readonly keys: readonly object[] };
  readonly keyFile: string;
  /** A key that did not exist before. */
  readonly created: string | undefined;
}

export interface AccessOptions {
  /** False for `--no-auth`. */
  readonly auth: boolean;
  readonly keyFile?: string;
}

/**
 * Plans the keys of a service. They are created once: later deployments keep those of the first one.
 *
 * @param say - called with what `--no-auth` means
 */
export async function plannedAccess(
  service: string,
  before: KeptValues | undefined,
  options: AccessOptions & { readonly say: (line: string) => void },
): Promise<PlannedAccess> {
  const { auth, keyFile = `./${service}.key`, say } = options;
  if (!auth) {
    say("without keys every client that reaches the service may call it (--no-auth)");
    return { values: { allowAnonymous: true, keys: [] }, keyFile, created: undefined };
  }
  const keys = before?.gateway.keys ?? [];
  if (keys.length > 0) {
    return { values: { keys, allowAnonymous: false }, keyFile, created: undefined };
  }
  const models = ["*"];
  // That of a service that was deleted, say: its callers have it already.
  const existing = await readKey(keyFile);
  const { key, entry } = existing
    ? keyEntry(existing, { id: service, models })
    : createKey(service, models);
  const created = existing ? undefined : key;
  return { values: { keys: [entry], allowAnonymous: false }, keyFile, created };
}
