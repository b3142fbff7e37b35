import { slotShareText } from "@tensorgate/core";
import type { SharingStatus } from "@tensorgate/proto/tensorgate/v1/status";

/** Says how the gateway shares the slots of its replicas with others; empty if there are none. */
export function sharingText(sharing: SharingStatus | undefined): string {
  if (!sharing) return "";
  const { role, gatewayCount, ownersLost, because } = sharing;
  const lost = ownersLost === 0 ? "" : ` It lost its owner ${times(ownersLost)}.`;
  switch (role) {
    case "owner":
      return `This gateway owns the slots of the replicas and schedules the calls of ${count(gatewayCount)}.${lost}`;
    case "follower":
      return `Another of ${count(gatewayCount)} owns the slots of the replicas and schedules the calls of this one.${lost}`;
    default: {
      const share = slotShareText({ role: "alone", gatewayCount });
      return `Alone: this gateway reaches no owner and uses ${share} of each replica's slots${because ? ` (${because})` : ""}.${lost}`;
    }
  }
}

const count = (gateways: number) => (gateways === 1 ? "1 gateway" : `${gateways} gateways`);
const times = (number: number) => (number === 1 ? "once" : `${number} times`);
