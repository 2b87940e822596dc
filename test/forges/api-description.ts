import { Ajv, type ValidateFunction } from 'ajv';

export interface DescribedOperation {
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  /** `null`: it takes none. */
  body: object | null;
  bodyRequired: boolean;
  answers: Record<string, { schema?: object; example?: unknown }>;
}

/** What of a forge's published description is served here: operations are named as `GET /repos/{owner}`. */
export interface ApiDescription {
  source: string;
  version: string;
  operations: Record<string, DescribedOperation>;
  components: { schemas: Record<string, object> };
}

export interface MatchedOperation {
  name: string;
  /** Those in the path. */
  parameters: Record<string, string>;
}

export interface ApiContract {
  match(method: string, pathname: string): MatchedOperation | undefined;
  /** What is wrong with a request, in words; empty if nothing is. */
  checkRequest(matched: MatchedOperation, query: URLSearchParams, body: unknown): string[];
  checkAnswer(name: string, status: number, body: unknown): string[];
  /** The description's own example of a successful answer. */
  example<T>(name: string): T;
}

const isInteger = /^-?\d+$/;

/** What stands in a path or a query is text; the schemas speak of numbers and booleans too. */
function fromText(text: string): unknown {
  if (isInteger.test(text)) return Number(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
}

function pattern(path: string): RegExp {
  const escaped = path.replace(/[.]/g, '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${escaped}$`);
}

/** Compiles each schema when it is needed first. */
export function createApiContract(description: ApiDescription): ApiContract {
  const ajv = new Ajv({ strict: false, allErrors: true, inlineRefs: false });
  ajv.addFormat('date-time', (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text));
  ajv.addFormat('uri', (text: string) => text === '' || URL.canParse(text.replace(/\{[^}]*\}/g, '')));
  for (const name of ['email', 'timestamp', 'int64', 'int32', 'repo.nwo', 'hostname', 'binary', 'date'])
    ajv.addFormat(name, true);
  ajv.addSchema({ $id: 'description', components: description.components });
  const compiled = new Map<object, ValidateFunction>();
  const routes = Object.keys(description.operations).map((name) => {
    const [method = '', path = ''] = name.split(' ');
    return { name, method, path: pattern(path) };
  });

  function complaints(schema: object, value: unknown, what: string): string[] {
    let validate = compiled.get(schema);
    if (!validate) {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"description#/components/');
      validate = ajv.compile(JSON.parse(text) as object);
      compiled.set(schema, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map((error) => `${what}${error.instancePath}: ${error.message}`);
  }

  function operation(name: string): DescribedOperation {
    const found = description.operations[name];
    if (!found) throw new Error(`${name} is not described`);
    return found;
  }

  return {
    match(method, pathname) {
      for (const route of routes) {
        const found = route.method === method ? route.path.exec(pathname) : null;
        if (!found) continue;
        const entries = Object.entries(found.groups ?? {}).map(([key, text]) => [
          key,
          decodeURIComponent(text),
        ]);
        return { name: route.name, parameters: Object.fromEntries(entries) };
      }
      return undefined;
    },
    checkRequest({ name, parameters }, query, body) {
      const { parameters: described, ...rest } = operation(name);
      const wrong = described.flatMap((parameter) => {
        const text = parameter.in === 'query' ? query.get(parameter.name) : parameters[parameter.name];
        if (text === null || text === undefined)
          return parameter.required && parameter.in === 'query' ? [`${parameter.name} is missing`] : [];
        const asText = complaints(parameter.schema, text, parameter.name);
        return asText.length === 0 ? [] : complaints(parameter.schema, fromText(text), parameter.name);
      });
      for (const key of query.keys()) {
        const isKnown = described.some((parameter) => parameter.in === 'query' && parameter.name === key);
        if (!isKnown) wrong.push(`${key} is no parameter of ${name}`);
      }
      if (body === undefined) return rest.bodyRequired ? [...wrong, 'the body is missing'] : wrong;
      if (rest.body === null) return wrong;
      return [...wrong, ...complaints(rest.body, body, 'body')];
    },
    checkAnswer(name, status, body) {
      const answer = operation(name).answers[String(status)];
      // Errors and redirects that every operation may give, and that the description therefore leaves out.
      if (!answer) return status >= 300 ? [] : [`${name} never answers ${status}`];
      if (!answer.schema) return [];
      return complaints(answer.schema, body, 'answer');
    },
    example<T>(name: string): T {
      for (const answer of Object.values(operation(name).answers)) {
        if (answer.example !== undefined) return structuredClone(answer.example) as T;
      }
      throw new Error(`${name} has no example`);
    },
  };
}
