/** The names that a user can choose from, without what they stand for: a command lists them before it loads the rest. */
export { detectorPresetNames } from "./detectors/detector-format.ts";
export { dialects, servingDialects } from "./dialects/tensor-names.ts";
export { type FamilyName, familyNames } from "./families/family.ts";
