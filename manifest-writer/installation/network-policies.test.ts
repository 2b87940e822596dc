import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { readInstallation } from './installation-config.ts';
import { installationFiles } from './installation-files.ts';

interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values: string[] }[];
}
interface Peer {
  namespaceSelector?: Selector;
  podSelector?: Selector;
  ipBlock?: { cidr: string; except?: string[] };
}
interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { protocol: string; port: number }[];
}
interface Policy {
  kind: string;
  metadata: { namespace: string };
  spec: { podSelector: Selector; policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] };
}
/** Of a pod in the cluster, or an address outside. */
interface End {
  namespace?: string;
  labels?: Record<string, string>;
  address: string;
}

const templateDir = join(import.meta.dirname, '../../gitops-repo-template');
const base = {
  repository: 'https://git.example.org/acme/functions.git',
  ...{ domain: 'fn.example.org', registry: 'registry.fn.example.org', tenants: ['alice', 'bob'] },
};

async function policiesOf(settings: object): Promise<Policy[]> {
  const files = await installationFiles(
    templateDir,
    readInstallation(JSON.stringify({ ...base, ...settings })),
  );
  const texts = [...files].filter(([path]) => path.endsWith('.yaml') && !path.includes('tenant-template'));
  const objects = texts.flatMap(([, text]) => parseAllDocuments(text).map((one) => one.toJS() as Policy));
  return objects.filter((one) => one?.kind === 'NetworkPolicy');
}

function selects(selector: Selector, labels: Record<string, string>): boolean {
  for (const { operator } of selector.matchExpressions ?? []) assert.equal(operator, 'In');
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
    (selector.matchExpressions ?? []).every(({ key, values }) => values.includes(labels[key] ?? ''))
  );
}

function isWithin(address: string, cidr: string): boolean {
  const [net = '', prefix] = cidr.split('/');
  const list = new BlockList();
  list.addSubnet(net, Number(prefix));
  return list.check(address);
}

function isPeer({ namespaceSelector, podSelector, ipBlock }: Peer, end: End, own: string): boolean {
  if (ipBlock) {
    return (
      isWithin(end.address, ipBlock.cidr) && !ipBlock.except?.some((cidr) => isWithin(end.address, cidr))
    );
  }
  if (end.namespace === undefined) return false;
  const space = { 'kubernetes.io/metadata.name': end.namespace };
  const isSpace = namespaceSelector ? selects(namespaceSelector, space) : end.namespace === own;
  return isSpace && selects(podSelector ?? {}, end.labels ?? {});
}

/** As the API describes it: what no policy selects is open, what one selects has the rules of all that do. */
function isOpen(policies: Policy[], type: 'Ingress' | 'Egress', at: End, other: End, port: number): boolean {
  const chosen = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === at.namespace &&
      spec.policyTypes.includes(type) &&
      selects(spec.podSelector, at.labels ?? {}),
  );
  const rules = chosen.flatMap(({ spec }) => (type === 'Ingress' ? spec.ingress : spec.egress) ?? []);
  return (
    chosen.length === 0 ||
    rules.some(({ from, to, ports }) => {
      const peers = from ?? to;
      const isNamed = peers === undefined || peers.some((peer) => isPeer(peer, other, at.namespace ?? ''));
      return isNamed && (ports === undefined || ports.some((one) => one.port === port));
    })
  );
}

const pod = (namespace: string, name: string, address = '10.1.2.3'): End => ({
  ...{ namespace, address },
  labels: { 'app.kubernetes.io/name': name },
});
const places: Record<string, End> = {
  build: pod('towline-builds', 'buildkitd'),
  alice: pod('tenant-alice', 'alice-hello'),
  bob: pod('tenant-bob', 'bob-hello'),
  edge: pod('ingress-nginx', 'controller'),
  registry: pod('towline-registry', 'registry'),
  router: pod('towline', 'router'),
  builder: pod('towline', 'builder'),
  auth: pod('towline', 'auth'),
  writer: pod('towline', 'manifest-writer'),
  kustomizer: {
    ...{ namespace: 'flux-system', address: '10.1.2.3' },
    labels: { app: 'kustomize-controller' },
  },
  apiServer: { address: '10.96.0.1' },
  metadataService: { address: '169.254.169.254' },
  world: { address: '203.0.113.9' },
  privateBalancer: { address: '10.9.0.7' },
};

async function reaches(
  from: string,
  to: string,
  port: number,
  settings: object = { image: `registry.example.org/towline@sha256:${'a'.repeat(64)}` },
): Promise<boolean> {
  const policies = await policiesOf(settings);
  const [a, b] = [places[from] as End, places[to] as End];
  return isOpen(policies, 'Egress', a, b, port) && isOpen(policies, 'Ingress', b, a, port);
}

const table: [from: string, to: string, port: number, allowed: boolean][] = [
  // An image is pushed to the registry's own name, which is the edge's.
  ['build', 'edge', 443, true],
  ['edge', 'registry', 5000, true],
  // Of ingress-nginx: its admission webhook, and its metrics.
  ['build', 'edge', 8443, false],
  ['build', 'edge', 10254, false],
  ['alice', 'edge', 8443, false],
  ['build', 'world', 443, true],
  ['build', 'apiServer', 443, false],
  ['build', 'metadataService', 80, false],
  ['build', 'alice', 8080, false],
  ['build', 'builder', 8081, false],
  ['build', 'auth', 8080, false],
  ['builder', 'build', 1234, true],
  ['alice', 'build', 1234, false],
  ['edge', 'build', 1234, false],
  ['alice', 'edge', 443, true],
  ['alice', 'world', 443, true],
  ['alice', 'bob', 8080, false],
  ['alice', 'registry', 5000, false],
  ['alice', 'router', 8080, false],
  ['alice', 'apiServer', 443, false],
  ['alice', 'metadataService', 80, false],
  ['edge', 'alice', 8080, false],
  ['router', 'alice', 8080, true],
  ['edge', 'router', 8080, true],
  ['edge', 'auth', 8080, true],
  ['edge', 'auth', 8081, false],
  ['edge', 'writer', 8081, false],
  ['kustomizer', 'writer', 8090, true],
  ['kustomizer', 'writer', 8081, false],
  ['registry', 'world', 443, false],
];

describe('the network policies', () => {
  for (const [from, to, port, allowed] of table) {
    it(`${allowed ? 'let' : 'keep'} ${from} ${allowed ? 'reach' : 'from'} ${to}:${port}`, async () => {
      assert.equal(await reaches(from, to, port), allowed);
    });
  }

  it('let builds and functions reach an edge of another kind, and nothing more', async () => {
    const settings = { edgeNamespace: 'traefik', edgePorts: [8443], edgeAddresses: ['10.9.0.7/32'] };
    for (const from of ['build', 'alice']) {
      assert.equal(await reaches(from, 'privateBalancer', 8443, settings), true);
      assert.equal(await reaches(from, 'privateBalancer', 443, settings), false);
      assert.equal(await reaches(from, 'privateBalancer', 8443), false);
      assert.equal(await reaches(from, 'edge', 8443, settings), false);
    }
  });

  it('open nothing to all by a list without an entry', async () => {
    for (const { spec } of await policiesOf({})) {
      for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
        assert.notEqual((rule.from ?? rule.to)?.length, 0);
        assert.notEqual(rule.ports?.length, 0);
      }
    }
  });
});
