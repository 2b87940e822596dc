import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import { zeroSha } from '../../core/names.ts';

const actor = { name: 'Alice', email: 'a@example.org', login: 'alice' };
const commit = 'a'.repeat(40);

export function pushRecord(more: Partial<PushRecord> = {}): PushRecord {
  return {
    id: 'p1',
    owner: 'acme',
    ownerId: '1',
    repo: 'shop',
    ref: 'refs/heads/main',
    before: zeroSha,
    after: commit,
    actor,
    state: 'done',
    note: null,
    deploys: [],
    createdAt: 1000,
    updatedAt: 13_300,
    ...more,
  };
}

export function deployRecord(more: Partial<DeployRecord> = {}): DeployRecord {
  return {
    id: 'd1',
    pushId: 'p1',
    owner: 'acme',
    ownerId: '1',
    repo: 'shop',
    branch: 'main',
    functionName: 'hello',
    sourceCommit: commit,
    sourceSubject: 'Fix',
    actor,
    state: 'live',
    stage: 'live',
    cause: null,
    steps: [],
    image: null,
    gitopsCommit: null,
    number: 1,
    warnings: [],
    createdAt: 1000,
    updatedAt: 13_300,
    ...more,
  };
}
