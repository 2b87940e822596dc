import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseLogBucket } from './log-bucket.ts';

it('reads the URL of a bucket for logs, and takes no other and none with credentials', () => {
  assert.deepEqual(parseLogBucket('s3://build-logs'), {
    name: 'build-logs',
    region: 'us-east-1',
    prefix: '',
  });
  assert.deepEqual(
    parseLogBucket('s3://build-logs/towline/a/?endpoint=https://minio.example.org:9000&region=eu-1'),
    {
      name: 'build-logs',
      region: 'eu-1',
      prefix: 'towline/a/',
      endpoint: 'https://minio.example.org:9000',
    },
  );
  const bad = [
    'build-logs',
    'https://build-logs',
    's3://key:secret@build-logs',
    's3://B',
    's3://build-logs?secret=x',
    's3://build-logs?endpoint=https://u:p@minio',
    's3://build-logs?endpoint=minio',
  ];
  for (const text of bad) assert.equal(parseLogBucket(text), undefined, text);
});
