/** Git's pkt-lines. Source: git's documentation "gitprotocol-common". */
export const flushPacket = '0000';

export function packetLine(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}

/** What stands before the first flush, and all bytes after it. */
export interface Section {
  lines: Buffer[];
  rest: Buffer;
}

/** Takes bytes as they come until a flush; `undefined`: it is not there yet. Throws if they are no pkt-lines. */
export function createSectionReader(maxBytes: number): (chunk: Buffer) => Section | undefined {
  const lines: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let bytes = 0;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    for (let length = firstLength(rest); length <= rest.length; length = firstLength(rest)) {
      if (length === 0) return { lines, rest: rest.subarray(headerBytes) };
      lines.push(rest.subarray(headerBytes, length));
      rest = rest.subarray(length);
    }
    return undefined;
  };
}

const headerBytes = 4;

/** Of the line that begins here, its header too; beyond all bounds if even that is not there yet. */
function firstLength(bytes: Buffer): number {
  if (bytes.length < headerBytes) return Number.POSITIVE_INFINITY;
  const header = bytes.toString('latin1', 0, headerBytes);
  const length = /^[0-9a-f]{4}$/i.test(header) ? Number.parseInt(header, 16) : -1;
  if (length !== 0 && length < headerBytes) throw new Error('these are no pkt-lines');
  return length;
}
