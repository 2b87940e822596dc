import { emptyConfiguration, type FunctionSpec, type Provenance } from '../../core/function-spec.ts';
import type { RenderOptions } from './metadata.ts';
import type { Target } from './target.ts';

const digest = `sha256:${'a'.repeat(64)}`;

export const provenance: Provenance = {
  owner: 'alice',
  ownerId: '17',
  repo: 'greetings',
  branch: 'feature/ünïcode branch',
  sourceCommit: '1'.repeat(40),
  scm: 'git',
  private: true,
  repoUrl: 'http://localhost:8080/git/alice/greetings.git',
};

export function spec(changes: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    owner: 'alice',
    functionName: 'hello',
    image: `artifact.towline.internal/alice/greetings-hello:latest-main-1111111@${digest}`,
    ...emptyConfiguration(),
    ...changes,
  };
}

/** Everything that a stack file can say. */
export const fullSpec = spec({
  environment: {
    GREETING: 'hello',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it must stay text
    PRICE: '$$5 $(NOT_A_REFERENCE) ${NOR_THIS}',
    write_timeout: '2m',
    max_inflight: '20',
  },
  secrets: ['alice-api-key', 'token'],
  labels: {
    'com.openfaas.scale.min': '2',
    'com.openfaas.scale.max': '8',
    'com.openfaas.scale.target': '250',
    'com.openfaas.scale.type': 'cpu',
    team: 'green',
  },
  annotations: { topic: 'orders', schedule: '*/5 * * * *', 'towline.dev/access': 'members' },
  limits: { cpu: '1', memory: '256Mi' },
  requests: { cpu: '500m', memory: '128Mi' },
  constraints: ['kubernetes.io/arch = arm64'],
  readOnlyRootFilesystem: true,
});

export function renderOptions(target: Target): RenderOptions {
  return { target, namespace: 'openfaas-fn', deployedAt: 1_700_000_000_000 };
}
