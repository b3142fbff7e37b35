import { createHtml, element } from "../elements.ts";
import { droppedPictures } from "./dropped-pictures.ts";
import type { TeachClass, TeachClasses } from "./teach-classes.ts";

/** Pictures of a class that are shown, the last ones. */
const maxShown = 12;

export interface ClassCardActions {
  /** Adds what is drawn to a class. */
  readonly addDrawing: (to: TeachClass) => void;
  /** Adds frames of the camera to a class. */
  readonly addFrames: (to: TeachClass) => void;
}

/** Shows a card for each class: its name, its pictures, and how to add more. */
export function showClassCards(classes: TeachClasses, actions: ClassCardActions): void {
  element("teach-classes").replaceChildren(
    ...classes.all.map((each, index) => classCard(each, { index, classes, actions })),
  );
}

interface CardOptions {
  readonly index: number;
  readonly classes: TeachClasses;
  readonly actions: ClassCardActions;
}

function classCard(of: TeachClass, { index, classes, actions }: CardOptions): HTMLLIElement {
  const name = createHtml("input", {
    value: of.name,
    "aria-label": `Name of class ${index + 1}`,
    maxlength: 100,
  });
  name.onchange = () => {
    const typed = name.value.trim();
    const isTaken = classes.all.some((each) => each !== of && each.name === typed);
    if (typed && !isTaken) of.name = typed;
    name.value = of.name;
  };
  const files = createHtml("input", {
    type: "file",
    accept: "image/*",
    multiple: true,
    "aria-label": `Add pictures to ${of.name}`,
  });
  files.onchange = () => classes.add(of, [...(files.files ?? [])]);
  const card = createHtml(
    "li",
    { class: "class-card" },
    createHtml(
      "div",
      { class: "row" },
      name,
      createHtml("span", {}, `${of.pictures.length} pictures`),
    ),
    thumbnails(of, classes),
    createHtml(
      "div",
      { class: "row" },
      files,
      button(`Add drawing to ${of.name}`, "Add drawing", () => actions.addDrawing(of)),
      button(`Add 10 frames to ${of.name}`, "Add 10 frames", () => actions.addFrames(of)),
      button(`Remove class ${of.name}`, "Remove class", () => classes.removeClass(of)),
    ),
  );
  card.ondragover = (event) => event.preventDefault();
  card.ondrop = (event) => {
    event.preventDefault();
    event.stopPropagation();
    void droppedPictures(event).then((found) =>
      classes.add(
        of,
        found.map(({ file }) => file),
      ),
    );
  };
  return card;
}

function thumbnails(of: TeachClass, classes: TeachClasses): HTMLUListElement {
  const shown = of.pictures.slice(-maxShown);
  return createHtml(
    "ul",
    { class: "thumbnails", "aria-label": `Pictures of ${of.name}` },
    ...shown.map((picture) => {
      const remove = button(`Remove this picture of ${of.name}`, "", () =>
        classes.remove(of, picture),
      );
      remove.append(createHtml("img", { src: picture.url, alt: "" }));
      return createHtml("li", {}, remove);
    }),
  );
}

function button(label: string, text: string, onClick: () => void): HTMLButtonElement {
  const created = createHtml("button", { type: "button", "aria-label": label, title: label }, text);
  created.onclick = onClick;
  return created;
}
