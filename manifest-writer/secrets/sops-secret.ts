import { z } from 'zod';
import { toYaml } from '../render/yaml-text.ts';
import { withRepository } from './secret-file.ts';
import {
  type CheckedSecret,
  firstIssue,
  NoTime,
  SecretKey,
  type SecretPlace,
  secretType,
} from './secret-rules.ts';

/** The nonce has 32 bytes, the tag 16. Source: sops' `aes` package. */
const encrypted =
  /^ENC\[AES256_GCM,data:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?,iv:[A-Za-z0-9+/]{43}=,tag:[A-Za-z0-9+/]{22}==,type:(?:str|bytes|int|float|bool)\]$/;
const Encrypted = z.string().regex(encrypted, 'it is not encrypted');
const Values = z.record(SecretKey, Encrypted).optional();
const KeyList = z.array(z.json()).nullable().optional();

const keyLists = ['age', 'kms', 'gcp_kms', 'azure_kv', 'hc_vault', 'pgp', 'key_groups'] as const;
const Sops = z.strictObject({
  age: KeyList,
  kms: KeyList,
  gcp_kms: KeyList,
  azure_kv: KeyList,
  hc_vault: KeyList,
  pgp: KeyList,
  key_groups: KeyList,
  shamir_threshold: z.int().optional(),
  lastmodified: z.string(),
  mac: Encrypted,
  // Without it the name would not be covered by the checksum, and the values could be used under another name.
  mac_only_encrypted: z.literal(false, 'the checksum must cover the whole document').optional(),
  encrypted_regex: z.string().optional(),
  unencrypted_regex: z.string().optional(),
  encrypted_suffix: z.string().optional(),
  unencrypted_suffix: z.string().optional(),
  version: z.string(),
});

const SopsSecret = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Secret'),
  metadata: z.strictObject({ name: z.string(), namespace: z.string().optional(), creationTimestamp: NoTime }),
  type: secretType.optional(),
  immutable: z.boolean().optional(),
  data: Values,
  stringData: Values,
  sops: Sops,
});

/** The document stays as it is, its order too: SOPS's checksum is of all of its values. */
export function checkSopsSecret(data: unknown, place: SecretPlace): CheckedSecret {
  const parsed = SopsSecret.safeParse(data);
  if (!parsed.success) {
    return {
      problem: firstIssue(parsed.error),
      hint: "encrypt it with sops and encrypted_regex '^(data|stringData)$'",
    };
  }
  const { metadata, sops, data: values, stringData } = parsed.data;
  if (!keyLists.some((list) => (sops[list] ?? []).length > 0)) {
    return { problem: 'sops: it names no key that it is encrypted for' };
  }
  if (Object.keys({ ...values, ...stringData }).length === 0) {
    return { problem: 'it has neither data nor stringData' };
  }
  return { name: metadata.name, text: withRepository(place.repo, toYaml(data as object)) };
}
