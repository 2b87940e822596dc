/** The labels by which an OpenFaaS function says how it scales. */
export const scaleLabels = {
  min: 'com.openfaas.scale.min',
  max: 'com.openfaas.scale.max',
  target: 'com.openfaas.scale.target',
  type: 'com.openfaas.scale.type',
  zero: 'com.openfaas.scale.zero',
  zeroDuration: 'com.openfaas.scale.zero-duration',
} as const;

export interface Scaling {
  min?: number;
  max?: number;
  /** Of one replica: requests per second, requests in flight, milli-CPU or MiB, as `type` says. */
  target?: number;
  type?: string;
  zero?: boolean;
  zeroAfterSeconds?: number;
}

const maxReplicas = 10_000;
const integer = /^(?:0|[1-9]\d{0,8})$/;
const positive = /^(?=.*[1-9])\d{1,9}(?:\.\d{1,6})?$/;
const durationPart = /(\d{1,9}(?:\.\d{1,6})?)(ns|us|µs|ms|s|m|h)/g;
const seconds: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** A Go duration such as `1m30s`, in seconds; `undefined` if it is none. */
export function durationSeconds(text: string): number | undefined {
  if (text.length > 40 || !/^(?:[\d.]+[nuµmsh]+)+$/.test(text)) return undefined;
  let total = 0;
  const left = text.replace(durationPart, (_, amount: string, unit: string) => {
    total += Number(amount) * (seconds[unit] ?? 0);
    return '';
  });
  return left === '' ? total : undefined;
}

type Read = { scaling: Scaling; wrong(key: string, what: string): void };

/** What the labels say, and what is wrong with them. */
export function readScaling(labels: Record<string, string>): { scaling: Scaling; problems: string[] } {
  const scaling: Scaling = {};
  const problems: string[] = [];
  const read: Read = { scaling, wrong: (key, what) => problems.push(`label "${key}" is not ${what}`) };
  for (const [name, key] of Object.entries(scaleLabels)) {
    const text = labels[key];
    if (text !== undefined) readers[name as keyof typeof scaleLabels](text, read);
  }
  if ((scaling.min ?? 0) > (scaling.max ?? maxReplicas)) {
    problems.push(`label "${scaleLabels.min}" is greater than "${scaleLabels.max}"`);
  }
  return { scaling, problems };
}

const readers: Record<keyof typeof scaleLabels, (text: string, read: Read) => void> = {
  min: (text, read) => readReplicas('min', 0, text, read),
  max: (text, read) => readReplicas('max', 1, text, read),
  target(text, { scaling, wrong }) {
    if (positive.test(text)) scaling.target = Number(text);
    else wrong(scaleLabels.target, 'a number greater than 0');
  },
  type(text, { scaling }) {
    scaling.type = text;
  },
  zero(text, { scaling, wrong }) {
    if (text === 'true' || text === 'false') scaling.zero = text === 'true';
    else wrong(scaleLabels.zero, '"true" or "false"');
  },
  zeroDuration(text, { scaling, wrong }) {
    const after = durationSeconds(text);
    if (after === undefined) wrong(scaleLabels.zeroDuration, 'a duration such as 15m');
    else scaling.zeroAfterSeconds = after;
  },
};

function readReplicas(side: 'min' | 'max', lowest: number, text: string, { scaling, wrong }: Read): void {
  const value = Number(text);
  if (integer.test(text) && value >= lowest && value <= maxReplicas) scaling[side] = value;
  else wrong(scaleLabels[side], `a number of replicas from ${lowest} to ${maxReplicas}`);
}

/** The fewest replicas: 0 only for a function that may scale to zero. */
export function fewestReplicas(scaling: Scaling): number {
  if (scaling.zero === true || (scaling.zero === undefined && scaling.min === 0)) return 0;
  return Math.max(1, scaling.min ?? 1);
}
