import { z } from "zod";

/** Quantities by resource, such as `{ "xilinx.com/fpga": "1" }`. */
type Quantities = Readonly<Record<string, string>>;

export interface KubernetesCondition {
  readonly type: string;
  readonly status: string;
  readonly message?: string | undefined;
}

export interface KubernetesContainer {
  readonly resources: { readonly requests?: Quantities; readonly limits?: Quantities };
}

/** The parts of `kubectl get nodes -o json` that are read. */
export interface NodeList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly labels: Quantities };
    readonly spec: { readonly unschedulable: boolean };
    readonly status: {
      readonly allocatable: Quantities;
      readonly conditions: readonly KubernetesCondition[];
    };
  }[];
}

export interface ContainerState {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

export interface KubernetesPod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    /** Present if it terminates. */
    readonly deletionTimestamp?: string | undefined;
  };
  readonly spec: {
    readonly nodeName?: string | undefined;
    readonly containers: readonly KubernetesContainer[];
  };
  readonly status: {
    readonly phase: string;
    readonly conditions: readonly KubernetesCondition[];
    readonly containerStatuses: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly restartCount: number;
      readonly state: { readonly waiting?: ContainerState; readonly terminated?: ContainerState };
    }[];
  };
}

/** The parts of `kubectl get pods -o json` that are read. */
export interface PodList {
  readonly items: readonly KubernetesPod[];
}

/** The parts of `kubectl get events -o json` that are read. */
export interface EventList {
  readonly items: readonly {
    readonly type?: string | undefined;
    readonly reason?: string | undefined;
    readonly message?: string | undefined;
    readonly involvedObject: { readonly name?: string | undefined };
  }[];
}

const texts = z.record(z.string(), z.string()).default({});
const conditions = z
  .array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() }))
  .default([]);
const state = z.object({ reason: z.string().optional(), message: z.string().optional() });

export const nodeList: z.ZodType<NodeList> = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), labels: texts }),
      spec: z.object({ unschedulable: z.boolean().default(false) }),
      status: z.object({ allocatable: texts, conditions }),
    }),
  ),
});

export const podList: z.ZodType<PodList> = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        labels: texts,
        deletionTimestamp: z.string().optional(),
      }),
      spec: z.object({
        nodeName: z.string().optional(),
        containers: z.array(
          z.object({
            resources: z.object({ requests: texts, limits: texts }).partial().default({}),
          }),
        ),
      }),
      status: z.object({
        phase: z.string().default(""),
        conditions,
        containerStatuses: z
          .array(
            z.object({
              name: z.string(),
              ready: z.boolean(),
              restartCount: z.number().default(0),
              state: z.object({ waiting: state, terminated: state }).partial().default({}),
            }),
          )
          .default([]),
      }),
    }),
  ),
}) as unknown as z.ZodType<PodList>;

export const eventList: z.ZodType<EventList> = z.object({
  items: z.array(
    z.object({
      type: z.string().optional(),
      reason: z
        .string()
        .nullish()
        .transform((text) => text ?? undefined),
      message: z.string().optional(),
      involvedObject: z.object({ name: z.string().optional() }),
    }),
  ),
}) as unknown as z.ZodType<EventList>;

/** Whether a pod takes calls, and will go on doing so. */
export function isPodReady({ metadata, status }: KubernetesPod): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  return status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
}

/** Whether a pod has not ended, and does not terminate. */
export function isPodRunning({ metadata, status: { phase } }: KubernetesPod): boolean {
  const hasEnded = phase === "Succeeded" || phase === "Failed";
  return !hasEnded && metadata.deletionTimestamp === undefined;
}
