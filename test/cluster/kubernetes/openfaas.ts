import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeConfig, KubernetesObject } from '@kubernetes/client-node';
import { KubernetesObjectApi } from '@kubernetes/client-node';
import { apply, until } from './apply.ts';

const schemaFile = join(import.meta.dirname, '../../../manifest-writer/schemas/data/openfaas-function.json');

type Schema = { [key: string]: unknown };

const count = { type: 'integer', format: 'int32' };
const generation = { type: 'integer', format: 'int64' };
const text = { type: 'string' };
/** What the operator of OpenFaaS Pro reports, in the fields of its chart's definition. */
const status = {
  type: 'object',
  properties: {
    ...{ replicas: count, availableReplicas: count, unavailableReplicas: count },
    observedGeneration: generation,
    conditions: {
      type: 'array',
      items: {
        type: 'object',
        required: ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
        properties: {
          lastTransitionTime: { type: 'string', format: 'date-time' },
          message: { type: 'string', maxLength: 32_768 },
          observedGeneration: { ...generation, minimum: 0 },
          reason: { type: 'string', minLength: 1, maxLength: 1024 },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          type: { type: 'string', maxLength: 316 },
        },
      },
    },
    profiles: {
      type: 'array',
      items: {
        type: 'object',
        required: ['observedGeneration', 'profileRef'],
        properties: {
          observedGeneration: generation,
          profileRef: { type: 'object', properties: { name: text, namespace: text } },
        },
      },
    },
  },
};

/** The definition of `openfaas.com/v1` Function, from the schema that manifests are checked against. */
export async function functionDefinition(): Promise<KubernetesObject> {
  const { properties, $defs } = JSON.parse(await readFile(schemaFile, 'utf8')) as {
    properties: { spec: Schema };
    $defs: Record<string, Schema>;
  };
  const spec = structural(properties.spec, $defs);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'functions.openfaas.com' },
    spec: {
      group: 'openfaas.com',
      scope: 'Namespaced',
      names: { kind: 'Function', plural: 'functions', singular: 'function', listKind: 'FunctionList' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: {
                spec,
                status,
              },
            },
          },
        },
      ],
    },
  } as KubernetesObject;
}

/** A structural schema has no references, and says "closed" by what it leaves out. */
function structural(schema: unknown, defs: Record<string, Schema>): unknown {
  if (Array.isArray(schema)) return schema.map((one) => structural(one, defs));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema as Schema;
  if (typeof $ref === 'string') return structural(defs[$ref.slice('#/$defs/'.length)], defs);
  const entries = Object.entries(rest).filter(
    ([key, value]) => !(key === 'additionalProperties' && value === false),
  );
  return Object.fromEntries(entries.map(([key, value]) => [key, structural(value, defs)]));
}

export async function installFunctions(config: KubeConfig): Promise<void> {
  await apply(config, [await functionDefinition()]);
  const api = KubernetesObjectApi.makeApiClient(config);
  await until(async () => {
    const kind = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' };
    const found = (await api.read({ ...kind, metadata: { name: 'functions.openfaas.com' } })) as {
      status?: { conditions?: { type: string; status: string }[] };
    };
    return (
      found.status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True') ?? false
    );
  }, 'the Function definition');
}
