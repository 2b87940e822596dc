/** The head of a CGI program's answer (RFC 3875 §6). */
export interface CgiHead {
  status: number;
  headers: Record<string, string>;
}

const maxHeadBytes = 16_384;
/** What git's http-backend sends; anything else is dropped. */
const passedOn: ReadonlySet<string> = new Set([
  'content-type',
  'cache-control',
  'expires',
  'pragma',
  'allow',
]);

function parseHead(text: string): CgiHead | undefined {
  const head: CgiHead = { status: 200, headers: {} };
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    if (key === 'status') head.status = Number(/^[1-5]\d\d(?= |$)/.exec(value)?.[0]);
    else if (passedOn.has(key)) head.headers[key] = value;
  }
  return Number.isInteger(head.status) ? head : undefined;
}

/** Collects output until the head is whole. */
export function createCgiHeadReader() {
  let collected = Buffer.alloc(0);
  return {
    /** `undefined`: more is needed; `invalid`: this is no CGI answer. */
    push(chunk: Buffer): { head: CgiHead; rest: Buffer } | 'invalid' | undefined {
      collected = Buffer.concat([collected, chunk]);
      const match = /\r?\n\r?\n/.exec(collected.toString('latin1', 0, maxHeadBytes));
      if (!match) return collected.length >= maxHeadBytes ? 'invalid' : undefined;
      const head = parseHead(collected.toString('latin1', 0, match.index));
      return head ? { head, rest: collected.subarray(match.index + match[0].length) } : 'invalid';
    },
  };
}
