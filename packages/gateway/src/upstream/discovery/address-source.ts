/** Where one replica is. */
export interface ReplicaAddress {
  /** `host:port`, as calls name it and as its certificate has it; an IPv6 address is in brackets. */
  readonly authority: string;
  /** The address, without brackets, that the host of `authority` was resolved to. Without it the host is connected to. */
  readonly ip?: string;
}

/** The replicas that one address of the configuration stands for, as far as that is known now. */
export interface AddressSource {
  /** Another array whenever they changed. */
  readonly addresses: readonly ReplicaAddress[];
  /** Finds out again, soon. Does nothing where there is nothing to find out. */
  refresh(): void;
  close(): void;
}
