import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { LogLine } from '../../core/deploy.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import { type BuildLogStore, beyondRetention, type StoredLog } from './build-log-store.ts';
import { createFileLogStore, logExtension, logFileName } from './build-log-store-files.ts';
import type { LogBucket } from './log-bucket.ts';

export interface S3LogStoreOptions {
  bucket: LogBucket;
  /** Logs that are being written, and those of which nobody knows yet whether the bucket has them. */
  dir: string;
  /** Bytes of output kept per push. */
  maxBytes: number;
  onError: (error: unknown) => void;
}

const timeoutMs = 60_000;
const connectTimeoutMs = 5000;
/** The client's own retries, with backoff; what still fails then is tried again at the next sweep. */
const maxAttempts = 4;
const uploadRetry = { firstMs: 500, maxMs: 5000 };
const silent = { debug() {}, info() {}, warn() {}, error() {} };
/** A finished log stays on the disk this long, as a builder that died may go on with it. Milliseconds. */
const localMs = 60 * 60_000;
/** More logs than the limits of retention let anybody have. */
const maxListed = 200_000;

/**
 * One object per push, put whole when its log is closed; until then, and a while longer, the log is a file of the local
 * folder. A log whose upload failed, or was cut off by a death, is uploaded later; it is never lost meanwhile.
 */
export function createS3LogStore(options: S3LogStoreOptions): BuildLogStore {
  const { bucket, dir, onError } = options;
  const { endpoint, region, credentials, name: Bucket } = bucket;
  const client = new S3Client({
    region,
    maxAttempts,
    // It would write to the console.
    logger: silent,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    requestHandler: { connectionTimeout: connectTimeoutMs, requestTimeout: timeoutMs },
  });
  const files = createFileLogStore(options);
  const closing = new AbortController();
  const openIds = new Set<string>();
  /** Names of files that the bucket has; of those that an earlier run left, nobody knows. */
  const uploaded = new Set<string>();
  const uploading = new Map<string, Promise<void>>();
  const keyOf = (name: string) => bucket.prefix + name;
  const limit = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });

  async function sizeOf(name: string): Promise<{ bytes: number; writtenAt: number } | undefined> {
    const found = await stat(join(dir, name)).catch(() => undefined);
    return found && { bytes: found.size, writtenAt: found.mtimeMs };
  }

  async function put(name: string): Promise<void> {
    const size = await sizeOf(name);
    // An empty log never replaces one that has lines.
    if (!size || size.bytes === 0) return;
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: keyOf(name),
        Body: createReadStream(join(dir, name), { end: size.bytes - 1 }),
        ContentLength: size.bytes,
        ContentType: 'application/x-ndjson',
      }),
      limit(),
    );
    uploaded.add(name);
  }

  /** A stream can't be sent again by the client itself. */
  async function putPatiently(name: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await put(name);
      } catch (error) {
        if (tries === maxAttempts || closing.signal.aborted) throw error;
        await delay(backoffMs(tries, uploadRetry), closing.signal).catch(() => undefined);
      }
    }
  }

  /** One upload of a log at a time. */
  async function upload(name: string): Promise<void> {
    await uploading.get(name);
    const work = putPatiently(name).catch(onError);
    uploading.set(name, work);
    await work;
    if (uploading.get(name) === work) uploading.delete(name);
  }

  async function close(pushId: string): Promise<void> {
    if (!openIds.has(pushId)) return;
    await files.close(pushId);
    openIds.delete(pushId);
    // Nobody who waits for the push's end has to wait for the bucket.
    void upload(logFileName(pushId));
  }

  /** Uploads what isn't there yet, and makes room on the disk of what has been there for a while. */
  async function sweepFolder(): Promise<void> {
    const open = new Set([...openIds].map(logFileName));
    for (const name of await readdir(dir)) {
      if (!name.endsWith(logExtension) || open.has(name)) continue;
      if (!uploaded.has(name)) await upload(name);
      const size = await sizeOf(name);
      if (!size || open.has(name) || !uploaded.has(name) || size.writtenAt > Date.now() - localMs) continue;
      await rm(join(dir, name), { force: true });
      uploaded.delete(name);
    }
  }

  async function listed(): Promise<StoredLog[]> {
    const logs: StoredLog[] = [];
    let ContinuationToken: string | undefined;
    do {
      const query = { Bucket, Prefix: bucket.prefix, ContinuationToken };
      const page = await client.send(new ListObjectsV2Command(query), limit());
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        const name = Key?.slice(bucket.prefix.length) ?? '';
        if (!name.endsWith(logExtension) || name.includes('/')) continue;
        logs.push({ name, bytes: Size ?? 0, writtenAt: LastModified?.getTime() ?? 0 });
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined && logs.length < maxListed);
    return logs;
  }

  async function removeObject(name: string): Promise<void> {
    await uploading.get(name);
    await client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(name) }), limit());
    uploaded.delete(name);
  }

  async function openObject(name: string, abortSignal: AbortSignal): Promise<Readable | undefined> {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: keyOf(name) }), { abortSignal });
      return Body instanceof Readable ? Body : undefined;
    } catch (error) {
      if (abortSignal.aborted || error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async function* readObject(name: string, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    const body = await openObject(name, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    if (!body) return;
    using _ = { [Symbol.dispose]: () => void body.destroy() };
    for await (const text of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (signal.aborted) return;
      const line = JSON.parse(text) as LogLine;
      if (line.n > after) yield line;
    }
  }

  async function* read(pushId: string, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    const name = logFileName(pushId);
    const isLocal = openIds.has(pushId) || (await sizeOf(name)) !== undefined;
    yield* isLocal ? files.read(pushId, after, signal) : readObject(name, after, signal);
  }

  return {
    open(pushId) {
      files.open(pushId);
      openIds.add(pushId);
      uploaded.delete(logFileName(pushId));
    },
    append: (pushId, line) => files.append(pushId, line),
    close,
    read,
    async remove(pushId) {
      openIds.delete(pushId);
      await files.remove(pushId);
      await removeObject(logFileName(pushId)).catch(onError);
    },
    async retain(limits) {
      await sweepFolder();
      const open = new Set([...openIds].map(logFileName));
      for (const { name } of beyondRetention(await listed(), limits)) {
        if (open.has(name)) continue;
        await removeObject(name);
        await rm(join(dir, name), { force: true });
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all([...openIds].map(close));
      await files[Symbol.asyncDispose]();
      await Promise.all(uploading.values());
      client.destroy();
    },
  };
}
