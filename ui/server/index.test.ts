import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Auth, createAuth } from '../../auth/index.ts';
import type { Owner } from '../../core/auth.ts';
import { apiPaths } from '../../core/paths.ts';
import { createLogger } from '../../runtime/logger.ts';
import { newOwner, temporaryFolder } from './testing/accounts.ts';
import {
  catalogEntry,
  deployRecord,
  historyEntry,
  imageOf,
  logLine,
  pendingRemoval,
  pushRecord,
  sha,
  startPlatformApi,
  type TestServer,
} from './testing/platform.ts';

describe('the platform API', () => {
  let resources: AsyncDisposableStack;
  let folder: string;
  let auth: Auth;
  let server: TestServer;
  let alex: Owner;
  let al: Owner;
  let operator: Owner;
  let tokens: Record<'alex' | 'al' | 'operator', string>;

  before(async () => {
    resources = new AsyncDisposableStack();
    folder = resources.use(await temporaryFolder()).path;
    server = resources.use(
      await startPlatformApi({
        makeAuth: async (origin) => {
          auth = resources.use(
            await createAuth(
              { databasePath: join(folder, 'auth.db'), keysDir: join(folder, 'keys'), publicOrigin: origin },
              { logger: createLogger({ level: 'silent', name: 'test' }) },
            ),
          );
          return auth;
        },
      }),
    );
    alex = await auth.createOwner(newOwner('alex'));
    al = await auth.createOwner(newOwner('al'));
    operator = await auth.createOwner(newOwner('ops', 'operator'));
    const tokenOf = async (owner: Owner) =>
      (await auth.createToken({ ownerId: owner.id, name: 'test', ttlMs: null })).token;
    tokens = { alex: await tokenOf(alex), al: await tokenOf(al), operator: await tokenOf(operator) };
  });
  after(() => resources.disposeAsync());

  beforeEach(() => {
    const { rooms } = server;
    rooms.entries = [catalogEntry({ ownerId: alex.id })];
    rooms.history = [historyEntry()];
    rooms.deploys = [deployRecord({ ownerId: alex.id })];
    rooms.pushes = [pushRecord({ ownerId: alex.id })];
    rooms.lines = new Map([['push-1', [logLine(1, 'one'), logLine(2, 'two'), logLine(3, 'three')]]]);
    rooms.repositories = [
      { owner: 'alex', ownerId: alex.id, name: 'app', defaultBranch: 'main', cloneUrl: '', pushedAt: null },
    ];
    rooms.reverts = [];
    rooms.written = [];
    rooms.removals = [pendingRemoval(alex.id)];
    rooms.rebuilds = [];
    rooms.cancels = [];
    rooms.deletions = [];
    rooms.revertOutcome = {
      type: 'pushed',
      commit: sha('9'),
      written: [{ functionName: 'hello', number: 9 }],
    };
  });

  const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    fetch(server.origin + path, {
      method,
      headers,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });
  const as = (who: keyof typeof tokens) => ({ Authorization: `Bearer ${tokens[who]}` });
  const json = { 'Content-Type': 'application/json' };
  const call = (who: keyof typeof tokens, method: string, path: string, body?: unknown) =>
    send(
      method,
      path,
      { ...as(who), ...(body === undefined ? {} : json) },
      body === undefined ? undefined : JSON.stringify(body),
    );
  const read = async <T>(response: Response) => (await response.json()) as T;
  async function sessionCookie(owner: Owner): Promise<string> {
    const app = await import('node:http');
    const login = app.createServer((req, res) => auth.handle(req, res));
    await new Promise<void>((resolve) => login.listen(0, '127.0.0.1', resolve));
    const { port } = login.address() as { port: number };
    const response = await fetch(
      `http://127.0.0.1:${port}/login?ticket=${(await auth.createLoginTicket(owner.id)).ticket}`,
      { redirect: 'manual' },
    );
    login.closeAllConnections();
    await new Promise((resolve) => login.close(resolve));
    return response.headers.getSetCookie()[0]!.split(';')[0]!;
  }

  const revertBody = { toCommit: sha('1') };
  /** Every path of the API with a request that succeeds for alex. */
  const requests: Record<keyof typeof apiPaths, [string, string, unknown?][]> = {
    me: [['GET', apiPaths.me()]],
    events: [['HEAD', apiPaths.events()]],
    owners: [['GET', apiPaths.owners()]],
    loginLinks: [['POST', apiPaths.loginLinks(), {}]],
    tokens: [
      ['GET', apiPaths.tokens('alex')],
      ['POST', apiPaths.tokens('alex'), { name: 'x' }],
    ],
    token: [],
    functions: [['GET', apiPaths.functions('alex')]],
    function: [['GET', apiPaths.function('alex', 'hello')]],
    history: [['GET', apiPaths.history('alex', 'hello', { limit: 5 })]],
    diff: [['GET', apiPaths.diff('alex', 'hello', { to: sha('1') })]],
    output: [['GET', apiPaths.output('alex', 'hello', { lines: 2 })]],
    outputText: [['GET', apiPaths.outputText('alex', 'hello')]],
    outputStream: [['GET', apiPaths.outputStream('alex', 'hello', { lines: 2 })]],
    revert: [['POST', apiPaths.revert('alex', 'hello'), revertBody]],
    undo: [['POST', apiPaths.undo('alex', 'hello'), { commit: sha('1') }]],
    hold: [['POST', apiPaths.hold('alex', 'hello'), { reason: 'too loud' }]],
    resume: [['POST', apiPaths.resume('alex', 'hello'), {}]],
    promote: [['POST', apiPaths.promote('alex', 'hello'), { to: 'staging' }]],
    removeFunction: [['DELETE', apiPaths.removeFunction('alex', 'hello', { reason: 'not needed' })]],
    removeFunctions: [
      ['DELETE', apiPaths.removeFunctions('alex', { repo: 'app' })],
      ['DELETE', apiPaths.removeFunctions('alex', { all: true, environment: 'staging' })],
    ],
    removals: [['GET', apiPaths.removals('alex')]],
    confirmRemoval: [['POST', apiPaths.confirmRemoval('alex', 'r1'), {}]],
    rejectRemoval: [['POST', apiPaths.rejectRemoval('alex', 'r1'), {}]],
    pushes: [['GET', apiPaths.pushes('alex', { limit: 1, repo: 'app' })]],
    push: [['GET', apiPaths.push('push-1')]],
    log: [['GET', apiPaths.log('push-1', { after: 1 })]],
    logText: [['GET', apiPaths.logText('push-1')]],
    logStream: [['GET', apiPaths.logStream('push-1')]],
    rebuild: [['POST', apiPaths.rebuild('push-1'), { force: true }]],
    cancel: [['POST', apiPaths.cancel('push-1'), {}]],
    images: [
      [
        'POST',
        apiPaths.images(),
        {
          ...{ owner: 'alex', function: 'hello', image: `ghcr.io/alex/app@sha256:${'0'.repeat(64)}` },
          ...{ repository: 'app', commit: sha('1'), ref: 'refs/heads/main' },
        },
      ],
    ],
    image: [],
    ciBindings: [['GET', apiPaths.ciBindings('alex')]],
    ciBinding: [],
    repos: [['GET', apiPaths.repos('alex')]],
    repo: [['DELETE', apiPaths.repo('alex', 'app')]],
  };
  const ofNobodyElse = Object.entries(requests).flatMap(([name, list]) =>
    ['me', 'events', 'owners', 'loginLinks'].includes(name) ? [] : list,
  );

  it('answers every published path, for the owner and for an operator', async () => {
    for (const [name, list] of Object.entries(requests)) {
      for (const [method, path, body] of list) {
        for (const who of ['alex', 'operator'] as const) {
          const response = await call(who, method, path, body);
          const text = await response.text();
          assert.ok(response.status < 300, `${who} ${name} ${method}: ${response.status} ${text}`);
        }
      }
    }
  });

  it('answers another owner exactly as if there were nothing, and does nothing', async () => {
    for (const [method, path, body] of ofNobodyElse) {
      const missing = path.replace('/owners/alex', '/owners/nobody').replace('push-1', 'push-nobody');
      const [theirs, none] = await Promise.all([
        call('al', method, path, body),
        call('al', method, missing, body),
      ]);
      assert.equal(theirs.status, 404, `${method} ${path}`);
      const words = async (response: Response) => ({
        ...(await read<Record<string, unknown>>(response)),
        requestId: '',
      });
      assert.deepEqual(await words(theirs), await words(none), path);
    }
    const { reverts, rebuilds, cancels, deletions, written } = server.rooms;
    assert.deepEqual([reverts, rebuilds, cancels, deletions, written], [[], [], [], [], []]);
    assert.ok((await auth.tokens(alex.id)).every((token) => token.name !== 'stolen'));
  });

  it('lets nobody in without credentials that hold, and says so as a problem', async () => {
    const cookie = await sessionCookie(alex);
    const [name, value] = cookie.split('=') as [string, string];
    const [head, body, signature] = value.split('.') as [string, string, string];
    const part = (data: unknown) => Buffer.from(JSON.stringify(data)).toString('base64url');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const header = JSON.parse(Buffer.from(head, 'base64url').toString());
    const attempts: Record<string, Record<string, string>> = {
      nothing: {},
      'an empty token': { Authorization: 'Bearer ' },
      'a wrong token': { Authorization: `Bearer towline_pat_${'A'.repeat(43)}` },
      'a wrong token with a right cookie': { Authorization: 'Bearer x', Cookie: cookie },
      'basic authentication': {
        Authorization: `Basic ${Buffer.from(`x:${tokens.alex}`).toString('base64')}`,
      },
      'a session as a token': { Authorization: `Bearer ${value}` },
      'a token as a session': { Cookie: `${name}=${tokens.alex}` },
      'no algorithm': { Cookie: `${name}=${part({ ...header, alg: 'none' })}.${body}.` },
      'somebody else': { Cookie: `${name}=${head}.${part({ ...claims, sub: operator.id })}.${signature}` },
      'a tampered signature': { Cookie: `${name}=${head}.${body}.${signature.slice(0, -2)}AA` },
    };
    for (const [what, headers] of Object.entries(attempts)) {
      for (const path of [
        apiPaths.me(),
        apiPaths.functions('alex'),
        apiPaths.events(),
        apiPaths.logStream('push-1'),
      ]) {
        const response = await send('GET', path, headers);
        assert.equal(response.status, 401, `${what}: ${path}`);
        assert.equal(response.headers.get('content-type'), 'application/problem+json');
        assert.match(response.headers.get('www-authenticate')!, /^Bearer/);
        assert.equal((await read<{ code: string }>(response)).code, 'unauthenticated');
      }
    }
    assert.equal((await send('GET', apiPaths.me(), { Cookie: cookie })).status, 200);
  });

  it('changes nothing for a page that is not ours, whatever the browser adds', async () => {
    const cookie = await sessionCookie(alex);
    const body = JSON.stringify(revertBody);
    const own = { Origin: server.origin };
    const cases: [string, Record<string, string>, number][] = [
      ['our own page', { ...own, ...json, 'Sec-Fetch-Site': 'same-origin' }, 200],
      ['our own page without an Origin', { ...json, 'Sec-Fetch-Site': 'same-origin' }, 200],
      ['another site', { Origin: 'https://evil.example', ...json }, 403],
      [
        'a function of a tenant',
        { Origin: 'http://demo.localhost:8080', ...json, 'Sec-Fetch-Site': 'same-site' },
        403,
      ],
      ['another port', { Origin: 'http://127.0.0.1:1', ...json }, 403],
      ['a longer name', { Origin: `${server.origin}.evil.example`, ...json }, 403],
      ['a sandboxed page', { Origin: 'null', ...json }, 403],
      ['no origin at all', { ...json }, 403],
      ['our origin said by another site', { ...own, ...json, 'Sec-Fetch-Site': 'cross-site' }, 403],
      ['a form', { ...own, 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
      ['a form with a file', { ...own, 'Content-Type': 'multipart/form-data; boundary=x' }, 415],
      ['plain text', { ...own, 'Content-Type': 'text/plain' }, 415],
    ];
    for (const [what, headers, status] of cases) {
      const response = await send(
        'POST',
        apiPaths.revert('alex', 'hello'),
        { Cookie: cookie, ...headers },
        body,
      );
      assert.equal(response.status, status, what);
    }
    assert.equal(server.rooms.reverts.length, 2);
    const foreign = { Cookie: cookie, Origin: 'https://evil.example' };
    assert.equal((await send('DELETE', apiPaths.repo('alex', 'app'), foreign)).status, 403);
    assert.equal((await send('POST', apiPaths.rebuild('push-1'), foreign)).status, 403);
    assert.equal((await send('DELETE', apiPaths.removeFunction('alex', 'hello'), foreign)).status, 403);
    assert.equal(
      (await send('DELETE', apiPaths.removeFunctions('alex', { all: true }), foreign)).status,
      403,
    );
    assert.deepEqual(server.rooms.written, []);
    assert.equal(
      (await send('GET', apiPaths.me(), { Cookie: cookie, 'Sec-Fetch-Site': 'same-site' })).status,
      403,
    );
    const noCors = await send('OPTIONS', apiPaths.me(), { Origin: 'https://evil.example' });
    assert.equal(noCors.headers.get('access-control-allow-origin'), null);
  });

  it('refuses a body that it does not understand, in words', async () => {
    const path = apiPaths.revert('alex', 'hello');
    const cases: [string | Uint8Array<ArrayBuffer>, number, RegExp][] = [
      ['', 400, /not valid JSON/],
      ['{', 400, /not valid JSON/],
      ['[]', 400, /body/],
      ['null', 400, /body/],
      ['{}', 400, /toCommit/],
      [JSON.stringify({ toCommit: 'HEAD' }), 400, /toCommit: a full, lower-case commit id/],
      [JSON.stringify({ toCommit: `--output=${sha('a')}` }), 400, /toCommit/],
      [JSON.stringify({ ...revertBody, reason: 'x'.repeat(501) }), 400, /reason/],
      [JSON.stringify({ ...revertBody, force: true }), 400, /unknown field "force"/],
      [`{"toCommit":"${sha('1')}","__proto__":{"admin":true}}`, 400, /__proto__/],
      [new Uint8Array([0x22, 0xff, 0x22]), 400, /not valid JSON/],
      [JSON.stringify({ ...revertBody, reason: 'x'.repeat(70_000) }), 413, /65536 bytes/],
    ];
    for (const [body, status, words] of cases) {
      const response = await fetch(server.origin + path, {
        method: 'POST',
        headers: { ...as('alex'), ...json },
        body,
      });
      assert.equal(response.status, status, String(body).slice(0, 60));
      assert.match((await read<{ detail: string }>(response)).detail, words);
    }
    assert.deepEqual(server.rooms.reverts, []);
  });

  it('stops reading a body that says nothing about its length and never ends', async () => {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent++;
        controller.enqueue(new Uint8Array(16_384));
      },
    });

    const response = await fetch(server.origin + apiPaths.revert('alex', 'hello'), {
      method: 'POST',
      headers: { ...as('alex'), ...json },
      body: endless,
      duplex: 'half',
    } as RequestInit).catch((error: unknown) => error);

    // Depending on timing the client gets the answer or only the closed connection.
    if (response instanceof Response) assert.equal(response.status, 413);
    assert.ok(sent < 1_000);
    assert.deepEqual(server.rooms.reverts, []);
  });

  it('refuses a query that it does not understand', async () => {
    for (const path of [
      `${apiPaths.history('alex', 'hello')}?limit=0`,
      `${apiPaths.history('alex', 'hello')}?limit=1e3`,
      `${apiPaths.history('alex', 'hello')}?limit=1&limit=2`,
      `${apiPaths.history('alex', 'hello')}?before=HEAD`,
      `${apiPaths.diff('alex', 'hello', { to: '--output=x' })}`,
      `${apiPaths.pushes('alex')}?repo=../x`,
      `${apiPaths.pushes('alex')}?what=1`,
      `${apiPaths.log('push-1')}?after=-1`,
    ]) {
      assert.equal((await call('alex', 'GET', path)).status, 400, path);
    }
  });

  it('reverts as the person who asks, and answers every outcome', async () => {
    const revert = () =>
      call('alex', 'POST', apiPaths.revert('alex', 'hello'), { ...revertBody, reason: '500s on /pay' });

    assert.deepEqual(await read(await revert()), { commit: sha('9'), number: 9, unchanged: false });
    assert.deepEqual(server.rooms.reverts, [
      {
        owner: 'alex',
        ownerId: alex.id,
        functionName: 'hello',
        toCommit: sha('1'),
        reason: '500s on /pay',
        actor: { name: 'alex', email: 'alex@example.com', login: 'alex' },
      },
    ]);
    const outcomes = [
      [
        { type: 'unchanged', commit: sha('8'), written: [{ functionName: 'hello', number: 8 }] },
        200,
        undefined,
      ],
      [{ type: 'conflict', message: 'it changed since' }, 409, 'conflict'],
      [{ type: 'refused', code: 'image_gone', message: 'the image is gone' }, 422, 'image_gone'],
      [{ type: 'skipped', reason: 'nothing to do' }, 422, 'manifest_refused'],
    ] as const;
    for (const [outcome, status, code] of outcomes) {
      server.rooms.revertOutcome = outcome as typeof server.rooms.revertOutcome;
      const response = await revert();
      assert.equal(response.status, status);
      assert.equal((await read<{ code?: string }>(response)).code, code);
    }
  });

  it('shows a function with its manifest and its newest commit, and 404 for names that cannot be', async () => {
    const response = await call('alex', 'GET', apiPaths.function('alex', 'hello'));

    const detail = await read<Record<string, { functionName?: string; commit?: string }>>(response);
    assert.equal(detail['summary']?.functionName, 'hello');
    assert.equal(detail['entry']?.functionName, 'hello');
    assert.equal(detail['current']?.commit, sha('1'));
    assert.equal(detail['manifest'], `# hello at ${sha('1')}\n`);
    for (const name of ['nothing', '..', 'a.b', 'A', '%00', 'tenant', '__proto__', '%2e%2e%2fal']) {
      const path = `/api/v1/owners/alex/functions/${name}/history`;
      const status = (await call('alex', 'GET', path)).status;
      assert.ok(status === 404 || name === 'nothing', `${name}: ${status}`);
    }
    assert.equal((await call('alex', 'GET', apiPaths.function('alex', 'nothing'))).status, 404);
  });

  it('shows nothing of a slug’s earlier owner', async () => {
    const stranger = 'an-owner-who-is-gone';
    server.rooms.entries = [catalogEntry({ owner: 'al', ownerId: stranger, functionName: 'old' })];
    server.rooms.deploys = [
      deployRecord({ owner: 'al', ownerId: stranger, functionName: 'old', state: 'failed' }),
    ];
    server.rooms.pushes = [pushRecord({ owner: 'al', ownerId: stranger })];
    server.rooms.repositories = [{ ...server.rooms.repositories[0]!, owner: 'al', ownerId: stranger }];

    for (const path of [apiPaths.functions('al'), apiPaths.pushes('al'), apiPaths.repos('al')]) {
      assert.deepEqual(await read(await call('al', 'GET', path)), [], path);
    }
    assert.equal((await call('al', 'GET', apiPaths.push('push-1'))).status, 404);
  });

  it('gives the log as lines after any line, and as plain text that cannot act on a terminal', async () => {
    server.rooms.lines.set('push-1', [
      logLine(1, 'Building', { kind: 'phase' }),
      logLine(2, '\u001b[31mred\u001b[0m\u0007 \u001b]0;title\u0007text', { functionName: 'hello' }),
      logLine(3, '<script>alert(1)</script>\r\n', { kind: 'error' }),
    ]);

    const lines = await read<{ n: number }[]>(
      await call('alex', 'GET', apiPaths.log('push-1', { after: 1 })),
    );
    const text = await call('alex', 'GET', apiPaths.logText('push-1'));

    assert.deepEqual(
      lines.map(({ n }) => n),
      [2, 3],
    );
    assert.equal(text.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.equal(text.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(await text.text(), '==> Building\n[hello] red text\nerror: <script>alert(1)</script>\n');
  });

  it('gives what there is of a log that is still being written', async () => {
    server.rooms.pushes = [pushRecord({ ownerId: alex.id, state: 'running' })];

    const lines = await read<unknown[]>(await call('alex', 'GET', apiPaths.log('push-1')));

    assert.equal(lines.length, 3);
  });

  it('builds again and deletes repositories in the name of the person who asks', async () => {
    const rebuilt = await call('alex', 'POST', apiPaths.rebuild('push-1'));
    const deleted = await call('operator', 'DELETE', apiPaths.repo('alex', 'app'));

    assert.deepEqual([rebuilt.status, await rebuilt.json()], [202, { id: 'rebuilt' }]);
    assert.equal(deleted.status, 204);
    assert.equal(server.rooms.rebuilds[0]?.actor.login, 'alex');
    assert.equal(server.rooms.deletions[0]?.actor.login, 'ops');
    assert.equal((await call('alex', 'DELETE', '/api/v1/owners/alex/repos/..%2Fal')).status, 404);
    assert.equal((await call('alex', 'DELETE', apiPaths.repo('alex', 'nothing'))).status, 404);
  });

  it('lets operators make owners, and owners their tokens, whose text is shown once', async () => {
    assert.equal((await call('alex', 'POST', apiPaths.owners(), { owner: 'sam' })).status, 403);
    assert.equal((await call('operator', 'POST', apiPaths.owners(), { owner: 'api' })).status, 400);
    const made = await call('operator', 'POST', apiPaths.owners(), { owner: 'sam' });
    assert.equal(made.status, 201);
    assert.equal((await call('operator', 'POST', apiPaths.owners(), { owner: 'sam' })).status, 409);

    const created = await call('operator', 'POST', apiPaths.tokens('sam'), { name: 'ci', ttlDays: 1 });
    const { id, token } = await read<{ id: string; token: string }>(created);
    const me = await read<{ identity: { owner: string }; owners: string[] }>(
      await send('GET', apiPaths.me(), { Authorization: `Bearer ${token}` }),
    );
    assert.deepEqual([me.identity.owner, me.owners], ['sam', ['sam']]);
    const listed = await (await call('operator', 'GET', apiPaths.tokens('sam'))).text();
    assert.ok(listed.includes(id) && !listed.includes(token));

    assert.equal((await call('alex', 'DELETE', apiPaths.token('alex', id))).status, 404);
    assert.equal((await call('operator', 'DELETE', apiPaths.token('sam', id))).status, 204);
    assert.equal((await send('GET', apiPaths.me(), { Authorization: `Bearer ${token}` })).status, 401);
  });

  it('refuses the token of an owner who was removed', async () => {
    const gone = await auth.createOwner(newOwner('gone'));
    const { token } = await auth.createToken({ ownerId: gone.id, name: 'x', ttlMs: null });
    const headers = { Authorization: `Bearer ${token}` };
    assert.equal((await send('GET', apiPaths.me(), headers)).status, 200);

    const database = new DatabaseSync(join(folder, 'auth.db'), { enableForeignKeyConstraints: true });
    database.prepare('DELETE FROM owners WHERE id = ?').run(gone.id);
    database.close();

    assert.equal((await send('GET', apiPaths.me(), headers)).status, 401);
  });

  it('shows an operator everybody, its own first, and others only themselves', async () => {
    const owners = async (who: keyof typeof tokens) =>
      (await read<{ owners: string[] }>(await call(who, 'GET', apiPaths.me()))).owners;

    assert.equal((await owners('operator'))[0], 'ops');
    assert.ok((await owners('operator')).includes('alex'));
    assert.deepEqual(await owners('al'), ['al']);
  });

  it('answers unknown paths of the API as problems and says how it is', async () => {
    for (const path of ['/api', '/api/', '/api/v1', '/api/v2/me', '/api/v1/nothing']) {
      const response = await call('alex', 'GET', path);
      assert.equal(response.status, 404, path);
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
    }
    assert.equal((await call('alex', 'PUT', apiPaths.me())).status, 404);
    assert.equal((await send('GET', '/healthz')).status, 200);
    assert.equal((await send('GET', '/readyz')).status, 200);
    const me = await call('alex', 'GET', apiPaths.me());
    assert.equal(me.headers.get('cache-control'), 'no-store');
    assert.match(me.headers.get('content-security-policy')!, /default-src 'none'/);
    assert.equal(me.headers.get('cross-origin-resource-policy'), 'same-origin');
  });

  it('tells what an image is served, not what is asked for', async () => {
    server.rooms.entries = [
      catalogEntry({ ownerId: alex.id, image: imageOf('1'), desiredImage: imageOf('2') }),
    ];
    const [row] = await read<{ number: number }[]>(await call('alex', 'GET', apiPaths.functions('alex')));
    assert.equal(row?.number, 1);
  });
});
