import type { Signature } from '../repository/manifest-repository.ts';
import { oneLine } from './plain-text.ts';

const maxName = 100;
const maxEmail = 254;

/** A name and an email that cannot break git's `Name <email> time zone` line. */
export function safeSignature(person: {
  name: string;
  email: string;
  login?: string | undefined;
}): Signature {
  const name = withoutCrud(oneLine(person.name.replace(/[<>]/g, ' '), maxName));
  const login = withoutCrud(oneLine((person.login ?? '').replace(/[<>]/g, ' '), maxName));
  const email = withoutCrud(oneLine(person.email, maxEmail).replace(/[<>\s]/g, ''));
  return { name: name || login || 'unknown', email: email || 'unknown' };
}

/** Git itself takes these off both ends of a name. */
function withoutCrud(text: string): string {
  return text.replace(/^[\s.,:;<>"\\']+|[\s.,:;<>"\\']+$/g, '');
}
