import type { WorkBudget } from "@tensorgate/core";
import { fieldTag, MessageReader } from "@tensorgate/core";

/**
 * Returns every value of a length-delimited field, in place. A message that is there several times is one whose fields
 * stand one after the other: join them to read it.
 *
 * @throws MalformedMessageError; TooLargeError if the budget has no element left
 */
export function fieldsOf(
  message: Uint8Array,
  number: number,
  budget: WorkBudget,
): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    if (reader.tag === fieldTag(number)) found.push(reader.bytes());
    else reader.skip();
  }
  return found;
}
