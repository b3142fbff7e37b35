import { createHtml, element } from "../elements.ts";
import type { PageTask } from "../gateway.ts";

interface Sample {
  readonly name: string;
  readonly path: string;
  readonly task: string;
}

export interface SampleSource {
  /** Offers the samples for a task. */
  show(task: PageTask | undefined): void;
  /** Takes a sample by its name, if there is one. */
  take(name: string): Promise<void>;
  /** Marks no sample as chosen. */
  clear(): void;
}

/** Offers the sample pictures of the gateway, if it has some. */
export async function createSampleSource(
  onSample: (file: File, name: string, path: string) => void,
): Promise<SampleSource> {
  const list = element("samples");
  const response = await fetch("/samples/index.json");
  const { samples } = (await response.json()) as { readonly samples: readonly Sample[] };
  let chosen: string | undefined;

  async function take(name: string): Promise<void> {
    const sample = samples.find((each) => each.name === name);
    if (!sample) return;
    const { path } = sample;
    const blob = await (await fetch(path)).blob();
    chosen = name;
    mark();
    onSample(new File([blob], path.split("/").at(-1) ?? name, { type: blob.type }), name, path);
  }

  function mark(): void {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset["sample"] === chosen));
    }
  }

  const items = samples.map(({ name, path, task }) => {
    const image = createHtml("img", { src: path, alt: "", width: 48, height: 48, loading: "lazy" });
    const button = createHtml(
      "button",
      { type: "button", "aria-label": `Sample ${name}`, title: name },
      image,
    );
    button.dataset["sample"] = name;
    button.addEventListener("click", () => void take(name));
    return { task, item: createHtml("li", {}, button) };
  });
  list.replaceChildren(...items.map(({ item }) => item));

  return {
    take,
    clear: () => {
      chosen = undefined;
      mark();
    },
    show: (task) => {
      const wanted = task === "detect" ? "detect" : "classify";
      const isOffered = items.map(({ item, task: of }) => {
        item.hidden = of !== wanted;
        return !item.hidden;
      });
      element("samples-part").hidden = !isOffered.includes(true);
      mark();
    },
  };
}
