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
  /** Adds files to a class. */
  readonly addFiles: (to: TeachClass, files: readonly File[]) => void;
  /** Says what was not done. */
  readonly fail: (thrown: unknown) => void;
}

/** Shows a card for each class: its name, its pictures, and how to add more. */
export function showClassCards(classes: TeachClasses, actions: ClassCardActions): void {
  const list = element("teach-classes");
  const all = () => [...list.querySelectorAll<HTMLElement>("button, input")];
  const focused = all().indexOf(document.activeElement as HTMLElement);
  const label = document.activeElement?.getAttribute("aria-label");
  list.replaceChildren(
    ...classes.all.map((each, index) => classCard(each, { index, classes, actions })),
  );
  if (focused === -1) return;
  // The cards are new elements: who uses the keyboard goes on where they were, or beside what is gone.
  const now = all();
  const same = now.find((each) => each.getAttribute("aria-label") === label);
  (same ?? now[Math.min(focused, now.length - 1)] ?? element("teach-add-class")).focus();
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
    // The cards stay as they are: a click that ended the typing would lose its button.
    if (typed && !isTaken) of.name = typed;
    else if (isTaken) actions.fail(new Error(`Another class is named ${typed} already.`));
    name.value = of.name;
  };
  const files = createHtml("input", {
    type: "file",
    accept: "image/*",
    multiple: true,
    "aria-label": `Add pictures to ${of.name}`,
  });
  files.onchange = () => actions.addFiles(of, [...(files.files ?? [])]);
  const card = createHtml(
    "li",
    { class: "class-card" },
    createHtml(
      "div",
      { class: "row" },
      name,
      createHtml("span", {}, countedPictures(of.pictures.length)),
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
    void droppedPictures(event).then(
      (found) =>
        actions.addFiles(
          of,
          found.map(({ file }) => file),
        ),
      actions.fail,
    );
  };
  return card;
}

export function countedPictures(count: number): string {
  return `${count} ${count === 1 ? "picture" : "pictures"}`;
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
