import { TowlineError } from '../../core/errors.ts';
import { createLogger, type Logger } from '../logger.ts';
import { openServiceTokens, type ServiceTokens } from './service-tokens.ts';

/** Reads the mounted tokens and keeps nothing. Throws `config_invalid` if they are not there. */
export function checkServiceTokens(path: string, setting?: string): void {
  mountedServiceTokens(path, createLogger({ level: 'silent', name: 'service-tokens' }), setting);
}

/** The mounted tokens. Throws `config_invalid` if they are not there. */
export function mountedServiceTokens(
  path: string,
  logger: Logger,
  setting = 'TOWLINE_SERVICE_TOKEN_FILE',
): ServiceTokens {
  try {
    return openServiceTokens(path, logger);
  } catch (cause) {
    if (cause instanceof TowlineError) throw cause;
    const message = `${setting}: ${path} cannot be read`;
    throw new TowlineError('config_invalid', message, { cause });
  }
}
