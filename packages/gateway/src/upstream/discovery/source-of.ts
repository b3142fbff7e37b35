import { isIP } from "node:net";
import type { AddressSource } from "./address-source.ts";
import { type DnsSourceParts, dnsSource } from "./dns-source.ts";
import { staticSource } from "./static-source.ts";

const dnsScheme = "dns:///";

/**
 * What stands for which replicas: `host:port` is one, a name too; `dns:///name:port` is one for each address of the name.
 *
 * @param address - as the configuration has it
 */
export function sourceOf(address: string, parts: DnsSourceParts): AddressSource {
  if (!address.startsWith(dnsScheme)) return staticSource(address);
  const authority = address.slice(dnsScheme.length);
  const host = authority.slice(0, authority.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return isIP(host) ? staticSource(authority) : dnsSource(authority, parts);
}
