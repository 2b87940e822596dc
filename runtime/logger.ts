import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

const redacted = [
  'authorization',
  'cookie',
  'password',
  'token',
  'secret',
  '*.authorization',
  '*.cookie',
  '*.password',
  '*.token',
  '*.secret',
  'headers.authorization',
  'headers.cookie',
  'req.headers.authorization',
  'req.headers.cookie',
];

/** JSON logs; errors go under `err`, durations end in `Ms`. Credentials by their usual names never get through. */
export function createLogger(
  options: { level: string; name: string },
  destination?: DestinationStream,
): Logger {
  const settings = {
    name: options.name,
    level: options.level,
    redact: { paths: redacted, censor: '[redacted]' },
  };
  return destination ? pino(settings, destination) : pino(settings);
}

/** The URL without user, password and query: fit for a log or an error message. */
export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@\s]*@/g, '//').replace(/\?.*$/, '');
}
