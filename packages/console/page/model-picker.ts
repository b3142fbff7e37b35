import { element } from "./elements.ts";
import { client, type PageModel, type PageTask } from "./gateway.ts";

/** Tasks of the page, the preferred one first. */
const tasks: readonly PageTask[] = ["detect", "classify"];

export interface ModelPicker {
  /** Returns the chosen model; undefined if no model takes pictures. */
  chosen(): PageModel | undefined;
}

/** Fills the list of models. @throws ClientError */
export async function modelPicker(onChange: () => void): Promise<ModelPicker> {
  const select = element<HTMLSelectElement>("model");
  const found = await client.models.list();
  const models = found.flatMap((model): PageModel[] => {
    const pageTask = tasks.find((task) => model.tasks.includes(task));
    return pageTask ? [{ ...model, pageTask }] : [];
  });
  select.replaceChildren(
    ...models.map(({ name, pageTask }) => new Option(`${name} (${pageTask})`, name)),
  );
  // Trained models come before those with random weights.
  const trained = models.filter(({ weights }) => weights !== "seeded");
  const first = trained.find(({ pageTask }) => pageTask === "classify") ?? trained[0];
  if (first) select.value = first.name;
  const chosen = () => models.find(({ name }) => name === select.value);

  const show = () => {
    const model = chosen();
    element("banner").hidden = model?.weights !== "seeded";
    element("model-facts").textContent = model
      ? factsOf(model)
      : "No model of this gateway takes pictures.";
  };
  select.onchange = () => {
    show();
    onChange();
  };
  show();
  return { chosen };
}

function factsOf({ pageTask, input, labelCount, versions, regions, family }: PageModel): string {
  const { width, height } = input;
  return [
    `Takes a picture${width && height ? `, scaled to ${width} × ${height} pixels` : ""}`,
    `returns ${pageTask === "detect" ? "boxes" : "labels"} of ${labelCount} classes`,
    ...(family ? [family] : []),
    `version ${versions.join(", ") || "unknown"}`,
    regions.join(", "),
  ].join(" · ");
}
