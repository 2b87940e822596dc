import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import type { BuildStep, ContextCondition } from '../templates/template.ts';

const maxConditionFile = 4 * 1024 * 1024;

/** Whether a step has anything to do in this context. */
export async function applies(contextDir: string, step: BuildStep): Promise<boolean> {
  for (const condition of step.if) if (!(await holds(contextDir, condition))) return false;
  for (const condition of step.unless) if (await holds(contextDir, condition)) return false;
  return true;
}

async function holds(contextDir: string, condition: ContextCondition): Promise<boolean> {
  const path = join(contextDir, condition.file);
  const stats = await stat(path).catch(() => undefined);
  if (!stats) return false;
  const { fields, text, lines } = condition;
  if (!fields && text === undefined && !lines) return true;
  if (!stats.isFile()) return false;
  if (stats.size > maxConditionFile) throw new TowlineError('build_failed', `${condition.file} is too large`);
  const content = await readFile(path, 'utf8');
  if (lines && !content.split('\n').some((line) => /^\s*[^#\s]/.test(line))) return false;
  if (!fields) return text === undefined || content.includes(text);
  const values = readFields(condition.file, content, fields);
  return values.some(
    (value) => holdsSomething(value) && (text === undefined || String(value).includes(text)),
  );
}

function readFields(file: string, content: string, fields: string[]): unknown[] {
  let json: unknown;
  try {
    json = JSON.parse(content.replace(/^\ufeff/, ''));
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    throw new TowlineError('build_failed', `${file} is not valid JSON: ${why}`, { cause: error });
  }
  return fields.map((field) => field.split('.').reduce(property, json));
}

function property(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function holdsSomething(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
