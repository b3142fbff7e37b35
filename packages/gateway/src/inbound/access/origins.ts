/** Names of subdomains, as browsers write them: in lower case, and in ASCII. */
const subdomains = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/** An origin of an app or an extension, such as `capacitor://localhost`; a page from a file has no host. */
const appOrigin = /^(file:\/\/|[a-z][a-z0-9+.-]*:\/\/[^/?#@\\*\s]+)$/i;

const webOrigin = /^(https?):\/\/(\*\.)?([^/?#@\\*\s]+?)(:\*)?$/i;

/** The port at the end of an origin or a host. */
const portAtEnd = /:\d{1,5}$/;

/** Says whether an `Origin` header is one that an entry of `crossSite.origins` stands for. */
export type OriginMatch = (origin: string) => boolean;

/**
 * Reads an entry of `crossSite.origins`: an origin as a browser's address bar has it, `null`, `https://*.example.com`
 * for all subdomains, `http://localhost:*` for all ports, or `*`.
 *
 * @returns undefined if no browser could send what the entry stands for
 * @see RFC 6454, section 6.2; WHATWG HTML, "ascii serialisation of an origin"
 */
export function originMatch(entry: string): OriginMatch | undefined {
  if (entry === "*") return () => true;
  if (entry === "null") return (origin) => origin === "null";
  const [, scheme, wildcard, host, anyPort] = webOrigin.exec(entry) ?? [];
  if (host === undefined) {
    const isApp = appOrigin.test(entry) && !/^https?:/i.test(entry);
    return isApp ? equals(entry.toLowerCase()) : undefined;
  }
  // Browsers leave out the port that the scheme implies, and write names in lower case and in ASCII.
  const url = URL.parse(`${scheme}://${wildcard ? "any." : ""}${host}`);
  if (!url || (anyPort && portAtEnd.test(host))) return undefined;
  const matches = wildcard ? isSubdomainOf(url) : equals(url.origin);
  return anyPort ? (origin) => matches(origin.replace(portAtEnd, "")) : matches;
}

/** @param url - with `any` in place of the subdomains */
function isSubdomainOf(url: URL): OriginMatch {
  const start = `${url.protocol}//`;
  const end = url.host.slice("any".length);
  return (origin) =>
    origin.startsWith(start) &&
    origin.endsWith(end) &&
    subdomains.test(origin.slice(start.length, -end.length));
}

function equals(expected: string): OriginMatch {
  return (origin) => origin === expected;
}
