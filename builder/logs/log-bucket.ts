/** A bucket of an S3-compatible store. */
export interface LogBucket {
  name: string;
  /** Where it answers, as `https://minio.example.org`; not given: AWS. */
  endpoint?: string | undefined;
  region: string;
  /** Before the names of objects, as `towline/logs/`. */
  prefix: string;
  /** Not given: as the AWS client finds them (environment, web identity, instance). */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const known = new Set(['endpoint', 'region']);

/** Reads `s3://<bucket>/<prefix>?endpoint=…&region=…`; `undefined` if it is no such URL. Credentials are never part of it. */
export function parseLogBucket(text: string): LogBucket | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, pathname, searchParams, username, password, port } = new URL(text);
  const isPlain = username === '' && password === '' && port === '';
  const isKnown = [...searchParams.keys()].every((key) => known.has(key));
  if (protocol !== 's3:' || !isPlain || !isKnown || !bucketName.test(hostname)) return undefined;
  const endpoint = searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/[^@]+$/.test(endpoint)) return undefined;
  const prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '');
  return {
    name: hostname,
    region: searchParams.get('region') ?? 'us-east-1',
    prefix: prefix === '' ? '' : `${prefix}/`,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}
