/** How many requests run at once, over all and per owner, so that one owner cannot take every place. */
export interface Admission {
  /** `undefined`: full. The place is given back by disposing of it, once. */
  enter(ownerId: string): Disposable | undefined;
}

export function createAdmission(limits: { total: number; perOwner: number }): Admission {
  const inside = new Map<string, number>();
  let total = 0;
  return {
    enter(ownerId) {
      const own = inside.get(ownerId) ?? 0;
      if (total >= limits.total || own >= limits.perOwner) return undefined;
      total += 1;
      inside.set(ownerId, own + 1);
      return {
        [Symbol.dispose]() {
          total -= 1;
          const left = (inside.get(ownerId) ?? 1) - 1;
          if (left === 0) inside.delete(ownerId);
          else inside.set(ownerId, left);
        },
      };
    },
  };
}
