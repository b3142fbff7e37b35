import { createHtml } from "../elements.ts";
import { setOutage } from "./set-outage.ts";

export interface OutageButton {
  readonly element: HTMLButtonElement;
  show(hasOutage: boolean): void;
}

/** Creates the button that begins or ends the simulated outage of a region of the demo. */
export function createOutageButton(region: string): OutageButton {
  const button = createHtml("button", { type: "button" });
  button.dataset["region"] = region;
  let hasOutage = false;
  let isChanging = false;

  button.addEventListener("click", async () => {
    // Not disabled, since a disabled button loses the keyboard focus.
    if (isChanging) return;
    isChanging = true;
    button.setAttribute("aria-disabled", "true");
    await setOutage(region, !hasOutage);
    // The next status update shows the result.
    isChanging = false;
  });

  return {
    element: button,
    show: (hasOutageNow) => {
      hasOutage = hasOutageNow;
      const text = hasOutage ? "End outage" : "Simulate outage";
      // Set on change only: a screen reader may read every change of the focused element.
      if (button.textContent !== text) button.textContent = text;
      button.className = hasOutage ? "" : "danger";
      button.setAttribute("aria-label", `${text} of ${region}`);
      button.setAttribute("aria-disabled", String(isChanging));
    },
  };
}
