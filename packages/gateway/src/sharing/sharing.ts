import {
  type Clock,
  InternalError,
  type ScoringError,
  SettingError,
  type SharingStatus,
} from "@tensorgate/core";
import { inClusterAccount } from "../kubernetes-account.ts";
import { readRegularFile } from "../regular-file.ts";
import { createKubernetesLease } from "./kubernetes-lease.ts";
import { createFileLease, type Lease } from "./lease.ts";
import type { SharingOptions } from "./options.ts";
import type { PeerMessage } from "./peer-connection.ts";
import {
  connectToOwner,
  createFollowerLinks,
  hostAndPort,
  type OwnerLink,
  OwnerRefusedError,
} from "./peer-links.ts";
import { peerTls } from "./peer-tls.ts";

type Role = SharingStatus["role"];

/** Called with what happens between the gateways. What `onFollowerMessage` and `onOwnerMessage` throw ends the connection. */
export interface SharingHandlers {
  onRole(role: Role, gatewayCount: number): void;
  onFollowerMessage(peer: string, detourMs: number, message: PeerMessage): void;
  onFollowerLeft(peer: string): void;
  onOwnerMessage(message: PeerMessage): void;
}

/** Finds the gateway that owns the slots, or becomes it. */
export interface Sharing {
  /** Called before `start`. */
  attach(handlers: SharingHandlers): void;
  tell(peer: string, message: PeerMessage): void;
  tellOwner(message: PeerMessage): void;
  /** Listens for other gateways, and looks for the owner from then on. */
  start(): Promise<void>;
  status(): SharingStatus;
  /** Gives the slots to the others: this gateway keeps its share until its calls have ended. */
  leave(): Promise<void>;
}

export interface SharingDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** Called when the lease cannot be read or written, once for each reason. */
  readonly onSharingFailure: (error: ScoringError) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/** Failed connections in a row after which the owner is replaced. */
const maxFailures = 2;
/** Interval at which a gateway without an owner looks for one, in milliseconds: at first, and at most. */
const seek = { firstMs: 25, growth: 1.1, maxMs: 2_000 } as const;
/** Interval at which the owner looks whether another gateway has replaced it, in milliseconds. */
const confirmMs = 2_000;
const minSecretChars = 16;

/**
 * Creates the part of a gateway that agrees with the others on who owns the slots.
 *
 * The lease names the owner; whether it lives is decided at its address. A gateway that cannot connect there twice puts
 * itself into the lease, which only one of several can. Two owners last until the old one reads the lease again.
 *
 * @throws SettingError if a file or a variable cannot be used
 */
export function createSharing(options: SharingOptions, deps: SharingDeps): Sharing {
  const { clock, random, env = process.env } = deps;
  const address = addressOf(options, env);
  const tls = peerTls(secretOf(options, env));
  const lease = leaseOf(options, env);
  let handlers: SharingHandlers | undefined;
  let owner: OwnerLink | undefined;
  let role: Role = "alone";
  let [gatewayCount, ownersLost] = [2, 0];
  let because: string | undefined = "no other gateway was reached yet";
  let lastFailure: string | undefined;
  let wake = () => {};
  let isClosed = false;

  const followers = createFollowerLinks({
    tls: tls.server,
    isOwner: () => role === "owner",
    onMessage: (peer, detourMs, message) => handlers?.onFollowerMessage(peer, detourMs, message),
    onLeft: (peer) => handlers?.onFollowerLeft(peer),
    clock,
  });

  function become(next: Role): void {
    if (role === "owner") gatewayCount = followers.count + 1;
    else if (owner) gatewayCount = owner.gatewayCount;
    role = next;
    if (next !== "follower") owner = undefined;
    handlers?.onRole(next, gatewayCount);
    if (next !== "owner") followers.dropAll();
  }

  function sleep(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(delayMs, resolve);
    wake = resolve;
    return promise.finally(() => timer[Symbol.dispose]());
  }

  async function own(): Promise<void> {
    because = undefined;
    become("owner");
    while (!isClosed) {
      await sleep(confirmMs);
      // A lease that cannot be read does not end what works.
      const seen = await lease.read().catch(() => undefined);
      if (isClosed || (seen && seen.holder !== address)) break;
    }
    become("alone");
  }

  async function follow(link: OwnerLink): Promise<void> {
    owner = link;
    because = undefined;
    become("follower");
    because = await link.closed;
    ownersLost += 1;
    become("alone");
  }

  /** Becomes the owner, or follows it, until that ends. @returns whether one of them was so */
  async function join(failures: { of: string; count: number }): Promise<boolean> {
    const seen = await lease.read();
    const isOwn = seen?.holder === address;
    const isGone = !seen?.holder || (failures.of === seen.holder && failures.count >= maxFailures);
    if (isOwn || (isGone && (await lease.take(address, seen)))) {
      await own();
      return true;
    }
    if (isGone) return false;
    let link: OwnerLink;
    try {
      const onMessage = (message: PeerMessage) => handlers?.onOwnerMessage(message);
      link = await connectToOwner(seen.holder, { tls: tls.client, onMessage, clock });
    } catch (thrown) {
      because = messageOf(thrown);
      // To replace an owner that lives would only have it replace this one in turn.
      if (thrown instanceof OwnerRefusedError) return false;
      failures.count = failures.of === seen.holder ? failures.count + 1 : 1;
      failures.of = seen.holder;
      return false;
    }
    failures.count = 0;
    if (isClosed) link.close();
    else await follow(link);
    return true;
  }

  async function seekOwner(): Promise<void> {
    const failures = { of: "", count: 0 };
    let delayMs: number = seek.firstMs;
    while (!isClosed) {
      try {
        if (await join(failures)) delayMs = seek.firstMs;
        lastFailure = undefined;
      } catch (thrown) {
        because = messageOf(thrown);
        if (because !== lastFailure) deps.onSharingFailure(new InternalError(thrown));
        lastFailure = because;
      }
      if (isClosed) return;
      await sleep(delayMs * (0.5 + random()));
      delayMs = Math.min(delayMs * seek.growth, seek.maxMs);
    }
  }

  return {
    attach: (given) => {
      handlers = given;
      given.onRole("alone", gatewayCount);
    },
    tell: followers.tell,
    tellOwner: (message) => owner?.tell(message),
    start: async () => {
      const { port } = hostAndPort(address);
      await followers.listen({ host: options.host ?? "0.0.0.0", port });
      void seekOwner();
    },
    status: () => ({
      role,
      gatewayCount: role === "owner" ? followers.count + 1 : (owner?.gatewayCount ?? gatewayCount),
      ownersLost,
      ...(role === "alone" && because !== undefined && { because }),
    }),
    leave: async () => {
      if (isClosed) return;
      isClosed = true;
      const wasOwner = role === "owner";
      // Those that are cut off look at the lease immediately.
      if (wasOwner) {
        await lease.release(address).catch((thrown) => {
          deps.onSharingFailure(new InternalError(thrown));
        });
      }
      owner?.close();
      if (wasOwner) become("alone");
      wake();
      followers.close();
    },
  };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function addressOf({ address }: SharingOptions, env: NodeJS.ProcessEnv): string {
  const text = typeof address === "string" ? address : env[address.env];
  if (text !== undefined && /^.+:\d{1,5}$/.test(text)) return text;
  const variable = typeof address === "string" ? address : address.env;
  throw new SettingError(
    "sharing.address",
    text === undefined
      ? `the environment variable ${variable} is not set`
      : `${text} is not an address; expected host:port`,
  );
}

function secretOf({ secret }: SharingOptions, env: NodeJS.ProcessEnv): string {
  const where = "sharing.secret";
  const text = "env" in secret ? env[secret.env]?.trim() : textOf(secret.file, where);
  const name = "env" in secret ? `the environment variable ${secret.env}` : secret.file;
  if (text === undefined) throw new SettingError(where, `${name} is not set`);
  if (text.length >= minSecretChars) return text;
  throw new SettingError(where, `${name} has fewer than ${minSecretChars} characters`);
}

function textOf(file: string, where: string): string {
  try {
    return readRegularFile(file).toString("utf8").trim();
  } catch (cause) {
    throw new SettingError(where, cause);
  }
}

function leaseOf({ lease }: SharingOptions, env: NodeJS.ProcessEnv): Lease {
  if ("file" in lease) return createFileLease(lease.file);
  const account = inClusterAccount(env);
  if (account) return createKubernetesLease(account, lease.kubernetes);
  throw new SettingError("sharing.lease", "there is no Kubernetes here; use a file");
}
