/**
 * Creates a function that runs `work` for the latest input only: while a run is in progress, one input waits, and a later
 * one replaces it.
 */
export function createLatestOnly<Input>(
  work: (input: Input) => Promise<void>,
): (input: Input) => void {
  let waiting: { readonly input: Input } | undefined;
  let isBusy = false;

  async function run(): Promise<void> {
    isBusy = true;
    while (waiting) {
      const { input } = waiting;
      waiting = undefined;
      await work(input);
    }
    isBusy = false;
  }

  return (input) => {
    waiting = { input };
    if (!isBusy) void run();
  };
}
