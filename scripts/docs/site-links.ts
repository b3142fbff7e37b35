/** A page as it was built. */
export interface BuiltPage {
  /** Its path in the site. */
  readonly path: string;
  readonly html: string;
}

/**
 * Finds links of a site, to its own pages and files and to headings of them, that lead nowhere.
 *
 * @param files - every file of the site
 * @param base - path of the site, with a slash at the end
 * @returns each as `page: link`
 */
export function brokenLinks(
  pages: readonly BuiltPage[],
  files: ReadonlySet<string>,
  base = "/",
): readonly string[] {
  const anchors = new Map(pages.map(({ path, html }) => [path, attributesOf(html, "id")]));
  return pages.flatMap(({ path, html }) =>
    [...attributesOf(html, "href")]
      .filter((href) => !leadsSomewhere(href, path))
      .map((href) => `${path}: ${href}`),
  );

  function leadsSomewhere(href: string, from: string): boolean {
    // Addresses of a scheme are not of this site. The first link of each page leads to its content.
    if (/^([a-z][\w+.-]*:|\/\/)/i.test(href)) return true;
    const url = new URL(href, `http://site${base}${from}`);
    if (!url.pathname.startsWith(base)) return false;
    const path = decodeURIComponent(url.pathname.slice(base.length));
    const file = [path, `${path}.html`, `${path}index.html`, `${path}/index.html`].find((each) =>
      files.has(each),
    );
    if (file === undefined) return false;
    const anchor = decodeURIComponent(url.hash.slice(1));
    return anchor === "" || (anchors.get(file)?.has(anchor) ?? false);
  }
}

/** Values of an attribute of any element. */
function attributesOf(html: string, name: "href" | "id"): ReadonlySet<string> {
  const values = html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g"));
  return new Set([...values].map(([, value = ""]) => value.replaceAll("&amp;", "&")));
}
