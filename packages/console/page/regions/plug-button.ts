import { createHtml } from "../elements.ts";
import { setPlug } from "./set-plug.ts";

export interface PlugButton {
  readonly element: HTMLButtonElement;
  show(isPlugged: boolean): void;
}

/** Creates the button that starts or ends the simulated outage of a region of the demo. */
export function createPlugButton(region: string): PlugButton {
  const button = createHtml("button", { type: "button" });
  button.dataset["region"] = region;
  let isPlugged = true;
  let isChanging = false;

  button.addEventListener("click", async () => {
    // Not disabled, since a disabled button loses the keyboard focus.
    if (isChanging) return;
    isChanging = true;
    button.setAttribute("aria-disabled", "true");
    await setPlug(region, !isPlugged);
    // The next status update shows the result.
    isChanging = false;
  });

  return {
    element: button,
    show: (isPluggedNow) => {
      isPlugged = isPluggedNow;
      const text = isPlugged ? "Simulate outage" : "End outage";
      // Set on change only: a screen reader may read every change of the focused element.
      if (button.textContent !== text) button.textContent = text;
      button.className = isPlugged ? "danger" : "";
      button.setAttribute("aria-label", `${text} of ${region}`);
      button.setAttribute("aria-disabled", String(isChanging));
    },
  };
}
