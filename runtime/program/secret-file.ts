import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';

const maxBytes = 256 * 1024;

/** The path of a file, as a mounted secret's key. */
export const fileSetting = () =>
  z
    .string()
    .min(1)
    .transform((path) => resolve(path));

/** What stands in a mounted secret, without the line end. Throws `config_invalid` with the variable's name. */
export function readSecretFile(path: string, variable: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new TowlineError('config_invalid', `${variable}: ${path} cannot be read`, { cause });
  }
  if (text.length > maxBytes) throw new TowlineError('config_invalid', `${variable}: ${path} is too large`);
  const content = text.trim();
  if (content === '') throw new TowlineError('config_invalid', `${variable}: ${path} is empty`);
  return content;
}

/** One secret a line, so that one can follow another. */
export function readSecretLines(path: string, variable: string): string[] {
  return readSecretFile(path, variable)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
