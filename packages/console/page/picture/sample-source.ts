import { createHtml, element } from "../elements.ts";
import type { PageModel } from "../gateway.ts";

/** ImageNet's; a model with fewer knows the drawings of the demo, or none of the samples. */
const photographLabelCount = 1_000;

interface Sample {
  readonly name: string;
  readonly path: string;
  /** Path of the image of the button, which is smaller. */
  readonly thumbnail: string;
  readonly task: string;
  readonly isPhotograph: boolean;
}

export interface SampleSource {
  /** Offers the samples for a model: drawings, or photographs if it has the classes for them. */
  show(model: PageModel | undefined): void;
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

  const items = samples.map(({ name, thumbnail, task, isPhotograph }) => {
    const image = createHtml("img", {
      src: thumbnail,
      alt: "",
      width: 48,
      height: 48,
      loading: "lazy",
    });
    const button = createHtml(
      "button",
      { type: "button", "aria-label": `Sample ${name}`, title: name },
      image,
    );
    button.dataset["sample"] = name;
    button.addEventListener("click", () => void take(name));
    return { task, isPhotograph, item: createHtml("li", {}, button) };
  });
  list.replaceChildren(...items.map(({ item }) => item));

  return {
    take,
    clear: () => {
      chosen = undefined;
      mark();
    },
    show: (model) => {
      const wanted = model?.pageTask === "detect" ? "detect" : "classify";
      const wantsPhotographs = wanted === "classify" && isForPhotographs(model);
      const isOffered = items.map(({ item, task, isPhotograph }) => {
        item.hidden = task !== wanted || isPhotograph !== wantsPhotographs;
        return !item.hidden;
      });
      element("samples-part").hidden = !isOffered.includes(true);
      mark();
    },
  };
}

const isForPhotographs = (model: PageModel | undefined): boolean =>
  (model?.labelCount ?? 0) >= photographLabelCount;
