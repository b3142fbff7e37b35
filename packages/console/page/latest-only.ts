/**
 * Does `work` for the latest input only: while one is under way, later ones replace each other and wait.
 * @returns what to call with each input
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
