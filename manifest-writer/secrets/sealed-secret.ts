import { z } from 'zod';
import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import { labelValue } from '../../core/names.ts';
import { sorted } from '../render/metadata.ts';
import { toYaml } from '../render/yaml-text.ts';
import { withRepository } from './secret-file.ts';
import {
  type CheckedSecret,
  firstIssue,
  NoTime,
  SecretKey,
  type SecretPlace,
  type SecretRules,
  secretType,
} from './secret-rules.ts';

const namespaceWide = 'sealedsecrets.bitnami.com/namespace-wide';
const clusterWide = 'sealedsecrets.bitnami.com/cluster-wide';
const scope = z.enum(['true', 'false']).optional();
const Annotations = z
  .strictObject({ [namespaceWide]: scope, [clusterWide]: scope })
  .nullable()
  .optional();
const Metadata = z.strictObject({
  name: z.string(),
  namespace: z.string().optional(),
  creationTimestamp: NoTime,
  annotations: Annotations,
});
const Ciphertext = z.string().refine(isCiphertext, 'it is not what kubeseal writes');

/** Only what kubeseal writes: no plain template data, no owner references, no finalizers, no other annotations. */
const SealedSecret = z.strictObject({
  apiVersion: z.literal('bitnami.com/v1alpha1'),
  kind: z.literal('SealedSecret'),
  metadata: Metadata,
  spec: z.strictObject({
    encryptedData: z.record(SecretKey, Ciphertext),
    template: z
      .strictObject({
        type: secretType.optional(),
        immutable: z.boolean().optional(),
        metadata: Metadata.partial().optional(),
        data: z.null().optional(),
      })
      .optional(),
  }),
});
type SealedSecret = z.infer<typeof SealedSecret>;

const tagBytes = 16;

/** The length of an RSA block, the block, then what is encrypted with its tag. Source: sealed-secrets' `pkg/crypto`. */
function isCiphertext(text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text || bytes.length < 2) return false;
  const block = bytes.readUInt16BE(0);
  return block >= 256 && block <= 2048 && bytes.length >= 2 + block + tagBytes;
}

export function checkSealedSecret(data: unknown, place: SecretPlace, rules: SecretRules): CheckedSecret {
  const parsed = SealedSecret.safeParse(data);
  if (!parsed.success) return { problem: firstIssue(parsed.error) };
  const { metadata, spec } = parsed.data;
  const problem = whyNotScope(parsed.data, rules) ?? whyNotTemplate(parsed.data, place);
  if (problem !== undefined) return { problem };
  const wide = metadata.annotations?.[namespaceWide] === 'true';
  const scopeAnnotation = wide ? { annotations: { [namespaceWide]: 'true' } } : {};
  const { type, immutable } = spec.template ?? {};
  const named = { name: metadata.name, namespace: place.namespace };
  const text = toYaml({
    apiVersion: 'bitnami.com/v1alpha1',
    kind: 'SealedSecret',
    metadata: {
      ...named,
      labels: {
        [gitLabels.owner]: labelValue(place.owner),
        [gitLabels.ownerId]: labelValue(place.ownerId),
      },
      annotations: { ...scopeAnnotation.annotations, [towlineAnnotations.repo]: place.repo },
    },
    spec: {
      encryptedData: sorted(spec.encryptedData),
      template: {
        metadata: { ...named, ...scopeAnnotation },
        ...(type === undefined ? {} : { type }),
        ...(immutable === undefined ? {} : { immutable }),
      },
    },
  });
  return { name: metadata.name, text: withRepository(place.repo, text) };
}

function whyNotScope({ metadata, spec }: SealedSecret, rules: SecretRules): string | undefined {
  const all = [metadata.annotations, spec.template?.metadata?.annotations];
  if (all.some((one) => one?.[clusterWide] === 'true')) {
    return 'a cluster-wide sealed secret could be used by anybody; seal it with the strict scope';
  }
  const wanted = all.some((one) => one?.[namespaceWide] === 'true') ? 'namespace-wide' : 'strict';
  if (rules.scopes.includes(wanted)) return undefined;
  return `this installation takes no ${wanted} sealed secrets, only ${rules.scopes.join(' and ')} ones`;
}

function whyNotTemplate({ metadata, spec }: SealedSecret, place: SecretPlace): string | undefined {
  const { name, namespace } = spec.template?.metadata ?? {};
  if (name !== undefined && name !== metadata.name)
    return 'spec.template.metadata.name is another one than its own';
  if (namespace !== undefined && namespace !== place.namespace) {
    return `spec.template.metadata.namespace must be "${place.namespace}" or be left out`;
  }
  const { [namespaceWide]: inner } = spec.template?.metadata?.annotations ?? {};
  const outer = metadata.annotations?.[namespaceWide];
  if ((inner === 'true') !== (outer === 'true') && spec.template?.metadata?.annotations) {
    return 'the scope in spec.template.metadata.annotations is another one than its own';
  }
  return undefined;
}
