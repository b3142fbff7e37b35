const known: string[] = [];

/** Number of colours that the style sheet has for regions. */
const colours = 4;

/** Returns the class with the colour of a region; the same wherever the region is shown. */
export function regionColour(region: string): string {
  if (!known.includes(region)) known.push(region);
  return `region-${known.indexOf(region) % colours}`;
}
