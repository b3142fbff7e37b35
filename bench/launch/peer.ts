import type { PinnedProcess } from "../process.ts";

/** A program that is measured. */
export interface Peer {
  readonly name: string;
  /** Requests until a just-in-time compiler, if it has one, has nothing left to do. */
  readonly warmUpRequests: number;
  /** Whether it runs on Node. */
  readonly mayProfile?: boolean;
  /**
   * Builds the program, if it has to be.
   *
   * @throws MissingPeer if this machine lacks what it needs
   */
  readonly build?: () => Promise<void>;
  start(context: LaunchContext): Promise<PinnedProcess>;
}

export interface LaunchContext {
  /** Where profiles of subjects on Node are written, if they are wanted. */
  readonly profileFolder?: string | undefined;
  /** For files of this run. */
  readonly folder: string;
  readonly core: number;
  /** All replicas: they share a process and a port. */
  readonly backend: PinnedProcess;
  /** Paths of a self-signed certificate in PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
}

/** Why a peer cannot be measured here. */
export class MissingPeer extends Error {
  override readonly name = "MissingPeer";
}

/** Builds a program and starts it. */
export async function launch(peer: Peer, context: LaunchContext): Promise<PinnedProcess> {
  await peer.build?.();
  return peer.start(context);
}
