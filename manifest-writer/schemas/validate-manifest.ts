import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Target } from '../render/target.ts';

const maxProblems = 3;

/** `v1` List is no kind of its own in the API: it stands for its items. */
const list = {
  type: 'object',
  required: ['apiVersion', 'kind', 'items'],
  additionalProperties: false,
  properties: {
    apiVersion: { const: 'v1' },
    kind: { const: 'List' },
    items: {
      type: 'array',
      minItems: 2,
      maxItems: 3,
      items: {
        type: 'object',
        required: ['kind'],
        discriminator: { propertyName: 'kind' },
        oneOf: [
          'io.k8s.api.apps.v1.Deployment',
          'io.k8s.api.core.v1.Service',
          'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
        ].map((name) => ({ $ref: `kubernetes.json#/$defs/${name}` })),
      },
    },
  },
};

const compiled = new Map<Target, ValidateFunction>();

function data(file: string): object {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'data', file), 'utf8'));
}

function compile(target: Target): ValidateFunction {
  // Kubernetes' formats (int32, int-or-string, …) repeat what the types say.
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, discriminator: true });
  if (target === 'openfaas') return ajv.compile(data('openfaas-function.json'));
  if (target === 'knative') return ajv.compile(data('knative-service.json'));
  return ajv.addSchema(data('kubernetes.json'), 'kubernetes.json').compile(list);
}

/** Why the API server would not take this manifest as it is; `undefined` if it would. The first call per target compiles. */
export function whyNotSchema(target: Target, manifest: unknown): string | undefined {
  const validate = compiled.get(target) ?? compile(target);
  compiled.set(target, validate);
  if (validate(manifest)) return undefined;
  return (validate.errors ?? []).slice(0, maxProblems).map(inWords).join('; ') || 'it is not of its kind';
}

function inWords({ instancePath, message, params }: ErrorObject): string {
  const path = instancePath.split('/').slice(1).map(unescaped).join('.') || 'the manifest';
  const field =
    typeof params['additionalProperty'] === 'string' ? ` ("${params['additionalProperty']}")` : '';
  return `${path} ${message ?? 'is not valid'}${field}`;
}

function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
