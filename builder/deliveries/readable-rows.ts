import type { Delivery } from './delivery-log.ts';

type Row = Record<string, unknown>;

/** Reads stored rows. One that cannot be read, as after a downgrade, is told of and left out: it must not hold up the others. */
export function createRowReader<R extends Row>(
  toDelivery: (row: R) => Delivery,
  onUnreadable: (id: string, error: unknown) => void,
): { one(row: R | undefined): Delivery | undefined; all(rows: readonly R[]): Delivery[] } {
  function one(row: R | undefined): Delivery | undefined {
    try {
      return row && toDelivery(row);
    } catch (error) {
      onUnreadable(String(row?.['id']), error);
      return undefined;
    }
  }
  return { one, all: (rows) => rows.map(one).filter((delivery) => delivery !== undefined) };
}
