import {
  type CallContext,
  type Caller,
  ForbiddenError,
  type GatewayStatus,
  type ModelCatalog,
  type ModelDescription,
} from "@tensorgate/core";

/** @throws ForbiddenError if the caller's key is not for this model */
export function assertMayUse({ caller }: CallContext, modelName: string): void {
  if (caller === undefined || caller.mayUse(modelName)) return;
  throw new ForbiddenError(`the key "${caller.id}" may not use model "${modelName.slice(0, 200)}"`);
}

/** The models that the caller's key is for, as far as its calls may be served. */
export function visibleModels(
  { caller, wishes }: CallContext,
  catalog: ModelCatalog,
): readonly ModelDescription[] {
  const all = catalog.list(wishes.residency);
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
  assertMayUse(call, name);
  return catalog.get(name, call.wishes.residency);
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
  return { ...status, regions };
}
