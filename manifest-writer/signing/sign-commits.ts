import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { Signer } from './ssh-signer.ts';

export interface SignedCommits {
  ids: string[];
  /** All of them as one pack file, for `git index-pack`. */
  pack: Buffer;
}

/**
 * Signs a chain of commits, each on the one before: given their objects' contents, oldest first. Every commit but
 * the first gets the signed form of the one before as its parent.
 */
export function signCommits(contents: readonly Buffer[], signer: Signer): SignedCommits {
  const ids: string[] = [];
  const signed: Buffer[] = [];
  for (const content of contents) {
    const unsigned = withParent(content, ids.at(-1));
    const whole = withSignature(unsigned, signer.sign(unsigned));
    signed.push(whole);
    ids.push(createHash('sha1').update(`commit ${whole.length}\0`).update(whole).digest('hex'));
  }
  return { ids, pack: toPack(signed) };
}

function withParent(content: Buffer, parent: string | undefined): Buffer {
  if (parent === undefined) return content;
  const at = content.indexOf('\nparent ');
  if (at < 0 || at > content.indexOf('\n\n')) throw new Error('a commit of the chain has no parent');
  const changed = Buffer.from(content);
  changed.write(parent, at + '\nparent '.length, 'latin1');
  return changed;
}

/** The last header; its lines after the first begin with a space. */
function withSignature(content: Buffer, signature: string): Buffer {
  const end = content.indexOf('\n\n');
  const header = `\ngpgsig ${signature.replaceAll('\n', '\n ')}`;
  return Buffer.concat([content.subarray(0, end), Buffer.from(header), content.subarray(end)]);
}

const commitType = 1;

/** Source: git's documentation of its pack format, version 2. */
function toPack(commits: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12);
  head.write('PACK', 'latin1');
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(commits.length, 8);
  const body = Buffer.concat([head, ...commits.flatMap((one) => [entryHead(one.length), deflateSync(one)])]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** Type and size: four bits of the size first, then seven at a time. */
function entryHead(size: number): Buffer {
  const bytes = [(commitType << 4) | (size & 15)];
  for (let rest = size >> 4; rest > 0; rest >>= 7) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(rest & 127);
  }
  return Buffer.from(bytes);
}
