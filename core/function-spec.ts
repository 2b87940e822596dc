import { z } from 'zod';

/** Where a deployed function came from: becomes labels and annotations, and is read back from them. */
export interface Provenance {
  owner: string;
  ownerId: string;
  repo: string;
  branch: string;
  sourceCommit: string;
  scm: 'git' | 'github' | 'gitlab';
  private: boolean;
  repoUrl: string;
}

const Resources = z.object({ cpu: z.string().optional(), memory: z.string().optional() });
export type Resources = z.infer<typeof Resources>;

const Texts = z.record(z.string(), z.string());

/** What a function's author says about how it runs, without policy. */
export const FunctionConfiguration = z.object({
  environment: Texts,
  secrets: z.array(z.string()),
  labels: Texts,
  annotations: Texts,
  limits: Resources,
  requests: Resources,
  constraints: z.array(z.string()),
  readOnlyRootFilesystem: z.boolean(),
});
export type FunctionConfiguration = z.infer<typeof FunctionConfiguration>;

/** Of a function whose author says nothing. */
export const emptyConfiguration = (): FunctionConfiguration => ({
  environment: {},
  secrets: [],
  labels: {},
  annotations: {},
  limits: {},
  requests: {},
  constraints: [],
  readOnlyRootFilesystem: false,
});

/** What a refusal calls a label or an annotation: by this name it is found again where its author wrote it. */
export function entryName(kind: 'label' | 'annotation', key: string): string {
  return `${kind} "${key}"`;
}

/** What a function's author may say about how it runs, after policy; the same for every target. */
export interface FunctionSpec extends FunctionConfiguration {
  owner: string;
  functionName: string;
  /** Always ends in `@sha256:…`. */
  image: string;
}

/** The parts of an `openfaas.com/v1` Function that Towline reads back. Source: faas-netes CRD. */
export const OpenFaasFunction = z.object({
  apiVersion: z.literal('openfaas.com/v1'),
  kind: z.literal('Function'),
  metadata: z.object({
    name: z.string(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({
    name: z.string(),
    image: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    environment: z.record(z.string(), z.string()).default({}),
    secrets: z.array(z.string()).default([]),
    constraints: z.array(z.string()).default([]),
    limits: Resources.optional(),
    requests: Resources.optional(),
    readOnlyRootFilesystem: z.boolean().default(false),
  }),
});
export type OpenFaasFunction = z.infer<typeof OpenFaasFunction>;

/** Label keys that every target carries. `cloud` is OpenFaaS Cloud's spelling, the other is today's OpenFaaS. */
export const gitLabels = {
  owner: 'com.openfaas.git-owner',
  ownerId: 'com.openfaas.git-owner-id',
  repo: 'com.openfaas.git-repo',
  branch: 'com.openfaas.git-branch',
  sha: 'com.openfaas.git-sha',
  scm: 'com.openfaas.git-scm',
  private: 'com.openfaas.git-private',
  functionName: 'towline.dev/function',
} as const;

/** The full values, which labels can only carry cut to 63 characters. */
export const towlineAnnotations = {
  repo: 'towline.dev/git-repo',
  branch: 'towline.dev/git-branch',
  repoUrl: 'com.openfaas.git-repo-url',
  access: 'towline.dev/access',
  /** Who holds the function, since when and why, as one line: while it is there, deploys wait. */
  hold: 'towline.dev/hold',
} as const;
