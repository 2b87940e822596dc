/**
 * Writes github-description.json: the operations of GitHub's published API description that the double serves, with
 * the schemas they need and one example of each answer. `node test/forges/extract-github-description.ts <description>`,
 * where the description is `generated/api.github.com.json` of the npm package @octokit/openapi.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const operations = [
  'GET /app',
  'GET /app/hook/deliveries',
  'GET /app/hook/deliveries/{delivery_id}',
  'POST /app/hook/deliveries/{delivery_id}/attempts',
  'GET /app/installations',
  'GET /app/installations/{installation_id}',
  'POST /app/installations/{installation_id}/access_tokens',
  'POST /app-manifests/{code}/conversions',
  'GET /installation/repositories',
  'GET /rate_limit',
  'GET /repos/{owner}/{repo}',
  'GET /repos/{owner}/{repo}/branches',
  'GET /repos/{owner}/{repo}/branches/{branch}',
  'GET /repos/{owner}/{repo}/installation',
  'POST /repos/{owner}/{repo}/check-runs',
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}',
  'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses',
  'POST /repos/{owner}/{repo}/statuses/{sha}',
  'GET /repos/{owner}/{repo}/deployments',
  'POST /repos/{owner}/{repo}/deployments',
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
  'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
];

/** Prose, and what only documentation tools read. */
const left = new Set(['description', 'externalDocs', 'example', 'examples', 'title', 'deprecated']);

/** A key in an answer, which scanners of repositories take for a leaked one. */
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `nullable` of OpenAPI 3.0 as JSON Schema says it. `names` are properties' names, which are all kept. */
function toJsonSchema(value: Json, names = false): Json {
  if (Array.isArray(value)) return value.map((each) => toJsonSchema(each));
  if (!isObject(value)) return value;
  const kept: JsonObject = {};
  for (const [key, each] of Object.entries(value)) {
    if (!names && (left.has(key) || key.startsWith('x-') || key === 'nullable')) continue;
    kept[key] = key === 'enum' && !names ? each : toJsonSchema(each, key === 'properties' && !names);
  }
  const isNullable = !names && value['nullable'] === true;
  return isNullable ? { anyOf: [kept, { type: 'null' }] } : kept;
}

function refsIn(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(refsIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === '$ref' && typeof each === 'string' ? [each] : refsIn(each),
  );
}

function resolve(root: JsonObject, ref: string): Json {
  let at: Json = root;
  for (const part of ref.slice(2).split('/')) at = isObject(at) ? (at[part] ?? null) : null;
  return at;
}

const deref = (root: JsonObject, value: Json | undefined): JsonObject => {
  if (!isObject(value)) return {};
  return typeof value['$ref'] === 'string' ? deref(root, resolve(root, value['$ref'])) : value;
};

function firstExample(root: JsonObject, content: JsonObject): Json | undefined {
  const examples = isObject(content['examples']) ? Object.values(content['examples']) : [];
  const example = deref(root, examples[0])['value'];
  if (isObject(example)) {
    for (const [key, each] of Object.entries(example)) {
      if (typeof each === 'string' && privateKey.test(each)) example[key] = 'a private key';
    }
  }
  return Array.isArray(example) ? example.slice(0, 1) : example;
}

function extractAnswer(root: JsonObject, answer: Json): JsonObject {
  const all = deref(root, answer)['content'];
  const content = isObject(all) ? all['application/json'] : undefined;
  if (!isObject(content)) return {};
  const example = firstExample(root, content);
  return {
    schema: toJsonSchema(content['schema'] ?? {}),
    ...(example === undefined ? {} : { example }),
  };
}

function extractOperation(root: JsonObject, name: string): JsonObject {
  const [method = '', path = ''] = name.split(' ');
  const paths = root['paths'];
  const item = isObject(paths) ? paths[path] : undefined;
  const operation = isObject(item) ? item[method.toLowerCase()] : undefined;
  if (!isObject(operation)) throw new Error(`the description has no ${name}`);
  const parameters = Array.isArray(operation['parameters']) ? operation['parameters'] : [];
  const body = deref(root, operation['requestBody'])['content'];
  const json = isObject(body) ? body['application/json'] : undefined;
  return {
    parameters: parameters.map((each) => {
      const parameter = deref(root, each);
      return {
        name: parameter['name'] ?? null,
        in: parameter['in'] ?? null,
        required: parameter['required'] ?? false,
        schema: toJsonSchema(parameter['schema'] ?? {}),
      };
    }),
    body: isObject(json) ? toJsonSchema(json['schema'] ?? {}) : null,
    bodyRequired: deref(root, operation['requestBody'])['required'] ?? false,
    answers: Object.fromEntries(
      Object.entries(isObject(operation['responses']) ? operation['responses'] : {}).map(([status, each]) => [
        status,
        extractAnswer(root, each),
      ]),
    ),
  };
}

const source = process.argv[2];
if (source === undefined) throw new Error('name the description');
const root = JSON.parse(readFileSync(source, 'utf8')) as JsonObject;
const extracted = Object.fromEntries(operations.map((name) => [name, extractOperation(root, name)]));
const schemas: JsonObject = {};
const waiting = refsIn(extracted);
for (let ref = waiting.pop(); ref !== undefined; ref = waiting.pop()) {
  const name = ref.replace('#/components/schemas/', '');
  if (name in schemas) continue;
  const schema = toJsonSchema(resolve(root, ref));
  schemas[name] = schema;
  waiting.push(...refsIn(schema));
}
const version = isObject(root['info']) ? root['info']['version'] : null;
const sorted = Object.fromEntries(Object.entries(schemas).sort(([one], [other]) => (one < other ? -1 : 1)));
const description = {
  source: '@octokit/openapi',
  version,
  operations: extracted,
  components: { schemas: sorted },
};
const target = fileURLToPath(new URL('github-description.json', import.meta.url));
writeFileSync(target, `${JSON.stringify(description, null, 1)}\n`);
