import type { Product } from './product.ts';

export interface LoadResult {
  answers: Map<string, number>;
  failures: string[];
}

/** Asks a function `perSecond` times a second until `until` settles. Open loop: slow answers don't slow the asking. */
export async function load(
  product: Product,
  owner: string,
  path: string,
  perSecond: number,
  until: Promise<unknown>,
): Promise<LoadResult> {
  const answers = new Map<string, number>();
  const failures: string[] = [];
  const pending = new Set<Promise<void>>();
  let running = true;
  const stop = () => {
    running = false;
  };
  until.then(stop, stop);
  const startedAt = performance.now();
  for (let sent = 0; running; sent += 1) {
    const due = startedAt + (sent * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const one = product
      .call(owner, path)
      .then((answer) => {
        if (answer.status === 200) answers.set(answer.body, (answers.get(answer.body) ?? 0) + 1);
        else failures.push(`${answer.status} ${answer.body.slice(0, 200)}`);
      })
      .catch((error: Error) => {
        failures.push(error.message);
      })
      .finally(() => pending.delete(one));
    pending.add(one);
  }
  await Promise.all(pending);
  return { answers, failures };
}
