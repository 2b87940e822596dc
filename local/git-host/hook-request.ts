import { StringDecoder } from 'node:string_decoder';
import { TowlineError } from '../../core/errors.ts';

/** One line of what git hands to a post-receive hook. */
export interface RefUpdate {
  ref: string;
  before: string;
  after: string;
}

/** The refs of one push. A mirror may have a million of them. */
export interface PushedRefs {
  updates: RefUpdate[];
  /** How many more there were. */
  omitted: number;
}

/** How many branches, and how many other refs, are kept of one push. */
export const maxKept = 1_000;
/** Longer than any ref can be: file systems and git's own packets are stricter. */
const maxLineLength = 16_384;
const updateLine = /^([0-9a-f]{40}) ([0-9a-f]{40}) (refs\/\S+)$/;

/** Reads what a hook sends, line by line, in bounded memory: its secret first, then the updates. */
export class HookRequestReader {
  private readonly decoder = new StringDecoder('utf8');
  private readonly onToken: (token: string) => ReadonlySet<string>;
  private alwaysKept: ReadonlySet<string> | undefined;
  private line = '';
  private kept = { branches: 0, others: 0 };
  private readonly pushed: PushedRefs = { updates: [], omitted: 0 };

  /** `onToken` gives the refs that are kept however many come before them, and throws if the secret is unknown. */
  constructor(onToken: (token: string) => ReadonlySet<string>) {
    this.onToken = onToken;
  }

  push(chunk: Buffer): void {
    const lines = (this.line + this.decoder.write(chunk)).split('\n');
    this.line = lines.pop() ?? '';
    for (const line of lines) this.take(line);
    if (this.line.length > maxLineLength)
      throw new TowlineError('bad_request', 'the hook sent too long a line');
  }

  end(): PushedRefs {
    this.take(this.line);
    return this.pushed;
  }

  private take(line: string): void {
    if (!this.alwaysKept) {
      this.alwaysKept = this.onToken(line);
      return;
    }
    const [, before, after, ref] = updateLine.exec(line) ?? [];
    if (before && after && ref) this.add({ before, after, ref });
  }

  private add(update: RefUpdate): void {
    const kind = update.ref.startsWith('refs/heads/') ? 'branches' : 'others';
    this.kept[kind] += 1;
    if (this.kept[kind] <= maxKept || this.alwaysKept?.has(update.ref)) this.pushed.updates.push(update);
    else this.pushed.omitted += 1;
  }
}
