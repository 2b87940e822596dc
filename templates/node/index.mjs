import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { BodyError, readBody } from './body.mjs';
import { FunctionContext, FunctionEvent } from './context.mjs';

const names = ['handler.js', 'handler.mjs', 'handler.cjs', 'handler.ts'];

async function loadHandler() {
  const urls = names.map((name) => new URL(`./function/${name}`, import.meta.url));
  const url = urls.find((candidate) => existsSync(candidate));
  if (!url) throw new Error(`function/${names[0]} is missing`);
  const loaded = await import(url.href);
  const handler = [loaded.default?.default, loaded.default?.handler, loaded.default, loaded.handler].find(
    (candidate) => typeof candidate === 'function',
  );
  if (!handler)
    throw new Error('the handler exports no function: use module.exports, export default or handler');
  return handler;
}

function send(request, response, context, value) {
  response.statusCode = context.status();
  for (const [name, text] of Object.entries(context.headers())) response.setHeader(name, text);
  if (stopping) response.setHeader('Connection', 'close');
  const type = (text) => {
    if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', text);
  };
  if (value instanceof ReadableStream) return stream(response, Readable.fromWeb(value));
  if (value instanceof Readable) return stream(response, value);
  let body = value;
  if (value === undefined || value === null) body = '';
  else if (typeof value === 'string') type('text/html; charset=utf-8');
  else if (value instanceof Uint8Array) type('application/octet-stream');
  else {
    type('application/json; charset=utf-8');
    body = JSON.stringify(value);
  }
  // Node itself leaves the body out for HEAD, 204 and 304, but must not be told a length for the last two.
  if (response.statusCode !== 204 && response.statusCode !== 304) {
    response.setHeader('Content-Length', Buffer.byteLength(body));
  }
  response.end(request.method === 'HEAD' ? undefined : body);
}

function stream(response, readable) {
  readable.on('error', (error) => {
    console.error(error);
    response.destroy();
  });
  response.on('close', () => readable.destroy());
  response.flushHeaders();
  readable.pipe(response);
}

function sendError(response, status, text) {
  if (response.headersSent) return response.destroy();
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...(stopping ? { Connection: 'close' } : {}),
  });
  response.end(text);
}

/** Runs the handler by any of its three ways to answer: a return value, the context, or the callback. */
function invoke(handler, event, request, response) {
  return new Promise((resolve, reject) => {
    const context = new FunctionContext((error, value) => {
      try {
        if (error === undefined || error === null) return resolve(send(request, response, context, value));
        if (context.status() === 200) context.status(500);
        resolve(send(request, response, context, error instanceof Error ? error.message : error));
      } catch (thrown) {
        reject(thrown);
      }
    });
    const callback = (error, value) => (error ? context.fail(error) : context.succeed(value));
    Promise.resolve()
      .then(() => handler(event, context, callback))
      .then((value) => {
        if (context.cbCalled === 0 && (value !== undefined || handler.length < 3)) context.succeed(value);
      })
      .catch(reject);
  });
}

async function answer(handler, request, response) {
  if (request.url === '/_/health') {
    return response.writeHead(stopping ? 503 : 200, { 'Content-Type': 'text/plain' }).end('OK\n');
  }
  try {
    await invoke(handler, new FunctionEvent(request, await readBody(request)), request, response);
  } catch (error) {
    if (error instanceof BodyError) return sendError(response, error.status, `${error.message}\n`);
    console.error(error);
    sendError(response, 500, 'the function failed; its log says why\n');
  }
}

let stopping = false;
const handler = await loadHandler();
const server = createServer((request, response) => {
  response.on('close', () => stopping && server.closeIdleConnections());
  answer(handler, request, response);
});
// The router keeps connections for a shorter time, so it never writes to one that is just being closed here.
server.keepAliveTimeout = 65_000;
server.requestTimeout = 0;
const port = Number(process.env.PORT ?? process.env.http_port ?? 3000);
server.listen(port, process.env.HOST ?? '127.0.0.1');

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    server.close(() => process.exit(0));
  });
}
