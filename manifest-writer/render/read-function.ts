import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { OpenFaasFunction } from '../../core/function-spec.ts';
import { deployKeys } from './metadata.ts';
import { fromKubeletLiteral } from './pod.ts';
import type { Target } from './target.ts';
import { fromYaml } from './yaml-text.ts';

/** What a manifest of any target says, in the words of an OpenFaaS Function. */
export interface FunctionManifest extends Pick<OpenFaasFunction, 'metadata' | 'spec'> {
  target: Target;
}

const Texts = z.record(z.string(), z.string());
const Metadata = OpenFaasFunction.shape.metadata;
const Template = z.object({
  metadata: z.object({ labels: Texts.default({}), annotations: Texts.default({}) }),
  spec: z.object({
    containers: z.tuple([
      z.object({
        image: z.string(),
        env: z.array(z.object({ name: z.string(), value: z.string().default('') })).default([]),
        resources: z
          .object({
            limits: OpenFaasFunction.shape.spec.shape.limits,
            requests: OpenFaasFunction.shape.spec.shape.requests,
          })
          .default({}),
        securityContext: z.object({ readOnlyRootFilesystem: z.boolean().default(false) }).optional(),
      }),
    ]),
    nodeSelector: Texts.default({}),
    volumes: z
      .array(
        z.object({
          projected: z
            .object({ sources: z.array(z.object({ secret: z.object({ name: z.string() }).optional() })) })
            .optional(),
        }),
      )
      .default([]),
  }),
});

const KnativeService = z.object({
  apiVersion: z.literal('serving.knative.dev/v1'),
  kind: z.literal('Service'),
  metadata: Metadata,
  spec: z.object({ template: Template }),
});

const Deployment = z.object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata: Metadata,
  spec: z.object({ template: Template }),
});
const OtherItem = z.object({ kind: z.enum(['Service', 'HorizontalPodAutoscaler']) });
const KubernetesList = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('List'),
  items: z.tuple([Deployment], OtherItem),
});

/** A decision asks several things of one text, one after the other. */
let lastRead: { text: string; manifest: FunctionManifest | undefined } | undefined;

/** What the manifest says, or `undefined` if the text is not exactly one valid manifest of a known target. Not to be changed. */
export function readFunction(text: string): FunctionManifest | undefined {
  if (lastRead?.text !== text) lastRead = { text, manifest: functionOf(fromYaml(text)) };
  return lastRead.manifest;
}

function functionOf(data: unknown): FunctionManifest | undefined {
  const openFaas = OpenFaasFunction.safeParse(data).data;
  if (openFaas) return { target: 'openfaas', metadata: openFaas.metadata, spec: openFaas.spec };
  const knative = KnativeService.safeParse(data).data;
  if (knative) return fromTemplate('knative', knative.metadata, knative.spec.template);
  const deployment = KubernetesList.safeParse(data).data?.items[0];
  return deployment && fromTemplate('kubernetes', deployment.metadata, deployment.spec.template);
}

function fromTemplate(
  target: Target,
  metadata: FunctionManifest['metadata'],
  template: z.infer<typeof Template>,
): FunctionManifest {
  const { containers, nodeSelector, volumes } = template.spec;
  const [container] = containers;
  const sources = volumes.flatMap((volume) => volume.projected?.sources ?? []);
  return {
    target,
    metadata,
    spec: {
      name: metadata.name,
      image: container.image,
      labels: authored(template.metadata.labels),
      annotations: authored(template.metadata.annotations),
      environment: Object.fromEntries(
        container.env.map(({ name, value }) => [name, fromKubeletLiteral(value)]),
      ),
      secrets: sources.flatMap(({ secret }) => secret?.name ?? []),
      constraints: Object.entries(nodeSelector).map(([key, value]) => `${key}=${value}`),
      limits: container.resources.limits,
      requests: container.resources.requests,
      readOnlyRootFilesystem: container.securityContext?.readOnlyRootFilesystem ?? false,
    },
  };
}

/** Without what only the target needs. */
function authored(map: Record<string, string>): Record<string, string> {
  const kept = Object.entries(map).filter(
    ([key]) => key !== 'faas_function' && key !== 'towline.dev/tenant' && !/knative\.dev\//.test(key),
  );
  return Object.fromEntries(kept);
}

/** Most deploys bring another image, which can be told without reading the whole manifest. */
const imageLine = /^ +(?:- )?image: [^\s"'#&*!|>]\S*$/m;

/** Whether two manifests ask for the same, whatever commit and time they are of. */
export function asksForTheSame(one: string, other: string): boolean {
  if (one === other) return true;
  const [image, otherImage] = [imageLine.exec(one)?.[0], imageLine.exec(other)?.[0]];
  if (image !== undefined && otherImage !== undefined && image !== otherImage) return false;
  const [first, second] = [withoutDeploy(one), withoutDeploy(other)];
  return first !== undefined && isDeepStrictEqual(first, second);
}

function withoutDeploy(text: string): unknown {
  const data = fromYaml(text);
  if (functionOf(data) === undefined) return undefined;
  // Compared as data, unknown fields too: a person's edit of one must be put right by the next deploy.
  return JSON.parse(JSON.stringify(data), (key, value) => (deployKeys.includes(key) ? undefined : value));
}
