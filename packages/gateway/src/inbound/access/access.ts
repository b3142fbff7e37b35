import type {
  CallContext,
  Caller,
  GatewayStatus,
  ModelCatalog,
  ModelDescription,
  Tasks,
} from "@tensorgate/core";

/** Reads a header, or a piece of gRPC metadata, by its lower-case name. */
export type ReadHeader = (name: string) => string | undefined;

/** What is known of a call before anything of its body is read: its headers, and where they come from. */
export interface AccessRequest {
  readonly header: ReadHeader;
  /** Where the connection comes from. */
  readonly remoteAddress: string | undefined;
  readonly isEncrypted: boolean;
  /** Whether the call is answered without a key. */
  readonly isPublic: boolean;
  /** "recheck" where a stream that was admitted sends one more message: what counts calls does not count it. */
  readonly kind: "call" | "recheck";
}

/** What the layers found out about the caller. */
export interface Admission {
  /** Absent if no keys are configured. */
  readonly caller?: Caller;
}

/** A call that was admitted. */
export interface AdmittedCall extends Admission {
  readonly tasks: Tasks;
}

/** What a reload replaces as a whole: who may call, and the models. A call keeps what it began with. */
export interface InForce {
  /** Absent if no keys are configured. */
  readonly authenticate?: AccessLayer | undefined;
  readonly tasks: Tasks;
}

/**
 * Admits a call, perhaps with more known of it, or throws the ScoringError that rejects it. Layers run in order, before
 * anything of the body is read.
 */
export type AccessLayer = (
  request: AccessRequest,
  admission: Admission,
) => Admission | Promise<Admission>;

/** The models that the caller's key is for, as far as its calls may be served. */
export function visibleModels(
  { caller, hints }: CallContext,
  catalog: ModelCatalog,
): readonly ModelDescription[] {
  const all = catalog.list(hints.residency);
  return caller ? all.filter(({ name }) => caller.mayUse(name)) : all;
}

/**
 * @throws ForbiddenError if the caller's key is not for the model
 * @throws UnknownModelError with the nearest names
 */
export function visibleModel(
  call: CallContext,
  catalog: ModelCatalog,
  name: string,
): ModelDescription {
  call.caller?.assertMayUse(name);
  return catalog.get(name, call.hints.residency);
}

/** The pools of models that the caller's key is for, in the regions that its calls may be served in. */
export function visibleStatus(caller: Caller | undefined, status: GatewayStatus): GatewayStatus {
  if (!caller) return status;
  const regions = status.regions
    .filter(({ name }) => caller.residency?.includes(name) ?? true)
    .map((region) => ({
      ...region,
      pools: region.pools.filter(({ model }) => caller.mayUse(model)),
    }));
  const { capacity } = status;
  const { residency } = caller;
  if (!capacity || !residency) return { ...status, regions };
  const devices = capacity.devices.flatMap((each) => {
    const own = each.regions.filter(({ name }) => residency.includes(name));
    // It does not say either that no other region has devices.
    return own.length > 0 ? [{ ...each, regions: own }] : [];
  });
  return { ...status, regions, capacity: { ...capacity, devices } };
}
