import { element } from "../elements.ts";

/** Interval between calls, in milliseconds. */
const intervalMs = 250;

/**
 * Calls at an interval while the button is pressed, to show calls during an outage.
 *
 * @param call - makes one call; returns undefined without a model
 */
export function steadyCalls(call: () => Promise<unknown> | undefined): void {
  const button = element("steady");
  let answered = 0;
  let failed = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  async function once(): Promise<void> {
    const answer = call();
    if (!answer) return;
    try {
      await answer;
      answered += 1;
    } catch {
      failed += 1;
    }
    element("answered").textContent = String(answered);
    element("failed").textContent = String(failed);
    element("failed").className = failed > 0 ? "bad" : "";
  }

  button.addEventListener("click", () => {
    if (timer === undefined) timer = setInterval(() => void once(), intervalMs);
    else {
      clearInterval(timer);
      timer = undefined;
    }
    button.setAttribute("aria-pressed", String(timer !== undefined));
    button.textContent = timer === undefined ? "Keep calling" : "Stop calling";
  });
}
