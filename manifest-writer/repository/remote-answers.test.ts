import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readHelperStatus, readPushAnswer } from './remote-answers.ts';

const ref = 'refs/heads/main';
/** The same verdict as `git push --porcelain` and as `git send-pack --helper-status` tell it. */
function answers(reason: string, stderr = '', rejected = '[remote rejected]') {
  const porcelain = readPushAnswer(1, `To x\n!\tabc:${ref}\t${rejected} (${reason})\nDone\n`, stderr);
  assert.deepEqual(readHelperStatus(ref, `error ${ref} ${reason}\n`, stderr), porcelain);
  return porcelain;
}
const type = (...args: Parameters<typeof answers>) => answers(...args)?.type;

test('a branch that moved is a lost race, in the words of git and of the forges', () => {
  assert.equal(type('stale info', '', '[rejected]'), 'lost-race');
  assert.equal(type('fetch first', '', '[rejected]'), 'lost-race');
  assert.equal(type('failed to update ref'), 'lost-race');
  assert.equal(type("cannot lock ref 'refs/heads/main': is at a but expected b"), 'lost-race');
});

test('a server in trouble is no refusal: it has no room, no memory, or lost a process', () => {
  for (const said of [
    'remote: fatal: unable to write loose object file: No space left on device',
    'remote: fatal: cannot open pack file: Read-only file system',
    'error: remote unpack failed: unpack-objects abnormal exit',
    'remote: fatal: Out of memory, malloc failed',
  ]) {
    assert.equal(type('unpacker error', said), 'fault', said);
  }
  const lock =
    "remote: error: cannot lock ref 'refs/heads/main': Unable to create lock: No space left on device";
  assert.equal(type('failed to update ref', lock), 'fault');
  assert.equal(type('Internal Server Error'), 'fault');
});

test('a rule is a refusal, whatever words stand in what it says', () => {
  for (const said of ['No space left on device', 'index-pack died of signal 9', 'Internal Server Error']) {
    const answer = answers('pre-receive hook declined', `remote: rejected "deploy: ${said}"\n`);
    assert.deepEqual(answer, {
      type: 'refused',
      message: `rejected "deploy: ${said}" (pre-receive hook declined)`,
    });
  }
  const exit = 'error: remote unpack failed: index-pack abnormal exit';
  assert.equal(
    type('unpacker error', `remote: fatal: pack exceeds maximum allowed size\n${exit}`),
    'refused',
  );
  assert.equal(type('unpacker error', `remote: fatal: fsck error in packed object\n${exit}`), 'refused');
  assert.equal(type('unpacker error', 'remote: fatal: write error: Disk quota exceeded'), 'refused');
  assert.equal(type('protected branch hook declined'), 'refused');
});

test('our own full disk is not taken for the remote’s', () => {
  assert.equal(type('unpacker error', 'fatal: No space left on device'), 'refused');
});

test('without a verdict nothing is known', () => {
  assert.equal(readPushAnswer(128, '', 'fatal: the remote end hung up'), undefined);
  for (const said of [
    '',
    `ok refs/heads/other\n`,
    `error ${ref} no match\n`,
    `error ${ref} expecting report\n`,
  ]) {
    assert.equal(readHelperStatus(ref, said, ''), undefined, said);
  }
  assert.deepEqual(readHelperStatus(ref, `ok ${ref}\n`, ''), { type: 'pushed' });
  assert.deepEqual(readHelperStatus(ref, `ok ${ref} up to date\n`, ''), { type: 'pushed' });
});
