/** The value below which `share` (0 to 1) of the sorted samples lie, by nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return Math.round((sorted[rank] ?? Number.NaN) * 10) / 10;
}

/** The last line of a benchmark: one JSON object on standard output. */
export function report(figures: { bench: string } & Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
