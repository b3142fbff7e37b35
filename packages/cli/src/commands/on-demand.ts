/**
 * Creates a command whose module is loaded when it runs. Commands import what a cluster, a registry or a client needs, and
 * each process runs one of them.
 */
export function onDemand<Args extends readonly unknown[]>(
  load: () => Promise<(...args: Args) => unknown>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const run = await load();
    await run(...args);
  };
}
