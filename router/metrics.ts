/** Counts since the start; a plain object, so that counting costs nothing. */
export interface RouterMetrics {
  requests: number;
  inFlight: number;
  /** Answers by class, 1xx to 5xx by index 1 to 5; the router's own included. */
  byClass: [number, number, number, number, number, number];
  /** Answers that the router gave itself. */
  ownAnswers: number;
  dialRetries: number;
  staleRetries: number;
  /** Answers that broke off because the function died or fell silent. */
  brokenAnswers: number;
  clientAborts: number;
  wakes: number;
  cookiesDropped: number;
  tunnelsOpened: number;
  tunnelsOpen: number;
}

export function createMetrics(): RouterMetrics {
  return {
    requests: 0,
    inFlight: 0,
    byClass: [0, 0, 0, 0, 0, 0],
    ownAnswers: 0,
    dialRetries: 0,
    staleRetries: 0,
    brokenAnswers: 0,
    clientAborts: 0,
    wakes: 0,
    cookiesDropped: 0,
    tunnelsOpened: 0,
    tunnelsOpen: 0,
  };
}

export function countStatus(metrics: RouterMetrics, status: number): void {
  const index = Math.min(5, Math.max(1, Math.floor(status / 100))) as 1 | 2 | 3 | 4 | 5;
  metrics.byClass[index] += 1;
}
