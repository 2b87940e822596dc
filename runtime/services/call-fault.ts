/** No answer: the network, the other program, or something in between. */
export class CallFault extends Error {
  override readonly name = 'CallFault';
  /** The method was surely not called. */
  readonly isUnsent: boolean;

  constructor(message: string, isUnsent: boolean, cause?: unknown) {
    super(message, { cause });
    this.isUnsent = isUnsent;
  }
}

/** Of Node's sockets and of undici: what happens before a request is sent. */
const unsent: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be resolved',
  UND_ERR_CONNECT_TIMEOUT: 'it takes no connection',
  UND_ERR_HEADERS_TIMEOUT: 'it gives no sign of life',
  UND_ERR_BODY_TIMEOUT: 'it gives no sign of life any more',
  UND_ERR_SOCKET: 'the connection broke',
  ECONNRESET: 'the connection broke',
};

export function faultOf(error: unknown): CallFault {
  if (error instanceof CallFault) return error;
  const code = codeOf(error);
  return new CallFault(words[code] ?? 'the connection failed', unsent.has(code), error);
}

/** Several addresses of one name that all failed come as one error without a code of its own. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown[] };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : '';
}
