import { element } from "../elements.ts";

/** Takes pictures that the user chooses, drops or pastes. */
export function fileSource(onPicture: (file: File) => void): void {
  const drop = element("drop");
  const preview = element<HTMLImageElement>("preview");

  function take(file: File | undefined): void {
    if (!file) return;
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.alt = `The picture to score: ${file.name || "pasted"}`;
    element("seen").hidden = false;
    element("drop-text").textContent = file.name || "A pasted picture";
    onPicture(file);
  }

  element<HTMLInputElement>("file").addEventListener("change", ({ target }) =>
    take((target as HTMLInputElement).files?.[0]),
  );
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files[0]);
  });
  document.addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files[0]));
}
