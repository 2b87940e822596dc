import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { ClusterApi } from '../../../runtime/kubernetes/cluster-api.ts';
import { freePort } from '../../containers/program.ts';
import { type FunctionOperator, startFunctionOperator } from '../kubernetes/function-operator.ts';

/** Stands in for the pods and Services of functions; where requests go is still decided by a Service's name. */
export interface FunctionServices extends AsyncDisposable {
  /** For `TOWLINE_FUNCTION_ADDRESS`. */
  address: string;
  /** Maps the Services' names to where they answer: in place of the cluster's DNS. */
  hostsFile: string;
}

/**
 * Each of these functions, as `alice/hello`, has an address of its own on loopback, where it answers with its object's
 * name and the tag of the image that its operator runs.
 */
export async function startFunctionServices(
  api: ClusterApi,
  functions: readonly string[],
  dir: string,
): Promise<FunctionServices> {
  await using stack = new AsyncDisposableStack();
  const operators = new Map<string, FunctionOperator>();
  for (const owner of new Set(functions.map((one) => one.split('/')[0] ?? '')))
    operators.set(owner, stack.use(await startFunctionOperator(api, `tenant-${owner}`)));
  const port = await freePort();
  const hosts = ['127.0.0.1 localhost'];
  for (const [index, one] of functions.entries()) {
    const [owner = '', functionName] = one.split('/');
    const name = `${owner}-${functionName}`;
    const address = `127.0.1.${index + 1}`;
    hosts.push(`${address} ${name}.tenant-${owner}.svc.test`);
    const server = await listen(address, port, async () => {
      const answer = await fetch(operators.get(owner)?.originOf({ name }) ?? '');
      return `${name} ${await answer.text()}`;
    });
    stack.defer(() => close(server));
  }
  const hostsFile = join(dir, 'hosts');
  await writeFile(hostsFile, `${hosts.join('\n')}\n`);
  const resources = stack.move();
  return {
    address: `http://{name}.{namespace}.svc.test:${port}`,
    hostsFile,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function listen(host: string, port: number, answer: () => Promise<string>): Promise<Server> {
  const server = createServer((_, response) => {
    answer().then(
      (text) => response.end(text),
      () => response.writeHead(502).end(),
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
