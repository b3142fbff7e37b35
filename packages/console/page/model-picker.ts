import { readAddress, writeAddress } from "./address.ts";
import { element } from "./elements.ts";
import { client, type PageModel, type PageTask, pageTasks } from "./gateway.ts";

export interface ModelPicker {
  /** Returns the chosen model with the chosen task; undefined if there is no model. */
  chosen(): PageModel | undefined;
  /** Lists the models again if the gateway serves one that is not listed. What is chosen stays. */
  follow(served: ReadonlySet<string>): Promise<void>;
}

/** Fills the lists of models and of their tasks. @throws ClientError */
export async function modelPicker(onChange: () => void): Promise<ModelPicker> {
  const models = element<HTMLSelectElement>("model");
  const tasks = element<HTMLSelectElement>("task");
  let found = await client.models.list();
  // Asked once for each: a gateway may hide a model that it serves.
  let followed = new Set(found.map(({ name }) => name));
  const list = () => models.replaceChildren(...found.map(({ name }) => new Option(name, name)));
  list();
  const asked = readAddress();
  // Trained models come before those with random weights.
  const trained = found.filter(({ weights }) => weights !== "seeded");
  const first = trained.find(({ task }) => task === "classify") ?? trained[0];
  const initial = found.find(({ name }) => name === asked.model) ?? first;
  if (initial) models.value = initial.name;
  let missing = initial?.name === asked.model ? undefined : asked.model;

  const model = () => found.find(({ name }) => name === models.value);
  function fillTasks(wanted?: string): void {
    const offered = pageTasks.filter((task) => model()?.tasks.includes(task));
    tasks.replaceChildren(...offered.map((task) => new Option(task, task)));
    if (offered.some((task) => task === wanted)) tasks.value = wanted ?? "";
  }
  const chosen = (): PageModel | undefined => {
    const info = model();
    return info && { ...info, pageTask: tasks.value as PageTask };
  };
  const show = () => {
    const shown = chosen();
    element("banner").hidden = shown?.weights !== "seeded";
    const facts = shown ? factsOf(shown) : "This gateway has no model.";
    element("model-facts").textContent =
      missing === undefined
        ? facts
        : `No model "${missing}" here; this is ${models.value}. ${facts}`;
  };
  const change = () => {
    missing = undefined;
    show();
    // The default task of a model is not worth a place in the address.
    const isDefault = tasks.selectedIndex <= 0;
    writeAddress({ model: models.value, task: isDefault ? undefined : tasks.value });
    onChange();
  };
  models.onchange = () => {
    fillTasks();
    change();
  };
  tasks.onchange = change;
  fillTasks(asked.task);
  show();
  return {
    chosen,
    follow: async (served) => {
      if ([...served].every((name) => followed.has(name))) return;
      followed = new Set([...followed, ...served]);
      found = await client.models.list();
      const { value } = models;
      list();
      models.value = value;
    },
  };
}

const returned: Readonly<Record<PageTask, (model: PageModel) => string>> = {
  detect: ({ labelCount }) => `returns boxes of ${labelCount} classes`,
  classify: ({ labelCount }) => `returns labels of ${labelCount} classes`,
  embed: () => "returns features, for search and comparison",
  predict: () => "returns the tensors of its outputs",
};

function scalingOf({ input: { width, height, crop } }: PageModel): string {
  if (!width || !height) return "";
  return crop
    ? `, its shorter side scaled to ${width} pixels and the middle ${crop.width} × ${crop.height} cut out`
    : `, scaled to ${width} × ${height} pixels`;
}

function factsOf(model: PageModel): string {
  return [
    model.input.kind === "picture" ? `Takes a picture${scalingOf(model)}` : "Takes tensors",
    returned[model.pageTask](model),
    ...(model.family ? [model.family] : []),
    `version ${model.versions.join(", ") || "unknown"}`,
    model.regions.join(", "),
  ].join(" · ");
}
