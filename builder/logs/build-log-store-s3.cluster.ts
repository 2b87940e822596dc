import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type { LogLine } from '../../core/deploy.ts';
import { type S3Gateway, startS3Gateway } from '../../test/cluster/s3-gateway.ts';
import { describeBuildLogStore } from './build-log-store.contract.ts';
import type { BuildLogStore } from './build-log-store.ts';
import { createS3LogStore } from './build-log-store-s3.ts';

const maxBytes = 100_000;
const never = new AbortController().signal;
const name = 'logs';
let gateway: S3Gateway;
let client: S3Client;

before(async () => {
  gateway = await startS3Gateway();
  const { endpoint, credentials } = gateway;
  client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: name }));
});
after(async () => {
  client.destroy();
  await gateway[Symbol.asyncDispose]();
});

function subject(options: { endpoint?: string; secretAccessKey?: string } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'towline-s3-logs-'));
  const prefix = `${randomUUID()}/`;
  const stores: BuildLogStore[] = [];
  const errors: unknown[] = [];
  const { accessKeyId, secretAccessKey } = gateway.credentials;
  const credentials = { accessKeyId, secretAccessKey: options.secretAccessKey ?? secretAccessKey };
  const reopen = (endpoint = options.endpoint ?? gateway.endpoint) => {
    const bucket = { name, endpoint, region: 'us-east-1', prefix, credentials };
    const onError = (error: unknown) => void errors.push(error);
    const store = createS3LogStore({ bucket, dir, maxBytes, onError });
    stores.push(store);
    return store;
  };
  return {
    store: reopen(),
    reopen,
    dir,
    errors,
    tear: (pushId: string) => appendFileSync(join(dir, `${pushId}.ndjson`), '{"n":3,"time":5,"te'),
    async keys() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name, Prefix: prefix }));
      return Contents.map(({ Key }) => Key?.slice(prefix.length)).sort();
    },
    dispose: async () => {
      for (const store of stores) await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

const line = (text: string) =>
  ({ time: 5, functionName: 'hello', stage: 'build', kind: 'output', text }) as const;

async function texts(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const all: string[] = [];
  for await (const { text } of lines) all.push(text);
  return all;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

function age(dir: string): void {
  const twoHoursAgo = Date.now() / 1000 - 7200;
  for (const file of readdirSync(dir)) utimesSync(join(dir, file), twoHoursAgo, twoHoursAgo);
}

const everything = { after: 0, maxBytes: Number.POSITIVE_INFINITY };

describeBuildLogStore('S3', maxBytes, subject);

describe('logs in a bucket', () => {
  it('are read from it once the disk has let go of them, and resumed at any line', async () => {
    const { store, dir, keys, dispose, errors } = subject();
    store.open('p');
    for (let index = 1; index <= 500; index += 1) store.append('p', line(`line ${index}`));
    await store.close('p');
    await until(async () => (await keys()).length === 1);
    age(dir);
    await store.retain(everything);
    assert.deepEqual([readdirSync(dir), await keys()], [[], ['p.ndjson']]);
    assert.deepEqual(await texts(store.read('p', 498, never)), ['line 499', 'line 500']);
    assert.deepEqual(await texts(store.read('none', 0, never)), []);
    assert.deepEqual(errors, []);
    await dispose();
  });

  it('that a death left on the disk are uploaded by the next run', async () => {
    const { store, reopen, dir, keys, dispose } = subject();
    store.open('p');
    store.append('p', line('one'));
    await until(async () => (statSync(join(dir, 'p.ndjson'), { throwIfNoEntry: false })?.size ?? 0) > 0);
    const again = reopen();
    assert.deepEqual(await keys(), []);
    await again.retain(everything);
    assert.deepEqual(await keys(), ['p.ndjson']);
    await dispose();
  });

  it('stay on the disk while the bucket is away, and go there when it is back', async () => {
    const { store, reopen, dir, keys, errors, dispose } = subject({ endpoint: 'http://127.0.0.1:9' });
    store.open('p');
    store.append('p', line('one'));
    await store.close('p');
    await until(async () => errors.length > 0);
    age(dir);
    await store.retain(everything).catch((error) => errors.push(error));
    assert.deepEqual(readdirSync(dir), ['p.ndjson']);
    assert.deepEqual(await texts(store.read('p', 0, never)), ['one']);
    const back = reopen(gateway.endpoint);
    await back.retain(everything);
    assert.deepEqual([readdirSync(dir), await keys()], [[], ['p.ndjson']]);
    assert.deepEqual(await texts(back.read('p', 0, never)), ['one']);
    await dispose();
  });

  it('are not got with a wrong key', async () => {
    const { store, errors, keys, dispose } = subject({ secretAccessKey: 'wrong' });
    store.open('p');
    store.append('p', line('one'));
    await store.close('p');
    await until(async () => errors.length > 0);
    assert.deepEqual(await keys(), []);
    await assert.rejects(texts(store.read('none', 0, never)), { name: 'SignatureDoesNotMatch' });
    await dispose();
  });
});
