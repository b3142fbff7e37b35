import { z } from "zod";

export interface SharingOptions {
  /** Address at which the other gateways reach this one, as host:port. */
  readonly address: string | { readonly env: string };
  /**
   * Host that is bound for the other gateways.
   * @default "0.0.0.0"
   */
  readonly host?: string;
  /** Secret that the gateways have in common, of 16 characters or more. */
  readonly secret: { readonly env: string } | { readonly file: string };
  /** Where it is written which gateway owns the slots. */
  readonly lease: LeaseOptions;
}

export type LeaseOptions =
  /** A Lease of Kubernetes, in the namespace of the pod unless one is given. */
  | { readonly kubernetes: { readonly name: string; readonly namespace?: string } }
  /** A file, for gateways on one machine. */
  | { readonly file: string };

const name = z.string().min(1);
const variable = z.strictObject({ env: name });

export const sharingSchema: z.ZodType<SharingOptions> = z.strictObject({
  address: z
    .union([z.string().regex(/^.+:\d{1,5}$/, "expected host:port"), variable])
    .describe("Address at which the other gateways reach this one."),
  host: name.optional().describe("Host that is bound for the other gateways."),
  secret: z
    .union([variable, z.strictObject({ file: name })])
    .describe("Secret that the gateways have in common."),
  lease: z
    .union([
      z.strictObject({
        kubernetes: z.strictObject({ name, namespace: name.optional() }),
      }),
      z.strictObject({ file: name }),
    ])
    .describe("Where it is written which gateway owns the slots."),
}) as z.ZodType<SharingOptions>;
