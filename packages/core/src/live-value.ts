/** A value that is replaced whole while it is in use, together with all that is built of it. */
export interface LiveValue<Value> {
  readonly current: Value;
  /** Builds another value of this one, now and whenever this one is replaced. */
  derive<Derived>(build: (value: Value) => Derived): DerivedValue<Derived>;
}

export interface DerivedValue<Value> extends LiveValue<Value> {
  /** Builds it again of the same value: what `build` leaves out until it is needed is needed now. */
  rebuild(): void;
}

/** A live value, for its owner. */
export interface ReplaceableValue<Value> extends LiveValue<Value> {
  /**
   * Builds all that is derived of `value`, which may fail.
   *
   * @returns puts all of it in force, which cannot fail
   */
  prepare(value: Value): () => void;
}

export function createLiveValue<Value>(first: Value): ReplaceableValue<Value> {
  const derived: ((value: Value) => () => void)[] = [];
  const live: ReplaceableValue<Value> & { current: Value } = {
    current: first,
    prepare: (value) => {
      const puts = derived.map((prepare) => prepare(value));
      return () => {
        live.current = value;
        for (const put of puts) put();
      };
    },
    derive: (build) => {
      const child = createLiveValue(build(live.current));
      derived.push((value) => child.prepare(build(value)));
      const rebuild = () => child.prepare(build(live.current))();
      return Object.assign(child, { rebuild });
    },
  };
  return live;
}
