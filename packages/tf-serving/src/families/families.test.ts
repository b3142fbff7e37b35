import { existsSync, readFileSync } from "node:fs";
import { type Dialect, float32Tensor, joined } from "@tensorgate/core";
import { expect, test } from "vitest";
import { dialectNames } from "../dialects/tensor-names.ts";
import { predictResponseSegments } from "../predict.ts";
import { canonicalName, scoreResponseFromPredictResponse } from "../predict-reply.ts";
import { families } from "./families.ts";
import { familyNames } from "./family.ts";

const labelFile = new URL("../../../../../shared/data/imagenet_classes.txt", import.meta.url);
const isHere = existsSync(labelFile);

test.skipIf(isHere)("the label file is skipped: it is not here", () => {});

test.runIf(isHere)("ImageNet's labels are those of the file, in its order", () => {
  const lines = readFileSync(labelFile, "utf8").trimEnd().split("\n");

  expect(families.get("resnet-50")?.labels).toEqual(lines);
});

test("there are 1000 labels of ImageNet, one of them twice, and 21 of Pascal VOC", () => {
  const labels = families.get("vgg-16")?.labels ?? [];

  expect(labels).toHaveLength(1_000);
  expect(new Set(labels).size).toBe(999);
  expect([labels[0], labels[134], labels[517]]).toEqual(["tench, Tinca tinca", "crane", "crane"]);
  expect(families.get("ssd-vgg")?.labels).toHaveLength(21);
});

test("every family is there under its name", () => {
  expect([...families.keys()]).toEqual([...familyNames]);
});

test.each([
  { family: "resnet-50", raw: "classifier_1/resnet_v1_50/predictions/Softmax:0" },
  { family: "resnet-152", raw: "classifier/resnet_v1_152/predictions/Softmax:0" },
  { family: "densenet-121", raw: "classifier/densenet121/predictions/Softmax:0" },
  { family: "vgg-16", raw: "classifier/vgg_16/fc8/squeezed:0" },
])("the scores of $family are $raw on an FPGA", ({ family, raw }) => {
  const outputs = families.get(family)?.outputs ?? [];
  const namesOn = (dialect: Dialect) => dialectNames({ inputs: [], outputs }, dialect);

  expect(namesOn("azure-fpga").outputs.get("output_alias")).toBe(raw);
  expect(namesOn("tensorflow-serving").outputs.get(raw)).toBe("output_alias");
  const other = raw.replace(/^classifier(_1)?/, "classifier_7");
  expect(canonicalName(other, namesOn("azure-fpga"), new Map())).toBe("output_alias");
});

test("SSD-VGG's twelve outputs are logits, then offsets, finest layer first", () => {
  const outputs = families.get("ssd-vgg")?.outputs ?? [];
  const raw = outputs.map(({ on }) => on["azure-fpga"]);

  expect(outputs.map(({ name }) => name)).toEqual(
    Array.from({ length: 12 }, (_, index) => `out_${index}`),
  );
  expect(raw[0]).toBe("ssd_300_vgg/block4_box/Reshape_1:0");
  expect(raw[11]).toBe("ssd_300_vgg/block11_box/Reshape:0");
  expect(outputs[4]?.shape).toEqual([-1, 3, 3, 4, 21]);
});

test("an output that is not known, or comes twice, keeps the name it came with", () => {
  const outputs = families.get("resnet-50")?.outputs ?? [];
  const names = dialectNames({ inputs: [], outputs }, "azure-fpga");
  const tensor = float32Tensor([1], Float32Array.of(1));
  const reply = joined(
    predictResponseSegments({
      outputs: new Map([
        ["classifier/a:0", tensor],
        ["classifier_1/b:0", tensor],
        ["other:0", tensor],
      ]),
    }),
  );

  const read = scoreResponseFromPredictResponse(reply, { asked: { name: "m" }, names });

  expect([...read.outputs.keys()]).toEqual(["output_alias", "classifier_1/b:0", "other:0"]);
});
