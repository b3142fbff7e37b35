/**
 * Longest time that a connection is kept idle, in milliseconds: shorter than load balancers keep one.
 * @see Azure Load Balancer, "TCP idle timeout": 4 minutes by default
 */
export const maxIdleMs = 120_000;

/** The right to use a connection for one call. */
export interface Lease<Connection> {
  readonly connection: Connection;
  /** Replaces the connection for later calls; those that are in flight on it may still be answered. */
  retire(): void;
  /** Ends the lease. Only its first call counts. */
  release(): void;
}

export interface ConnectionLeases<Connection> {
  acquire(): Lease<Connection>;
  /** Closes every connection. No further one is made. */
  close(): void;
}

interface Held<Connection> {
  readonly connection: Connection;
  inFlightCount: number;
}

/**
 * Leases one connection, or one connection pool, to every call, and replaces it when a call on it is given up.
 *
 * Load balancers drop idle connections without closing them, and no call on such a half-open connection gets a response.
 * A retired connection drains, and closes with its last call. Pings could tell a slow server from a lost connection, but
 * gRPC servers close connections that ping often. Time-outs on a connection that is already retired open no further one,
 * so there is at most one new connection per attempt time-out.
 */
export function createConnectionLeases<Connection extends { close(): void }>(
  connect: () => Connection,
): ConnectionLeases<Connection> {
  let current: Held<Connection> = { connection: connect(), inFlightCount: 0 };
  const draining = new Set<Held<Connection>>();
  let isClosed = false;

  function closeIfDrained(held: Held<Connection>): void {
    if (held.inFlightCount === 0 && draining.delete(held)) held.connection.close();
  }

  function retire(held: Held<Connection>): void {
    if (isClosed || held !== current) return;
    current = { connection: connect(), inFlightCount: 0 };
    draining.add(held);
    closeIfDrained(held);
  }

  return {
    acquire: () => {
      const held = current;
      let isReleased = false;
      held.inFlightCount += 1;
      return {
        connection: held.connection,
        retire: () => retire(held),
        release: () => {
          if (isReleased) return;
          isReleased = true;
          held.inFlightCount -= 1;
          closeIfDrained(held);
        },
      };
    },
    close: () => {
      isClosed = true;
      current.connection.close();
      for (const { connection } of draining) connection.close();
      draining.clear();
    },
  };
}
