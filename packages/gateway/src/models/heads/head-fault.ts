import type { ModelOptions } from "../release-options.ts";
import { createSnapshot } from "../snapshot.ts";

/**
 * Says why a head cannot be served beside a model.
 *
 * @param backbone - the configured model that it names; undefined if there is none
 * @returns undefined if it can be
 */
export function headFault(
  backbone: ModelOptions | undefined,
  options: ModelOptions,
): string | undefined {
  const { name, head } = options;
  if (!backbone) return `${name} is not served: its backbone "${head?.of}" is not configured`;
  try {
    createSnapshot({ models: [backbone, options], pools: [] });
    return undefined;
  } catch (thrown) {
    return `${name} is not served: ${(thrown as Error).message}`;
  }
}
