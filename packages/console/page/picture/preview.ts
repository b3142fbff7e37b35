import { createHtml, element } from "../elements.ts";
import type { Outcome, PagePicture } from "./page-picture.ts";

export interface Preview {
  /** Shows the pictures, and one of them large. */
  show(pictures: readonly PagePicture[], selected: PagePicture): void;
  /** Writes the best result under each of several pictures. */
  refresh(): void;
  /** Resolves when the picture has its place, so that nothing moves any more. */
  laidOut(): Promise<void>;
}

/** Shows the chosen picture, and a strip of all if there are several. */
export function createPreview(onSelect: (picture: PagePicture) => void): Preview {
  const image = element<HTMLImageElement>("preview");
  const strip = element("strip");
  let captions: readonly (readonly [PagePicture, HTMLElement])[] = [];

  // A format that the browser cannot show may be one that the gateway reads.
  image.addEventListener("error", () => {
    element("seen").hidden = true;
    element("drop-text").textContent =
      `This browser cannot show ${image.dataset["name"]}; the gateway may still read it`;
  });

  function refresh(): void {
    for (const [{ outcome }, caption] of captions) caption.textContent = captionOf(outcome);
  }

  return {
    refresh,
    laidOut: () => image.decode().catch(() => {}),
    show: (pictures, selected) => {
      image.dataset["name"] = selected.name;
      image.alt = `The picture to score: ${selected.name}`;
      element("drop-text").textContent = selected.name;
      element("seen").hidden = false;
      if (selected.url) image.src = selected.url;
      strip.hidden = pictures.length < 2;
      const entries = pictures.length < 2 ? [] : pictures.map((each) => entryOf(each, selected));
      strip.replaceChildren(...entries.map(({ item }) => item));
      captions = entries.map(({ picture, caption }) => [picture, caption] as const);
      refresh();
    },
  };

  function entryOf(picture: PagePicture, selected: PagePicture) {
    const thumbnail = createHtml("img", { alt: "", width: 64, height: 64 });
    thumbnail.addEventListener("error", () => thumbnail.remove());
    if (picture.url) thumbnail.src = picture.url;
    const caption = createHtml("span", {});
    const button = createHtml(
      "button",
      { type: "button", "aria-pressed": String(picture === selected), title: picture.name },
      thumbnail,
      createHtml("span", { class: "unseen" }, `${picture.name}: `),
      caption,
    );
    button.addEventListener("click", () => onSelect(picture));
    return { picture, caption, item: createHtml("li", {}, button) };
  }
}

function captionOf(outcome: Outcome | undefined): string {
  if (!outcome) return "…";
  if (!outcome.ok) return "failed";
  const { answer } = outcome;
  switch (answer.task) {
    case "classify":
      return answer.labels[0]?.label ?? "nothing";
    case "detect": {
      const count = answer.found.boxes.length;
      return count === 1 ? "1 box" : `${count} boxes`;
    }
    case "embed":
      return `${answer.features.length} values`;
    case "predict":
      return "scored";
  }
}
