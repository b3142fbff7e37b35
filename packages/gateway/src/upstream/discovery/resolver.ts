/** Where one replica is. */
export interface ReplicaAddress {
  /** `host:port`, as calls name it and as its certificate has it; an IPv6 address is in brackets. */
  readonly authority: string;
  /** The address, without brackets, that the host of `authority` was resolved to. Without it the host is connected to. */
  readonly ip?: string;
}

/** Resolves one address of the configuration to replicas, and again as they change. */
export interface Resolver {
  /** As far as they are known now; another array whenever they changed. */
  readonly addresses: readonly ReplicaAddress[];
  /** Resolves again, soon. Does nothing where there is nothing to resolve. */
  refresh(): void;
  close(): void;
}
