/** Address of one replica. */
export interface ReplicaAddress {
  /** `host:port`: the authority of calls, and the name of the certificate; an IPv6 address is in brackets. */
  readonly authority: string;
  /** IP address, without brackets, that the host of `authority` was resolved to; the system resolves the host without it. */
  readonly ip?: string;
  /** Node of Kubernetes that the replica runs on, where it is known. */
  readonly node?: string;
  /** That of the node. */
  readonly zone?: string;
}

/** Resolves one address of the configuration to replicas, and again as they change. */
export interface Resolver {
  /** Addresses now; another array whenever they changed. */
  readonly addresses: readonly ReplicaAddress[];
  /** Resolves again soon; does nothing for an address that needs no resolving. */
  refresh(): void;
  close(): void;
}
