import { tooLongInJson } from "../../serving-call.ts";

/** Longest message in JSON, read or written, in bytes: the library takes 80 ms for as much, in one turn of the event loop. */
export const maxJsonMessageBytes = 8_388_608;

/** What a number, and the punctuation around any value, takes at most, in bytes; most take less. */
const numberBytes = 16;
const valueBytes = 4;

/**
 * Makes sure that the library can write a message as JSON at a cost that is known, before it begins. Stops counting
 * at the limit.
 *
 * @throws UpstreamFailedError if its JSON would be longer than 8 MiB
 */
export function assertWritableAsJson(message: unknown): void {
  let left = maxJsonMessageBytes;

  function charge(byteCount: number): void {
    left -= byteCount + valueBytes;
    if (left < 0) throw tooLongInJson(`${maxJsonMessageBytes} bytes`);
  }
  function visit(value: unknown): void {
    if (typeof value === "string") charge(value.length);
    else if (value instanceof Uint8Array) charge(base64Length(value));
    else if (Array.isArray(value)) {
      charge(0);
      for (const each of value) visit(each);
    } else if (typeof value === "object" && value !== null) {
      charge(0);
      for (const [name, member] of Object.entries(value)) {
        charge(name.length);
        visit(member);
      }
    } else charge(numberBytes);
  }

  visit(message);
}

const base64Length = ({ byteLength }: Uint8Array) => Math.ceil(byteLength / 3) * 4;
