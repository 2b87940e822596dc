import { parseDocument } from 'yaml';

/** As with an RSA key of 4096 bits. */
const ciphertext = 'AgB'.padEnd(720, 'q1');

/** Paths and their new values; `undefined` takes the field away. */
type Edits = Record<string, unknown>;

function edited(text: string, edits: Edits): string {
  const document = parseDocument(text);
  for (const [path, value] of Object.entries(edits)) {
    if (value === undefined) document.deleteIn(path.split('.'));
    else document.setIn(path.split('.'), document.createNode(value));
  }
  return document.toString();
}

/** As kubeseal writes it. */
export function sealed(name: string, edits: Edits = {}): string {
  const text = `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  creationTimestamp: null
  name: ${name}
  namespace: openfaas-fn
spec:
  encryptedData:
    token: ${ciphertext}
  template:
    metadata:
      creationTimestamp: null
      name: ${name}
      namespace: openfaas-fn
    type: Opaque
`;
  return edited(text, edits);
}

const value = (data: string) =>
  `ENC[AES256_GCM,data:${data},iv:${'q1'.repeat(21)}A=,tag:${'q1'.repeat(10)}qQ==,type:str]`;

/** As `sops --encrypted-regex '^(data|stringData)$'` writes it. */
export function sops(name: string, edits: Edits = {}): string {
  const text = `apiVersion: v1
kind: Secret
metadata:
  name: ${name}
type: Opaque
stringData:
  token: ${value('c2VjcmV0')}
  another: ${value('b3RoZXI=')}
sops:
  age:
    - recipient: age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyq
      enc: |
        -----BEGIN AGE ENCRYPTED FILE-----
        YWdlLWVuY3J5cHRpb24ub3JnL3Yx
        -----END AGE ENCRYPTED FILE-----
  lastmodified: "2026-11-01T10:00:00Z"
  mac: ${value('bWFj')}
  encrypted_regex: ^(data|stringData)$
  version: 3.10.2
`;
  return edited(text, edits);
}
