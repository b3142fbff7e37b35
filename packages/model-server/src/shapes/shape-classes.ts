/** The classes of the shapes model, in the order of its scores. */
export const shapeClasses = [
  "arrow",
  "bolt",
  "check",
  "circle",
  "cross",
  "drop",
  "heart",
  "hexagon",
  "house",
  "moon",
  "plus",
  "smiley",
  "spiral",
  "square",
  "star",
  "triangle",
] as const;

export type ShapeClass = (typeof shapeClasses)[number];
