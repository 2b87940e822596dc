import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { auditActions } from './audit.ts';

it('every audit action is documented, and none that there is not', () => {
  const page = readFileSync(new URL('../docs/audit.md', import.meta.url), 'utf8');
  const rows = page.slice(page.indexOf('## What is told'), page.indexOf('## Delivery')).split('\n');
  const cells = rows.filter((row) => row.startsWith('| `')).map((row) => row.split('|')[1] ?? '');
  const told = new Set(cells.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)));
  told.delete('action');
  assert.deepEqual([...told].toSorted(), [...auditActions].toSorted());
});
