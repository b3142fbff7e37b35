import { expect, test } from "vitest";
import { type DecodeWork, decodeCostMs } from "./decode-cost.ts";

const photo: DecodeWork = {
  header: { format: "jpeg", size: { widthPx: 4_000, heightPx: 3_000 } },
  byteCount: 4_000_000,
  maxPixels: 25_000_000,
  isConverted: false,
};

test.each<{ readonly what: string; readonly work: DecodeWork }>([
  { what: "more pixels", work: sized(5_000, 5_000) },
  { what: "more bytes", work: { ...photo, byteCount: 8_000_000 } },
  { what: "several passes", work: { ...photo, header: { ...photo.header, isProgressive: true } } },
  { what: "another encoding afterwards", work: { ...photo, isConverted: true } },
  {
    what: "a format that packs harder",
    work: { ...photo, header: { ...photo.header, format: "avif" } },
  },
  { what: "a size that is not told", work: { ...photo, header: { format: "jpeg" } } },
])("$what costs more", ({ work }) => {
  expect(decodeCostMs(work)).toBeGreaterThan(decodeCostMs(photo));
});

test("a thumbnail costs next to nothing, and a photo less than a tenth of a second or two", () => {
  expect(decodeCostMs({ ...sized(224, 224), byteCount: 20_000 })).toBeLessThan(3);
  expect(decodeCostMs(photo)).toBeLessThan(200);
});

function sized(widthPx: number, heightPx: number): DecodeWork {
  return { ...photo, header: { format: "jpeg", size: { widthPx, heightPx } } };
}
