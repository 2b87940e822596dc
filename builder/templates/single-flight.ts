interface Flight<T> {
  result: Promise<T>;
  stop: AbortController;
  waiting: number;
}

/** Does the same work once for all who ask for it at the same time; it is aborted when nobody waits for it any more. */
export function createSingleFlight<T>() {
  const flights = new Map<string, Flight<T>>();

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const stop = new AbortController();
    const flight: Flight<T> = { stop, waiting: 0, result: work(stop.signal) };
    const end = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.result.then(end, end);
    flights.set(key, flight);
    return flight;
  }

  return async (key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    const flight = flights.get(key) ?? start(key, work);
    flight.waiting += 1;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave);
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      flight.waiting -= 1;
      if (flight.waiting === 0) {
        // Who comes later starts anew instead of waiting for what is being aborted.
        if (flights.get(key) === flight) flights.delete(key);
        flight.stop.abort(new Error('nobody waits for it any more'));
      }
    }
  };
}
