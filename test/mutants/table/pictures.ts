import { type Mutant, mutantsOf } from "../mutant.ts";

const header = "packages/imaging/src/header";

/** What reading a picture's header may take. */
export const pictureMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${header}/picture-header.ts`,
    [`${header}/header-steps.test.ts`],
    [
      {
        name: "header: any number of chunks",
        find: "if (this.partCount <= maxHeaderParts) return;",
        replace: "if (this.partCount >= 0) return;",
      },
      {
        name: "header: any number of fill bytes",
        find: "if (this.skippedBytes <= maxSkippedBytes) return;",
        replace: "if (this.skippedBytes >= 0) return;",
      },
    ],
  ),
  ...mutantsOf(
    `${header}/webp-header.ts`,
    [`${header}/header-steps.test.ts`],
    [{ name: "header: chunks of a WebP are free", find: "    steps.countPart();\n", replace: "" }],
  ),
  ...mutantsOf(
    `${header}/jpeg-header.ts`,
    [`${header}/header-steps.test.ts`],
    [
      {
        name: "header: segments of a JPEG are free",
        find: "    steps.countPart();\n",
        replace: "",
      },
      { name: "header: fill bytes are free", find: "    steps.countSkippedByte();\n", replace: "" },
    ],
  ),
  ...mutantsOf(
    `${header}/png-header.ts`,
    [`${header}/header-steps.test.ts`],
    [{ name: "header: chunks of a PNG are free", find: "    steps.countPart();\n", replace: "" }],
  ),
  ...mutantsOf(
    `${header}/gif-header.ts`,
    [`${header}/gif-header.test.ts`, `${header}/header-steps.test.ts`],
    [
      {
        name: "header: extensions of a GIF are free",
        find: "    steps.countPart();\n    const isComment",
        replace: "    const isComment",
      },
      {
        name: "header: blocks of a GIF are free",
        find: "      steps.countPart();\n      at += 1 + length;",
        replace: "      at += 1 + length;",
      },
    ],
  ),
  ...mutantsOf(
    `${header}/iso-media-header.ts`,
    [`${header}/header-steps.test.ts`],
    [
      {
        name: "header: boxes of an AVIF are free",
        find: "    steps.countPart();\n    const type",
        replace: "    const type",
      },
      {
        name: "header: pictures of an AVIF are free",
        find: "    steps.countPart();\n    const isWanted",
        replace: "    const isWanted",
      },
    ],
  ),
  ...mutantsOf(
    "packages/imaging/src/open-picture.ts",
    ["packages/imaging/src/decode-picture.test.ts"],
    [
      {
        name: "picture: another size than its header says",
        find: "if (info.width !== size.widthPx || info.height !== size.heightPx) {",
        replace: "if (info.width < 0) {",
      },
    ],
  ),
  ...mutantsOf(
    `${header}/picture-header.ts`,
    [`${header}/picture-header.test.ts`, "packages/imaging/src/decode-picture.test.ts"],
    [
      {
        name: "picture: any number of pixels",
        find: "widthPx * heightPx > maxPixels",
        replace: "widthPx * heightPx > Number.POSITIVE_INFINITY",
      },
      {
        name: "picture: sides of any length",
        find: "Math.max(widthPx, heightPx) > maxSidePx",
        replace: "Math.max(widthPx, heightPx) > Number.POSITIVE_INFINITY",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/models/output-values.ts",
    ["packages/gateway/src/models/classify.test.ts"],
    [
      {
        name: "labels: any number of them",
        find: "return Math.min(count, maxResultsPerPicture);",
        replace: "return count;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/models/output-values.ts",
    ["packages/gateway/src/models/output-values.test.ts"],
    [
      {
        name: "values: copies take the place of earlier ones",
        find: "  usedBytes += byteLength;\n",
        replace: "",
      },
      {
        name: "values: NaN at an odd place",
        find: "if (Number.isNaN(even + odd))",
        replace: "if (Number.isNaN(even))",
      },
    ],
  ),
];
