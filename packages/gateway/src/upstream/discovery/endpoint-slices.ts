import { z } from "zod";

/** A pod that takes new calls. */
export interface ReadyEndpoint {
  /** Without brackets. */
  readonly ip: string;
  /** Name of the node that it runs on. */
  readonly node?: string;
  /** That of the node. */
  readonly zone?: string;
}

/** A part of the endpoints of a Service. */
export interface EndpointSlice {
  readonly name: string;
  readonly ready: readonly ReadyEndpoint[];
}

/** What a watch reports. */
export type SliceEvent =
  | { readonly kind: "changed"; readonly slice: EndpointSlice; readonly resourceVersion: string }
  | { readonly kind: "deleted"; readonly name: string; readonly resourceVersion: string }
  /** Nothing changed up to this version. */
  | { readonly kind: "bookmark"; readonly resourceVersion: string }
  /** The version is too old to watch from. */
  | { readonly kind: "expired" };

export interface SliceList {
  readonly slices: readonly EndpointSlice[];
  readonly resourceVersion: string;
}

const slice = z.object({
  metadata: z.object({ name: z.string().default(""), resourceVersion: z.string().default("") }),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z
          .object({ ready: z.boolean().nullish(), terminating: z.boolean().nullish() })
          .default({}),
        nodeName: z.string().nullish(),
        zone: z.string().nullish(),
      }),
    )
    .nullish(),
});

const list = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  items: z.array(slice).nullish(),
});

const event = z.object({ type: z.string(), object: z.unknown() });

/** Reads a list of EndpointSlices. @throws Error if it is none */
export function parseSliceList(text: string): SliceList {
  const { metadata, items } = list.parse(JSON.parse(text));
  return { slices: (items ?? []).map(sliceFrom), resourceVersion: metadata.resourceVersion };
}

/** Reads a line of a watch. @throws Error if it is none */
export function parseSliceEvent(line: string): SliceEvent {
  const { type, object } = event.parse(JSON.parse(line));
  if (type === "ERROR") return { kind: "expired" };
  const found = slice.parse(object);
  const { name, resourceVersion } = found.metadata;
  if (type === "BOOKMARK") return { kind: "bookmark", resourceVersion };
  if (type === "DELETED") return { kind: "deleted", name, resourceVersion };
  return { kind: "changed", slice: sliceFrom(found), resourceVersion };
}

/**
 * A pod that terminates gets no new calls, although it still serves those in flight. Without a condition an endpoint is
 * ready.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
 */
function sliceFrom({ metadata, endpoints }: z.infer<typeof slice>): EndpointSlice {
  const ready = (endpoints ?? []).filter(
    ({ conditions }) => conditions.ready !== false && conditions.terminating !== true,
  );
  return {
    name: metadata.name,
    ready: ready.flatMap(({ addresses, nodeName, zone }) =>
      addresses.map((ip) => ({ ip, ...(nodeName && { node: nodeName }), ...(zone && { zone }) })),
    ),
  };
}
