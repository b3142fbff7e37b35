import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the page. */
export interface ConsoleFile {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whether its name changes with its content, so that a browser may cache it. */
  readonly isImmutable: boolean;
}

export interface ConsoleOptions {
  /**
   * Whether the page offers the sample pictures, which are served below `/samples/`.
   * @default false
   */
  readonly hasSamples?: boolean;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
};

/** Folder of what was built, beside the compiled module. */
const built = (name: string) =>
  fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? `../dist/${name}` : `./${name}`, import.meta.url),
  );

/**
 * Returns the files of the page by their path at the gateway.
 *
 * @throws the error of the system if the page was not built
 */
export function consoleFiles({
  hasSamples = false,
}: ConsoleOptions = {}): ReadonlyMap<string, ConsoleFile> {
  const samples = hasSamples ? filesOf("samples") : new Map<string, ConsoleFile>();
  return new Map([
    ...[...filesOf("page")].flatMap(([name, file]) => {
      const shown = name === "index.html" && hasSamples ? withRoomForSamples(file) : file;
      return pathsOf(name).map((path) => [path, shown] as const);
    }),
    ...[...samples].map(([name, file]) => [`/samples/${name}`, file] as const),
    ["/samples/index.json", sampleIndex([...samples.keys()])],
  ]);
}

/** The page with room for the samples from the start, so that nothing moves when they have been loaded. */
function withRoomForSamples(file: ConsoleFile): ConsoleFile {
  const html = new TextDecoder().decode(file.body);
  const body = new TextEncoder().encode(
    html.replace('id="samples-part" hidden', 'id="samples-part"'),
  );
  return { ...file, body };
}

/** A page is at the address of its folder, with and without the slash at its end. */
function pathsOf(name: string): readonly string[] {
  const [, folder] = /^(?:(.+)\/)?index\.html$/.exec(name) ?? [];
  if (folder !== undefined) return [`/${folder}`, `/${folder}/`];
  return [name === "index.html" ? "/" : `/${name}`];
}

/**
 * A list of the samples for the page: a scene is for a detector, any other picture for a classifier; photographs for
 * one that was trained on such.
 */
function sampleIndex(names: readonly string[]): ConsoleFile {
  const pictures = names.filter((file) => !file.includes("/"));
  const samples = pictures.map((file) => {
    const name = file.replace(/\.\w+$/, "");
    return {
      name,
      path: `/samples/${file}`,
      thumbnail: `/samples/thumbnails/${name}.webp`,
      task: file.startsWith("scene") ? "detect" : "classify",
      isPhotograph: file.startsWith("photo-"),
    };
  });
  return {
    contentType: "application/json",
    body: new TextEncoder().encode(JSON.stringify({ samples })),
    isImmutable: false,
  };
}

/** Returns the files of a built folder by their names in it. */
function filesOf(name: string): ReadonlyMap<string, ConsoleFile> {
  const folder = built(name);
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && contentTypes[extname(entry.name)] !== undefined)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return new Map(
    names.toSorted().map((file) => [
      file,
      {
        contentType: contentTypes[extname(file)] ?? "",
        body: readFileSync(join(folder, file)),
        isImmutable: file.startsWith("assets/"),
      },
    ]),
  );
}
