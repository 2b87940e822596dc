const grammar = /^(\d{0,30})(?:\.(\d{0,18}))?(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE]([+-]?\d{1,2}))?$/;

const nano = 9;
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
/** Kubernetes' own bound: 2^63 - 1 whole units. */
const largest = (2n ** 63n - 1n) * 10n ** BigInt(nano);

/**
 * A Kubernetes quantity (`100m`, `1.5Gi`, `2e3`) in billionths, rounded up as Kubernetes does, so that any two can
 * be compared exactly; `undefined` if it is none, or negative.
 */
export function parseQuantity(text: string): bigint | undefined {
  const [all, whole = '', fraction = '', suffix = '', exponent] = grammar.exec(text) ?? [];
  if (all === undefined || whole + fraction === '') return undefined;
  const digits = BigInt(whole + fraction);
  const step = binary.indexOf(suffix);
  const factor = step < 0 ? 1n : 1024n ** BigInt(step + 1);
  const power = step >= 0 ? 0 : exponent === undefined ? (decimal[suffix] ?? 0) : Number(exponent);
  const value = scaled(digits * factor, power + nano - fraction.length);
  return value > largest ? undefined : value;
}

function scaled(value: bigint, power: number): bigint {
  if (power >= 0) return value * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return (value + divisor - 1n) / divisor;
}
