import type { Clock, SharingStatus } from "@tensorgate/core";
import type { SharingCommand, SharingEvent, SharingRole } from "./shared-scheduler.ts";
import { followerMessage, ownerMessage, toWire, type WireMessage } from "./wire.ts";

/** The other gateways in front of the same replicas. */
export interface SlotSharing {
  /** Called once. The first call of `onRole` comes before it returns. */
  attach(handlers: {
    onRole(role: SharingRole, gatewayCount: number): void;
    /** What it throws ends the connection. */
    onFollowerMessage(peer: string, detourMs: number, message: WireMessage): void;
    onFollowerLeft(peer: string): void;
    onOwnerMessage(message: WireMessage): void;
  }): void;
  tell(peer: string, message: WireMessage): void;
  tellOwner(message: WireMessage): void;
  status(): SharingStatus;
}

export interface SharingPortDeps {
  readonly emit: (event: SharingEvent) => void;
  readonly clock: Clock;
}

/** Where events and commands of the scheduler pass between this gateway and the others. */
export interface SharingPort {
  carryOut(command: SharingCommand): void;
  close(): void;
}

export function createSharingPort(
  sharing: SlotSharing,
  { emit, clock }: SharingPortDeps,
): SharingPort {
  let recheck: Disposable | undefined;
  sharing.attach({
    onRole: (role, gatewayCount) => emit({ type: "role", role, gatewayCount }),
    onFollowerMessage: (peer, detourMs, wire) =>
      emit({ type: "from-follower", peer, detourMs, message: followerMessage(wire) }),
    onFollowerLeft: (peer) => emit({ type: "follower-left", peer }),
    onOwnerMessage: (wire) => emit({ type: "from-owner", message: ownerMessage(wire) }),
  });
  return {
    carryOut: (command) => {
      switch (command.type) {
        case "tell":
          sharing.tell(command.peer, toWire(command.message));
          break;
        case "tell-owner":
          sharing.tellOwner(toWire(command.message));
          break;
        case "recheck":
          recheck?.[Symbol.dispose]();
          recheck = clock.setTimer(Math.max(0, command.atMs - clock.nowMs()), () => emit(command));
      }
    },
    close: () => recheck?.[Symbol.dispose](),
  };
}
