/** A file that was dropped, and the folder that it lay in, if a folder was dropped. */
export interface DroppedPicture {
  readonly file: File;
  /** The nearest folder around it. */
  readonly folder: string | undefined;
}

/** Most files of one drop. */
const maxFiles = 2_000;

/** Returns the pictures of a drop: files, and those in folders and below. */
export async function droppedPictures({
  dataTransfer,
}: DragEvent): Promise<readonly DroppedPicture[]> {
  const found: DroppedPicture[] = [];
  // Entries are gone once the event is over: all are taken before anything is awaited.
  const entries = [...(dataTransfer?.items ?? [])].flatMap(
    (item) => item.webkitGetAsEntry?.() ?? [],
  );
  const loose = entries.length === 0 ? [...(dataTransfer?.files ?? [])] : [];
  for (const file of loose) if (isPicture(file)) found.push({ file, folder: undefined });
  for (const entry of entries) await collect(entry, undefined, found);
  return found;
}

async function collect(
  entry: FileSystemEntry,
  folder: string | undefined,
  found: DroppedPicture[],
): Promise<void> {
  if (found.length >= maxFiles || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    if (isPicture(file)) found.push({ file, folder });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A reader returns a hundred entries at most, and none at the end.
  for (;;) {
    const inside = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (inside.length === 0) return;
    for (const each of inside) await collect(each, entry.name, found);
  }
}

const isPicture = ({ type }: File) => type.startsWith("image/");
