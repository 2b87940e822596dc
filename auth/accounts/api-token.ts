import { createHash, randomBytes } from 'node:crypto';

/** The prefix lets secret scanners know a Towline token when one is published by mistake. */
const prefix = 'towline_pat_';
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 256 bits need at most 43 digits of base 62. */
const digits = 43;
const tokenText = /^towline_pat_[0-9A-Za-z]{43}$/;

export function newTokenText(): string {
  let rest = BigInt(`0x${randomBytes(32).toString('hex')}`);
  let text = '';
  for (let index = 0; index < digits; index++) {
    text = `${alphabet[Number(rest % 62n)]}${text}`;
    rest /= 62n;
  }
  return prefix + text;
}

/** What is stored in a token's place, or `undefined` for what cannot be a token. */
export function tokenHash(text: string): Buffer | undefined {
  return tokenText.test(text) ? createHash('sha256').update(text).digest() : undefined;
}
