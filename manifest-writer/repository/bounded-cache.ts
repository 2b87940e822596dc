/** Keeps what was used last, up to a total weight. */
export function createBoundedCache<T>(maxWeight: number, weightOf: (value: T) => number) {
  const kept = new Map<string, { value: T; weight: number }>();
  let total = 0;
  return {
    get(key: string): T | undefined {
      const found = kept.get(key);
      if (!found) return undefined;
      kept.delete(key);
      kept.set(key, found);
      return found.value;
    },
    set(key: string, value: T): void {
      if (kept.has(key)) return;
      const weight = weightOf(value);
      kept.set(key, { value, weight });
      total += weight;
      for (const [oldest, { weight: freed }] of kept) {
        if (total <= maxWeight) return;
        kept.delete(oldest);
        total -= freed;
      }
    },
  };
}
