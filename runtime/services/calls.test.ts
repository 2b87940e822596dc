import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { CallContract } from '../../core/calls/call.ts';
import { TowlineError } from '../../core/errors.ts';
import { createCallClient } from './call-client.ts';
import { listen, silent, testToken, tokens, until } from './call-fixture.ts';
import { type CallServerOptions, createCallServer, type Implementation } from './call-server.ts';
import { parseServiceTokens, type ServiceTokens } from './service-tokens.ts';

const contract = {
  name: 'kitchen',
  calls: {
    echo: {
      input: z.object({
        text: z.string().optional(),
        texts: z.record(z.string(), z.string()).optional(),
      }),
      output: z.string().optional(),
      repeatable: true,
      timeoutMs: 2_000,
    },
    cook: { input: z.object({}), item: z.string().nullable(), output: z.string(), repeatable: true },
    eat: { input: z.object({}), output: z.string(), repeatable: false, timeoutMs: 2_000 },
    smell: {
      input: z.object({}),
      item: z.union([z.number(), z.string()]),
      output: z.void(),
      repeatable: true,
      endless: true,
    },
  },
} satisfies CallContract;

type Kitchen = Implementation<typeof contract>;

const kitchen: Kitchen = {
  echo: async ({ text }) => text,
  cook: async () => 'soup',
  eat: async () => 'eaten',
  smell: async () => undefined,
};

function serve(methods: Partial<Kitchen> = {}, options: Partial<CallServerOptions> = {}) {
  return createCallServer(contract, { ...kitchen, ...methods }, { tokens, logger: silent, ...options });
}

const quick = { forMs: 3_000, firstMs: 5, maxMs: 20 };
const hasty = { forMs: 0, firstMs: 1, maxMs: 1 };

function client(
  url: string,
  options: { idleMs?: number; tokens?: ServiceTokens; retry?: typeof quick } = {},
) {
  return createCallClient(contract, { url, tokens, retry: quick, ...options });
}

const aborts = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

describe('a call over HTTP', () => {
  it('gives what the method gives, nothing included', async () => {
    await using server = await listen(serve());
    await using it = client(server.url);

    assert.equal(await it.ask('echo', { text: 'häl"lo\n' }), 'häl"lo\n');
    assert.equal(await it.ask('echo', {}), undefined);
    assert.equal((await it.items('smell', {}, new AbortController().signal).next()).done, true);
  });

  it('tells items in order before the result', async () => {
    const cook: Kitchen['cook'] = async (_, { tell }) => {
      for (const item of ['cut', null, 'boil']) await tell(item);
      return 'soup';
    };
    await using server = await listen(serve({ cook }));
    await using it = client(server.url);
    const told: (string | null)[] = [];

    assert.equal(await it.ask('cook', {}, { onItem: (item) => told.push(item) }), 'soup');
    assert.deepEqual(told, ['cut', null, 'boil']);
  });

  it('throws what the method threw, with code, hint and place, and nothing of what is not ours', async () => {
    const errors = [
      new TowlineError('name_taken', 'taken', { hint: 'another', place: { file: 'stack.yml', line: 3 } }),
      new Error('password=hunter2'),
    ];
    const eat: Kitchen['eat'] = async () => {
      throw errors.shift();
    };
    await using server = await listen(serve({ eat }));
    await using it = client(server.url);

    await assert.rejects(it.ask('eat', {}), {
      code: 'name_taken',
      message: 'taken',
      hint: 'another',
      place: { file: 'stack.yml', line: 3 },
    });
    await assert.rejects(it.ask('eat', {}), (error) => {
      assert.ok(error instanceof TowlineError && error.code === 'internal', String(error));
      assert.ok(!JSON.stringify([error, error.cause, error.message]).includes('hunter2'));
      return true;
    });
  });

  it('throws an error after items too', async () => {
    const cook: Kitchen['cook'] = async (_, { tell }) => {
      await tell('cut');
      throw new TowlineError('conflict', 'burnt');
    };
    await using server = await listen(serve({ cook }));
    await using it = client(server.url);

    await assert.rejects(it.ask('cook', {}), { code: 'conflict', message: 'burnt' });
  });

  it('may take longer than a silence may last', async () => {
    const cook: Kitchen['cook'] = () => new Promise((resolve) => setTimeout(() => resolve('stew'), 2_500));
    await using server = await listen(serve({ cook }, { heartbeatMs: 50 }));
    await using it = client(server.url, { idleMs: 1_000, retry: hasty });

    assert.equal(await it.ask('cook', {}), 'stew');
  });

  it('has a result that is understood, or none', async () => {
    await using server = await listen(serve({ eat: (async () => 5) as never }));
    await using it = client(server.url);

    await assert.rejects(it.ask('eat', {}), { code: 'unavailable', message: /not understood/ });
  });
});

describe('who may call', () => {
  const post = (url: string, headers: Record<string, string>, body = '{}') =>
    fetch(`${url}/calls/kitchen/eat`, { method: 'POST', headers, body });

  it('is whoever has one of the tokens: all else is refused before the method is looked for', async () => {
    let eaten = 0;
    const eat = async () => `${++eaten}`;
    await using server = await listen(serve({ eat }));

    for (const authorization of ['', 'Bearer', `Bearer ${testToken}x`, `Basic ${testToken}`, 'Bearer ä']) {
      const response = await post(server.url, authorization === 'Bearer ä' ? {} : { authorization });
      assert.equal(response.status, 401, authorization);
    }
    const unknown = await fetch(`${server.url}/calls/kitchen/nothing`, { method: 'POST', body: '{}' });
    assert.equal(unknown.status, 401);
    assert.equal(eaten, 0);
    assert.equal((await post(server.url, { authorization: `Bearer ${testToken}` })).status, 200);
    assert.equal(eaten, 1);
  });

  it('may change without a break: a new token is accepted before it is sent, the old one until it is dropped', async () => {
    const [old, young] = ['o'.repeat(32), 'y'.repeat(32)];
    let accepted = parseServiceTokens(old);
    const rotating: ServiceTokens = {
      own: () => accepted.own(),
      accepts: (...asked) => accepted.accepts(...asked),
    };
    await using server = await listen(serve({}, { tokens: rotating }));
    await using before = client(server.url, { tokens: parseServiceTokens(old), retry: hasty });
    await using after = client(server.url, { tokens: parseServiceTokens(young), retry: hasty });

    await assert.rejects(after.ask('eat', {}), { code: 'unavailable', message: /token/ });
    accepted = parseServiceTokens(`${old}\n${young}\n`);
    assert.deepEqual([await before.ask('eat', {}), await after.ask('eat', {})], ['eaten', 'eaten']);
    accepted = parseServiceTokens(young);
    await assert.rejects(before.ask('eat', {}), { code: 'unavailable' });
    assert.equal(await after.ask('eat', {}), 'eaten');
  });

  it('is refused with an error that nobody takes for a person who is not logged in', async () => {
    await using server = await listen(serve());
    await using stranger = client(server.url, { tokens: parseServiceTokens('s'.repeat(32)), retry: hasty });

    await assert.rejects(stranger.ask('echo', {}), { code: 'unavailable' });
  });

  it('may be limited to some calls', async () => {
    const narrow = 'n'.repeat(32);
    const scoped = parseServiceTokens(`${testToken}\n${narrow} kitchen/eat pantry`);
    await using server = await listen(serve({}, { tokens: scoped }));
    await using it = client(server.url, { tokens: parseServiceTokens(narrow), retry: hasty });

    assert.equal(await it.ask('eat', {}), 'eaten');
    await assert.rejects(it.ask('echo', {}), { code: 'unavailable' });
  });
});

describe('what is sent', () => {
  const raw = async (
    url: string,
    body: string | Buffer | ReadableStream,
    path = 'kitchen/echo',
    method = 'POST',
  ) => {
    const response = await fetch(`${url}/calls/${path}`, {
      method,
      headers: { authorization: `Bearer ${testToken}` },
      ...(method === 'GET' ? {} : { body: body as string, duplex: 'half' }),
    } as RequestInit);
    const line = JSON.parse(await response.text()) as {
      type: string;
      error?: { code: string; message: string };
    };
    return { status: response.status, type: line.type, code: line.error?.code, message: line.error?.message };
  };

  it('is refused if it is malformed, in part unknown, or no call', async () => {
    let echoed = 0;
    const echo = async () => `${++echoed}`;
    await using server = await listen(serve({ echo }));
    const refused = async (...asked: [body: string | Buffer, path?: string, method?: string]) => {
      const { type, code } = await raw(server.url, ...asked);
      return `${type} ${code}`;
    };

    const bad = [
      ...[
        '',
        '{',
        '[]',
        'null',
        '"x"',
        '{"text":1}',
        '{"text":"x","more":1}',
        '{"text":"x","toString":1}',
        '{"texts":{"a":1}}',
      ],
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    ];
    for (const body of bad) assert.equal(await refused(body), 'refused bad_request', String(body));
    for (const path of [
      'kitchen/constructor',
      'kitchen/__proto__',
      'pantry/echo',
      'kitchen/echo/',
      'kitchen',
    ]) {
      assert.equal(await refused('{}', path), 'refused not_found', path);
    }
    assert.equal(await refused('', 'kitchen/echo', 'GET'), 'refused bad_request');
    assert.equal(echoed, 0);
  });

  it('has no "__proto__" key, however it is written and however deep', async () => {
    await using server = await listen(serve());

    const bodies = [
      '{"__proto__":{"text":"x"}}',
      '{"texts":{"__proto__":"x"}}',
      '{"texts":{"\\u005f\\u005fproto__":"x"}}',
      '{"texts":{"\\u005F_proto_\\u005f":"x"}}',
    ];
    for (const body of bodies) assert.equal((await raw(server.url, body)).code, 'bad_request', body);
    assert.equal((await raw(server.url, '{"text":"__proto__"}')).type, 'result');
    assert.equal(({} as { text?: string }).text, undefined);
  });

  it('is no more than is asked for, whatever the caller has at hand', async () => {
    await using server = await listen(serve());
    await using it = client(server.url);
    const more = { text: 'x', secret: 'y' };

    assert.equal(await it.ask('echo', more), 'x');
  });

  it('says nothing of the values in what it refuses', async () => {
    await using server = await listen(serve());

    const { message } = await raw(server.url, '{"text":{"token":"hunter2"},"hunter3":1}');
    assert.match(message ?? '', /text: invalid_type/);
    assert.ok(!/hunter/.test(message ?? ''), message);
  });

  it('has a limit, announced or not, on both sides', async () => {
    await using server = await listen(serve({}, { maxInputBytes: 1_000 }));
    const large = JSON.stringify({ text: 'x'.repeat(1_000) });
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(600, 'x'));
      },
    });

    assert.deepEqual((await raw(server.url, large)).status, 413);
    assert.deepEqual((await raw(server.url, chunked).catch(() => ({ status: 413 }))).status, 413);
    await using it = client(server.url);
    await assert.rejects(it.ask('echo', { text: 'x'.repeat(1_000) }), { code: 'too_large' });
    await assert.rejects(it.ask('echo', { text: 'x'.repeat(9_000_000) }), { code: 'too_large' });
  });

  it('may not be sent for ever', async () => {
    await using server = await listen(serve({}, { bodyTimeoutMs: 30 }));
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /calls/kitchen/echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${testToken}\r\ncontent-length: 10\r\n\r\n{`,
    );

    await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
  });
});

describe('when the connection fails', () => {
  it('ends the call on the server when the caller gives up', async () => {
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const cook: Kitchen['cook'] = async (_, { signal }) => {
      begun.resolve();
      await aborts(signal).finally(ended.resolve);
      return 'never';
    };
    await using server = await listen(serve({ cook }));
    await using it = client(server.url);
    const stop = new AbortController();

    const asked = it.ask('cook', {}, { signal: stop.signal });
    await begun.promise;
    stop.abort(new Error('enough'));

    await assert.rejects(asked, { message: 'enough' });
    await ended.promise;
  });

  it('asks a repeatable call again once the killed server is back', async () => {
    let begun = 0;
    const cook: Kitchen['cook'] = (_, { signal }) => {
      begun += 1;
      return begun === 1 ? aborts(signal) : Promise.resolve('soup');
    };
    await using server = await listen(serve({ cook }));
    await using it = client(server.url);

    const asked = it.ask('cook', {});
    await until(() => begun === 1);
    await server.restart();

    assert.equal(await asked, 'soup');
    assert.equal(begun, 2);
  });

  it('asks again also when the call had gone on for longer than it is tried', async () => {
    let begun = 0;
    const cook: Kitchen['cook'] = (_, { signal }) => {
      begun += 1;
      return begun === 1 ? aborts(signal) : Promise.resolve('soup');
    };
    await using server = await listen(serve({ cook }, { heartbeatMs: 20 }));
    await using it = client(server.url, { retry: { forMs: 500, firstMs: 5, maxMs: 20 } });

    const startedAt = Date.now();
    const asked = it.ask('cook', {});
    await until(() => begun === 1 && Date.now() - startedAt > 600);
    await server.restart();

    assert.equal(await asked, 'soup');
  });

  it('does not ask twice what cannot be repeated, and says that it does not know', async () => {
    let begun = 0;
    const eat: Kitchen['eat'] = (_, { signal }) => {
      begun += 1;
      return aborts(signal);
    };
    await using server = await listen(serve({ eat }));
    await using it = client(server.url);

    const asked = it.ask('eat', {});
    await until(() => begun === 1);
    await server.restart();

    await assert.rejects(asked, { code: 'unavailable', message: /cannot be reached: the connection broke/ });
    assert.equal(begun, 1);
  });

  it('waits a moment for a server that is not there yet, whatever is asked, and not for ever', async () => {
    let eaten = 0;
    await using server = await listen(serve({ eat: async () => `${++eaten}` }));
    await using it = client(server.url);
    await server.kill();

    const asked = it.ask('eat', {});
    await server.restart();
    assert.equal(await asked, '1');

    await server.kill();
    await using impatient = client(server.url, { retry: hasty });
    await assert.rejects(impatient.ask('eat', {}), { code: 'unavailable', message: /nothing listens there/ });
    assert.equal(eaten, 1);
  });

  it('takes a server for dead that gives no sign of life, before its answer or within', async () => {
    const silentServer = createServer((request, response) => {
      if (request.url?.endsWith('cook'))
        response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('\n');
    });
    await new Promise<void>((resolve) => silentServer.listen(0, '127.0.0.1', resolve));
    const { port } = silentServer.address() as AddressInfo;
    await using it = client(`http://127.0.0.1:${port}`, { idleMs: 300, retry: hasty });

    await assert.rejects(it.ask('echo', {}), { code: 'unavailable' });
    await assert.rejects(it.ask('cook', {}), { code: 'unavailable' });
    silentServer.closeAllConnections();
    await new Promise((resolve) => silentServer.close(resolve));
  });

  it('ends a call with a limit of its own however alive the server is', async () => {
    await using server = await listen(serve({ eat: (_, { signal }) => aborts(signal) }, { heartbeatMs: 20 }));
    await using it = client(server.url, { retry: hasty });

    await assert.rejects(it.ask('eat', {}), { code: 'unavailable', message: /no answer within 2000 ms/ });
  });

  it('does not take the page of a proxy, half an answer or noise for an answer', async () => {
    const answers = [
      { type: 'text/html', text: '<h1>Bad gateway</h1>' },
      { type: 'application/x-ndjson', text: '{"type":"alive"}\n' },
      { type: 'application/x-ndjson', text: '{"type":"result","value":"eaten"}' },
      { type: 'application/x-ndjson', text: '{"type":"applause"}\n' },
      { type: 'application/x-ndjson', text: 'eaten\n' },
    ];
    await using server = await listen((_, response) => {
      const { type, text } = answers.shift() ?? { type: '', text: '' };
      response.writeHead(200, { 'content-type': type }).end(text);
    });
    await using it = client(server.url, { retry: hasty });

    while (answers.length > 0) await assert.rejects(it.ask('eat', {}), { code: 'unavailable' });
  });

  it('holds back a server whose items are not read', async () => {
    let told = 0;
    const smell: Kitchen['smell'] = async (_, { tell, signal }) => {
      for (; !signal.aborted; told += 1) await tell('x'.repeat(100_000));
    };
    await using server = await listen(serve({ smell }));
    await using it = client(server.url);
    const items = it.items('smell', {}, new AbortController().signal);
    await items.next();

    // Whatever fits into the buffers in between is told; then nothing more until something is read.
    let before = -1;
    await until(async () => {
      const isSame = told === before;
      before = told;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return isSame && told === before;
    });
    for (let count = 0; count <= before; count += 1) await items.next();
    await until(() => told > before);
    await items.return(undefined);
  });
});

describe('a server that is told to stop', () => {
  it('ends what is endless at once, lets the rest finish, and refuses what is new', async () => {
    const stop = new AbortController();
    const boiled = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const cook: Kitchen['cook'] = () => {
      begun.resolve();
      return boiled.promise;
    };
    const smell: Kitchen['smell'] = async (_, { tell, signal }) => {
      await tell(1);
      await aborts(signal);
    };
    await using server = await listen(serve({ cook, smell }, { signal: stop.signal }));
    await using it = client(server.url, { retry: hasty });
    const cooking = it.ask('cook', {});
    await begun.promise;
    const smelling = it.items('smell', {}, new AbortController().signal);
    await smelling.next();

    stop.abort();

    await assert.rejects(smelling.next(), { code: 'unavailable', message: /stopping/ });
    await assert.rejects(it.ask('eat', {}), { code: 'unavailable', message: /stopping/ });
    boiled.resolve('soup');
    assert.equal(await cooking, 'soup');
  });

  it('ends what does not finish in its time', async () => {
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    const cook: Kitchen['cook'] = (_, { signal }) => {
      begun.resolve();
      return aborts(signal);
    };
    await using server = await listen(serve({ cook }, { signal: stop.signal, graceMs: 20 }));
    await using it = client(server.url, { retry: hasty });
    const cooking = it.ask('cook', {});
    await begun.promise;
    stop.abort();

    await assert.rejects(cooking, { code: 'unavailable', message: /stopping/ });
  });

  it('takes a limited number of calls at once', async () => {
    const open = Promise.withResolvers<string>();
    await using server = await listen(serve({ cook: () => open.promise }, { maxCalls: 2 }));
    await using it = client(server.url, { retry: hasty });
    const cooking = [it.ask('cook', {}), it.ask('cook', {})];
    await until(() =>
      it.ask('eat', {}).then(
        () => false,
        (error) => /too many/.test(error.message),
      ),
    );

    open.resolve('soup');
    assert.deepEqual(await Promise.all(cooking), ['soup', 'soup']);
    assert.equal(await it.ask('eat', {}), 'eaten');
  });
});
