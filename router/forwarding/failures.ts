import type { OwnAnswer } from '../answers.ts';
import type { RouterConfig } from '../config.ts';

function codeOf(error: Error): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : '';
}

/** Of errors before anything was sent: whether dialling again can help. The others are the request's own fault. */
export function isDialFailure(error: Error): boolean {
  const code = codeOf(error);
  return code !== 'UND_ERR_INVALID_ARG' && code !== 'UND_ERR_NOT_SUPPORTED';
}

/** The target closed or reset the connection, as opposed to saying something wrong on it. */
export function isBrokenConnection(error: Error): boolean {
  const code = codeOf(error);
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** Says who cut the request off, and which limit did; never what the target's address is. */
export function answerFor(error: Error, name: string, config: RouterConfig): OwnAnswer {
  switch (codeOf(error)) {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return { status: 504, detail: `${name} could not be reached within ${config.connectTimeoutMs} ms` };
    case 'UND_ERR_HEADERS_TIMEOUT':
      return {
        status: 504,
        detail: `${name} did not begin its answer within ${config.headersTimeoutMs} ms; the router gave up`,
      };
    case 'UND_ERR_HEADERS_OVERFLOW':
      return { status: 502, detail: `${name} answered with a header of over ${config.maxHeaderBytes} bytes` };
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_NOT_SUPPORTED':
      return { status: 400, detail: 'the request cannot be passed on as it is', close: true };
    case 'ECONNREFUSED':
      return { status: 502, detail: `${name} does not accept connections`, retryAfter: 1 };
    default:
      if (isBrokenConnection(error)) {
        return {
          status: 502,
          detail: `${name} broke off before it answered`,
          hint: 'its own log may say why',
        };
      }
      return { status: 502, detail: `${name} gave an answer that is not sound HTTP` };
  }
}
