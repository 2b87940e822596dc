import { TowlineError } from '../../core/errors.ts';
import type { Stack, StackFunction } from '../stack/stack.ts';
import type { Template } from '../templates/template.ts';

export interface ContextRequest {
  /** The clone's root: nothing outside it is ever read. */
  sourceDir: string;
  /** Made if it is missing; nothing outside it is ever written. */
  targetDir: string;
  fn: StackFunction;
  template: Template;
  copy: Stack['copy'];
  maxBytes: number;
}

/** Puts a build context together as faas-cli does. */
export async function assembleContext(request: ContextRequest): Promise<{ files: number; bytes: number }> {
  throw new TowlineError('internal', `not built yet: ${request.fn.name}`);
}
