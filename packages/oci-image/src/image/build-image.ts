import type { BaseImage } from "./base-image.ts";
import { type Descriptor, documentBytes, mediaTypes, type Platform } from "./documents.ts";
import type { Layer, Layout } from "./layout.ts";

export interface ImageOptions {
  readonly tag: string;
  readonly platform: Platform;
  /** Layers to add, the lowest one first. */
  readonly layers: readonly (Layer & { readonly createdBy: string })[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Members of the configuration that replace those of the base, such as `Cmd`. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly base?: BaseImage | undefined;
}

/** An image whose manifest and configuration are in a layout; the layers of its base need not be there. */
export interface BuiltImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Bytes of all layers. */
  readonly byteCount: number;
  readonly base: BaseImage | undefined;
}

/** Since nothing in an image may depend on when it was built. */
const created = "1970-01-01T00:00:00Z";

/** Writes the configuration and the manifest of an image into a layout. The same layers and options give the same digest. */
export async function buildImage(
  layout: Layout,
  { tag, platform, layers, labels = {}, config = {}, base }: ImageOptions,
): Promise<BuiltImage> {
  const below = base?.config;
  const labelsBelow = (below?.config?.["Labels"] ?? {}) as Readonly<Record<string, string>>;
  const allLabels = { ...labelsBelow, ...labels };
  const hasLabels = Object.keys(allLabels).length > 0;
  const configDescriptor = await layout.addBytes(
    mediaTypes.config,
    documentBytes({
      ...below,
      created,
      architecture: platform.architecture,
      os: platform.os,
      config: {
        ...below?.config,
        ...config,
        ...(hasLabels && { Labels: sortedByKey(allLabels) }),
      },
      rootfs: {
        type: "layers",
        diff_ids: [...(below?.rootfs.diff_ids ?? []), ...layers.map(({ diffId }) => diffId)],
      },
      history: [
        ...(below?.history ?? []),
        ...layers.map(({ createdBy }) => ({ created, created_by: createdBy })),
      ],
    }),
  );
  const all: readonly Descriptor[] = [
    ...(base?.manifest.layers ?? []).map(plain),
    ...layers.map(plain),
  ];
  const manifest = await layout.addBytes(
    mediaTypes.manifest,
    documentBytes({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: plain(configDescriptor),
      layers: all,
      ...(hasLabels && { annotations: sortedByKey(labels) }),
    }),
  );
  await layout.name(manifest, { tag, platform });
  const byteCount = all.reduce((sum, { size }) => sum + size, 0);
  return { manifest, config: configDescriptor, layers: all, byteCount, base };
}

/** Docker's types of layers mean the same, and a manifest should have those of one family. */
const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({
  mediaType:
    mediaType === "application/vnd.docker.image.rootfs.diff.tar.gzip"
      ? mediaTypes.tarGzip
      : mediaType,
  digest,
  size,
});

const sortedByKey = (record: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
