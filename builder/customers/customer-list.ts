import { TowlineError } from '../../core/errors.ts';
import type { CustomerAccount } from './customers.ts';

/** One line of a list: an account by its id or by its path, on one forge or on all. */
export interface CustomerEntry {
  scm: CustomerAccount['scm'] | undefined;
  id: string | undefined;
  path: string | undefined;
}

export type CustomerList = readonly CustomerEntry[];

const maxEntries = 100_000;
const line =
  /^(?:(?<scm>git|github|gitlab):)?(?:id:(?<id>(?:gitea-)?[0-9]{1,20})|(?<path>[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*))$/;

/**
 * One account a line; empty lines and what follows a `#` are left out. A text with any other line is no list, so that
 * an error page never becomes one. Throws `config_invalid` with the number of the line, and nothing of it.
 */
export function parseCustomers(text: string): CustomerList {
  const entries: CustomerEntry[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = raw.replace(/#.*$/, '').trim();
    if (content === '') continue;
    const groups = line.exec(content)?.groups;
    if (!groups || entries.length >= maxEntries) {
      throw new TowlineError('config_invalid', `the list of customers is not one at line ${index + 1}`, {
        hint: 'One account a line: a login, a group, github:login, gitlab:group/subgroup or github:id:123.',
      });
    }
    const { scm, id, path } = groups;
    entries.push({ scm: scm as CustomerEntry['scm'], id, path: path?.toLowerCase() });
  }
  return entries;
}

/** Answers by whole accounts; a group's subgroups are the group's. */
export function createCustomerMatch(list: CustomerList): (account: CustomerAccount) => boolean {
  const known = new Set(list.map(({ scm, id, path }) => `${scm ?? '*'} ${id ?? ''} ${path ?? ''}`));
  const has = (scm: string, id: string, path: string) =>
    known.has(`${scm} ${id} ${path}`) || known.has(`* ${id} ${path}`);
  return ({ scm, id, path }) => {
    if (id !== undefined && has(scm, id, '')) return true;
    const segments = path.toLowerCase().split('/');
    return segments.some((_, index) => has(scm, '', segments.slice(0, index + 1).join('/')));
  };
}
