import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseUnified } from './unified-diff.ts';

const unified = `diff --git a/tenants/demo/hello.yaml b/tenants/demo/hello.yaml
index 1111111..2222222 100644
--- a/tenants/demo/hello.yaml
+++ b/tenants/demo/hello.yaml
@@ -5,4 +5,4 @@ metadata:
 spec:
   name: demo-hello
-  image: a
+  image: b
   environment:
@@ -20,3 +20,4 @@ spec:
     a: "1"
+    b: "<script>"
     c: "-- not a header"
     d: x
\\ No newline at end of file
`;

describe('a unified diff of one file', () => {
  const diff = parseUnified(unified);

  it('numbers lines on both sides', () => {
    assert.deepEqual(
      diff.rows.filter((row) => row.kind !== 'same' && row.kind !== 'gap'),
      [
        { kind: 'removed', oldLine: 7, newLine: null, text: '  image: a' },
        { kind: 'added', oldLine: null, newLine: 7, text: '  image: b' },
        { kind: 'added', oldLine: null, newLine: 21, text: '    b: "<script>"' },
      ],
    );
    assert.deepEqual([diff.additions, diff.deletions], [2, 1]);
  });

  it('says how many unchanged lines are left out', () => {
    assert.deepEqual(
      diff.rows.filter((row) => row.kind === 'gap').map((row) => row.text),
      ['4 unchanged lines', '11 unchanged lines'],
    );
  });

  it("does not show git's remark about the last newline as a line", () => {
    assert.equal(diff.rows.at(-1)?.text, '    d: x');
  });

  it('has no rows for an empty diff', () => {
    assert.deepEqual(parseUnified(''), { rows: [], additions: 0, deletions: 0 });
  });

  it('reads a file that is new or gone', () => {
    const added = parseUnified('--- /dev/null\n+++ b/x.yaml\n@@ -0,0 +1,2 @@\n+a: 1\n+b: 2\n');
    assert.deepEqual(
      added.rows.map((row) => [row.kind, row.newLine]),
      [
        ['added', 1],
        ['added', 2],
      ],
    );
  });
});
