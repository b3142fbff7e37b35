import { element } from "../elements.ts";
import type { PageTask, Settings } from "../gateway.ts";

export interface SettingsView {
  /** Returns what the user has set; what was not touched is undefined. */
  current(): Settings;
  /** Shows the controls of a task. */
  show(task: PageTask | undefined): void;
}

/** Default of the gateway for each control, by task; a task without one has no such control. */
const defaults: Readonly<Record<string, Partial<Record<PageTask, string>>>> = {
  "at-most": { classify: "5", detect: "400" },
  "min-score": { classify: "0", detect: "0.5" },
  overlap: { detect: "0.45" },
};

/** Connects the controls of a call. Every change is reported immediately, also while a slider is dragged. */
export function createSettingsView(onChange: () => void): SettingsView {
  const touched = new Set<string>();
  let task: PageTask | undefined;

  const input = (id: string) => element<HTMLInputElement>(id);
  const showValue = (id: string) => {
    const output = document.querySelector(`output[for="${id}"]`);
    if (output) output.textContent = Number(input(id).value).toFixed(2);
  };
  const setValue = (id: string) => {
    const value = input(id).valueAsNumber;
    return touched.has(id) && Number.isFinite(value) && input(id).checkValidity()
      ? value
      : undefined;
  };
  function show(next: PageTask | undefined): void {
    const isOther = next !== task;
    task = next;
    for (const [id, byTask] of Object.entries(defaults)) {
      const value = next && byTask[next];
      const label = input(id).closest("label");
      if (label) label.hidden = value === undefined;
      if (isOther) {
        touched.delete(id);
        input(id).value = value ?? "";
      }
      showValue(id);
    }
    element("settings").hidden = !next || !Object.values(defaults).some((each) => each[next]);
  }

  for (const id of Object.keys(defaults)) {
    input(id).addEventListener("input", () => {
      touched.add(id);
      showValue(id);
      onChange();
    });
  }
  element("settings").addEventListener("submit", (event) => event.preventDefault());
  element("reset").addEventListener("click", () => {
    const shown = task;
    task = undefined;
    show(shown);
    onChange();
  });
  return {
    current: () => ({
      atMost: setValue("at-most"),
      minScore: setValue("min-score"),
      iouThreshold: setValue("overlap"),
    }),
    show,
  };
}
