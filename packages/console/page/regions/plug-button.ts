import { createHtml } from "../elements.ts";
import { setPlug } from "./set-plug.ts";

export interface PlugButton {
  readonly element: HTMLButtonElement;
  show(isPlugged: boolean): void;
}

/** Takes a region of a demo away, and gives it back. */
export function createPlugButton(region: string): PlugButton {
  const button = createHtml("button", { type: "button" });
  button.dataset["region"] = region;
  let isPlugged = true;
  let isChanging = false;

  button.addEventListener("click", async () => {
    // Not disabled, which would take the focus from whoever came by keyboard.
    if (isChanging) return;
    isChanging = true;
    button.setAttribute("aria-disabled", "true");
    await setPlug(region, !isPlugged);
    // The next status says how it is now.
    isChanging = false;
  });

  return {
    element: button,
    show: (isPluggedNow) => {
      isPlugged = isPluggedNow;
      const text = isPlugged ? "Pull the plug" : "Plug it in";
      // Only what changed: a screen reader may tell of every change of what has the focus.
      if (button.textContent !== text) button.textContent = text;
      button.className = isPlugged ? "danger" : "";
      button.setAttribute("aria-label", `${text} of ${region}`);
      button.setAttribute("aria-disabled", String(isChanging));
    },
  };
}
