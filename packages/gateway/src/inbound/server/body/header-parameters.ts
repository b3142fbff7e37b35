/** A header with parameters, such as `form-data; name="image"; filename*=utf-8''x.jpg`. */
export interface ParameterizedHeader {
  /** In lower case. */
  readonly value: string;
  /** By name in lower case; of a name that comes several times, the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

const parameter = /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;

/**
 * Reads a header as what is sent, not only what the grammar says: in any order and letter case, with or without quotes
 * and blanks.
 *
 * Of the characters that a backslash quotes only itself and the quote are: browsers and Windows send paths as they are.
 *
 * @see RFC 9110, section 5.6.6; RFC 7578, section 4.2
 */
export function parseHeaderParameters(text: string): ParameterizedHeader {
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, plain = ""] of text.matchAll(parameter)) {
    const key = name.toLowerCase();
    if (parameters.has(key)) continue;
    parameters.set(key, quoted?.replaceAll(/\\(["\\])/g, "$1") ?? plain.trim());
  }
  return { value: text.split(";", 1)[0]?.trim().toLowerCase() ?? "", parameters };
}

/**
 * The file name of a disposition; the extended one, `filename*`, comes before the plain one.
 *
 * @returns undefined if it has none; an empty one is one
 * @see RFC 6266, section 4.3; RFC 8187
 */
export function fileNameOf({ parameters }: ParameterizedHeader): string | undefined {
  const plain = parameters.get("filename");
  return (
    extendedValue(parameters.get("filename*")) ?? (plain === undefined ? plain : unescaped(plain))
  );
}

/** Browsers escape what would end a name by percent signs. @see WHATWG HTML, "multipart/form-data encoding algorithm" */
export function unescaped(name: string): string {
  return name.replaceAll(/%(22|0[ad])/gi, (code) => decodeURIComponent(code));
}

function extendedValue(text: string | undefined): string | undefined {
  const [, charset, value = ""] = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(text ?? "") ?? [];
  try {
    if (charset?.toLowerCase() === "utf-8") return decodeURIComponent(value);
  } catch {
    return undefined;
  }
  if (charset === undefined) return undefined;
  return value.replaceAll(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );
}
