/** How much a request matters when there is more to do than can be done, most first. */
export const priorities = ["critical", "normal", "batch"] as const;

export type Priority = (typeof priorities)[number];
