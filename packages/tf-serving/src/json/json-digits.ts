/*
 * Four characters in a word, the first one lowest. These are so small that V8 inlines them; larger ones would halve the
 * speed of the loop that calls them.
 */

/** Returns 0 if all are digits, which have 3 as their upper half and keep it when 6 is added; else bits in the others. */
export const otherBytes = (four: number): number =>
  ((four & 0xf0f0f0f0) ^ 0x30303030) | (((four + 0x06060606) & 0xf0f0f0f0) ^ 0x30303030);

/** Returns how many bits the digits before the first other character have. @param others - not 0 */
export const bitsBefore = (others: number): number => (31 - Math.clz32(others & (0 - others))) & 24;

/** Returns the number that four digits are; a NUL counts as 0. */
export const joinedDigits = (four: number): number =>
  Math.imul((Math.imul(four & 0x0f0f0f0f, 2_561) >>> 8) & 0x00ff00ff, 6_553_601) >>> 16;
