import { type ChildProcess, spawn } from 'node:child_process';
import { killGroup } from '../../runtime/run-process.ts';
import type { Instance, InstanceSpec } from './instance.ts';
import { createOutputTail } from './output-tail.ts';

/** A process that has ended may have left its output pipe to a program that outlives it. */
const pipeGraceMs = 200;

/** Mode `http`: one process that serves HTTP itself, in a process group of its own. */
export function startProcessInstance(spec: InstanceSpec): Instance {
  const [program = '', ...args] = spec.artifact.descriptor.command;
  const child = spawn(program, args, {
    cwd: spec.artifact.root,
    env: spec.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const errors = createOutputTail();
  child.stdout.on('data', spec.onOutput);
  child.stderr.on('data', (chunk: Buffer) => {
    errors.push(chunk);
    spec.onOutput(chunk);
  });
  let isGone = false;
  const ended = whenEnded(child).then((how) => {
    isGone = true;
    return how;
  });
  // After the end the number may belong to another program.
  const signal = (name: NodeJS.Signals) => {
    if (!isGone) killGroup(child.pid, name);
  };
  return {
    origin: `http://127.0.0.1:${spec.port}`,
    tail: errors,
    ended,
    terminate: () => signal('SIGTERM'),
    kill: () => signal('SIGKILL'),
  };
}

function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      const how = code === null ? `was ended by ${signal}` : `exited with code ${code}`;
      killGroup(child.pid, 'SIGKILL');
      const timer = setTimeout(() => resolve(how), pipeGraceMs);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(how);
      });
    });
  });
}
