import { element } from "../elements.ts";

/** Lets the user choose, drop or paste pictures. */
export function fileSource(onFiles: (files: readonly File[]) => void): void {
  const drop = element("drop");
  const input = element<HTMLInputElement>("file");

  const take = (files: FileList | undefined | null) => {
    if (files && files.length > 0) onFiles([...files]);
  };

  input.addEventListener("change", () => {
    take(input.files);
    // So that the same file can be chosen again.
    input.value = "";
  });
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
    take(event.dataTransfer?.files);
  });
  document.addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files));
}
