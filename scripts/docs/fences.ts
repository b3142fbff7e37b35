/** A block of code of a page. */
export interface Fence {
  /** Its language; empty if it has none. */
  readonly language: string;
  /** Path of the file in the repository that it shows, if its first line names one. */
  readonly path: string | undefined;
  readonly text: string;
}

const pattern = /^```(\w*)(?: ([\w./-]+))?\n([\s\S]*?)^```$/gm;

/** Returns the blocks of code of a page, in its order. */
export function fencesOf(page: string): readonly Fence[] {
  return [...page.matchAll(pattern)].map(([, language = "", path, text = ""]) => ({
    language,
    path,
    text,
  }));
}

/**
 * Puts files into the blocks that name them.
 *
 * @param read - returns a file by its path in the repository
 */
export function withSnippets(page: string, read: (path: string) => string): string {
  return page.replace(pattern, (fence, language: string, path: string | undefined) =>
    path === undefined ? fence : `\`\`\`${language} ${path}\n${read(path).trimEnd()}\n\`\`\``,
  );
}
