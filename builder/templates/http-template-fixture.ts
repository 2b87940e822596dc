import type { HttpTemplateSubject } from './http-template.contract.ts';

/** The contract's small functions in JavaScript. */
export const nodeSubject: HttpTemplateSubject = {
  language: 'node',
  echo: {
    'handler.js': `module.exports = async (event, context) => context.succeed({ method: event.method, path: event.path,
      name: event.query.name, type: event.headers['content-type'], body: event.body });`,
  },
  made: {
    'handler.js': `exports.handler = async (event, context) =>
      context.status(201).headers({ 'X-Made': 'yes' }).succeed('made');`,
  },
  throwing: {
    'handler.mjs': `export default async (event) => {
      if (event.path === '/ok') return 'fine';
      throw new Error('secret detail');
    };`,
  },
  sluggish: {
    'handler.js': `export const handler = async () => {
      console.log('working');
      await new Promise((resolve) => setTimeout(resolve, 300));
      return 'done';
    };`,
  },
  streaming: {
    'handler.js': `const { Readable } = require('node:stream');
      async function* words() { yield 'one'; await new Promise((r) => setTimeout(r, 100)); yield 'two'; }
      module.exports = async () => Readable.from(words());`,
  },
  unloadable: { 'handler.js': `require('missing-module');` },
};

/** And in Python. */
export const pythonSubject: HttpTemplateSubject = {
  language: 'python3-http',
  echo: {
    'handler.py': `import json
def handle(event, context):
    assert isinstance(event.body, bytes) and context.hostname
    return {"statusCode": 200, "body": json.dumps({"method": event.method, "path": event.path,
        "name": event.query.get("name"), "type": event.headers.get("content-TYPE"), "body": event.body.decode()})}
`,
  },
  made: {
    'handler.py': `def handle(event, context):
    return {"statusCode": 201, "headers": {"X-Made": "yes"}, "body": "made"}
`,
  },
  throwing: {
    'handler.py': `def handle(event, context):
    if event.path == "/ok":
        return "fine"
    raise ValueError("secret detail")
`,
  },
  sluggish: {
    'handler.py': `import time
def handle(event, context):
    print("working")
    time.sleep(0.3)
    return "done"
`,
  },
  streaming: {
    'handler.py': `import time
def words():
    yield "one"
    time.sleep(0.1)
    yield "two"
def handle(event, context):
    return {"body": words()}
`,
  },
  unloadable: { 'handler.py': 'import missing-module\n' },
};
