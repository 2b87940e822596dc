import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { delay } from '../../runtime/lifecycle.ts';
import { functionPort } from './container-options.ts';
import type { Instance } from './instance.ts';
import { createOutputTail } from './output-tail.ts';
import { unhealthy } from './readiness.ts';

export interface ContainerSpec {
  options: ContainerCreateOptions;
  onOutput: (chunk: Buffer) => void;
  /** The engine could not be asked how it ended, or to remove it: something may be left. */
  onLost: () => void;
}

/** Clients of one engine. */
export interface ContainerEngine {
  /** Gives up on silence. */
  docker: Docker;
  /** Waits for as long as it takes: for an end, for output, for an image. */
  patient: Docker;
}

/** What was printed last may come after the news of the end. */
const outputGraceMs = 500;
const lookAgainMs = 1_000;

/** Creates and starts one container. Throws what the engine says; nothing is left then. */
export async function startContainerInstance(
  { docker, patient }: ContainerEngine,
  spec: ContainerSpec,
): Promise<Instance> {
  const created = await docker.createContainer(spec.options);
  const watched = patient.getContainer(created.id);
  const tail = createOutputTail();
  try {
    const { over } = await readOutput(patient, watched, spec.onOutput, (chunk) => tail.push(chunk));
    await created.start();
    const ended = untilEnded(created, watched, over, spec);
    const origin = await originOf(created);
    if (origin === undefined) throw unhealthy(await endedEarly(ended, tail.cause()));
    return {
      origin,
      tail,
      ended,
      terminate: () => void created.kill({ signal: 'SIGTERM' }).catch(() => undefined),
      kill: () => void created.kill({ signal: 'SIGKILL' }).catch(() => undefined),
    };
  } catch (error) {
    await created.remove({ force: true, v: true }).catch(spec.onLost);
    throw error;
  }
}

async function endedEarly(ended: Promise<string>, cause: string): Promise<string> {
  const what = `${await ended} before it was healthy`;
  return cause === '' ? what : `${what}: ${cause}`;
}

/** Attached before it starts, so that no line is missed. `over` resolves when the output has ended. */
async function readOutput(
  patient: Docker,
  container: Container,
  onOutput: (chunk: Buffer) => void,
  onError: (chunk: Buffer) => void,
): Promise<{ over: Promise<void> }> {
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  const sink = (take: (chunk: Buffer) => void) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        take(chunk);
        done();
      },
    });
  const both = (chunk: Buffer) => {
    onError(chunk);
    onOutput(chunk);
  };
  patient.modem.demuxStream(stream, sink(onOutput), sink(both));
  // An engine that goes away cuts it off; the end of the container is known from elsewhere.
  const over = finished(stream, { writable: false }).catch(() => undefined);
  return { over };
}

/** Where it is published on this machine; `undefined`: it has ended already. */
async function originOf(container: Container): Promise<string | undefined> {
  const { NetworkSettings, State } = await container.inspect();
  const port = NetworkSettings.Ports[`${functionPort}/tcp`]?.[0]?.HostPort;
  return State.Running && port ? `http://127.0.0.1:${port}` : undefined;
}

async function untilEnded(
  container: Container,
  watched: Container,
  output: Promise<void>,
  spec: ContainerSpec,
): Promise<string> {
  try {
    await untilStopped(container, watched, output);
    const how = await howEnded(container, spec.options);
    await Promise.race([output, delay(outputGraceMs)]);
    await container.remove({ force: true, v: true });
    return how;
  } catch (error) {
    spec.onLost();
    return `was lost: the Docker Engine went away (${(error as NodeJS.ErrnoException).code ?? 'no answer'})`;
  }
}

/**
 * The client does not tell when the engine dies in the middle of its answer, so the end of the output is taken for a
 * sign to look. Rejects if the engine is away.
 */
async function untilStopped(container: Container, watched: Container, output: Promise<void>): Promise<void> {
  const giveUp = new AbortController();
  const answer = watched
    .wait({ condition: 'not-running', abortSignal: giveUp.signal })
    .then(() => 'stopped' as const);
  const silence = output.then(() => delay(outputGraceMs)).then(() => 'silent' as const);
  try {
    if ((await Promise.race([answer, silence])) === 'stopped') return;
    // A program may also close its output and go on.
    while ((await container.inspect()).State.Running) await delay(lookAgainMs);
  } finally {
    giveUp.abort();
    answer.catch(() => undefined);
  }
}

async function howEnded(container: Container, options: ContainerCreateOptions): Promise<string> {
  const { State } = await container.inspect();
  if (State.OOMKilled) {
    const megabytes = Math.floor((options.HostConfig?.Memory ?? 0) / (1024 * 1024));
    return `ran out of memory: its limit is ${megabytes} Mi`;
  }
  if (State.Error) return `could not be started: ${State.Error.slice(0, 300)}`;
  const signal = Object.entries(constants.signals).find(([, number]) => number === State.ExitCode - 128)?.[0];
  return signal === undefined ? `exited with code ${State.ExitCode}` : `was ended by ${signal}`;
}
