import type { AskModel, Clock, ModelMetadata } from "@tensorgate/core";

/** How long what a replica said of a model is used, in milliseconds: a signature changes only with the version. */
const maxAgeMs = 5_000;

/** Models and versions that are remembered. */
const maxEntries = 1_000;

interface Entry {
  readonly askedMs: number;
  readonly metadata: Promise<ModelMetadata>;
}

/** Asks for the metadata of a model once in a while, and once for all calls that want it at the same time. */
export function createRecentMetadata(
  ask: AskModel<ModelMetadata>,
  clock: Clock,
): AskModel<ModelMetadata> {
  const entries = new Map<string, Entry>();

  return async (modelSpec, call) => {
    const { name, version, versionLabel } = modelSpec;
    const key = JSON.stringify([name, String(version ?? ""), versionLabel, call.hints.residency]);
    const nowMs = clock.nowMs();
    const known = entries.get(key);
    if (known && nowMs - known.askedMs < maxAgeMs) return withFallback(known.metadata);
    entries.delete(key);
    const metadata = ask(modelSpec, call);
    const entry = { askedMs: nowMs, metadata };
    entries.set(key, entry);
    metadata.catch(() => {
      if (entries.get(key) === entry) entries.delete(key);
    });
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
    return metadata;

    /** The call that asked may have been cut short: that is no answer for this one. */
    function withFallback(joined: Promise<ModelMetadata>): Promise<ModelMetadata> {
      return joined.catch(() => ask(modelSpec, call));
    }
  };
}
