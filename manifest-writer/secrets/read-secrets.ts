import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { checkSealedSecret } from './sealed-secret.ts';
import { whyNotSecretName } from './secret-file.ts';
import type { CheckedSecret, SecretPlace, SecretRules } from './secret-rules.ts';
import { checkSopsSecret } from './sops-secret.ts';

export interface OwnSecret {
  name: string;
  /** The file's text: one document, from checked data. */
  text: string;
}

export type SecretsReading = { secrets: OwnSecret[] } | { problem: string };

const maxBytes = 512 * 1024;
const plainHint =
  'a plain Secret can be read by everyone who can read the repository; seal it with kubeseal, or encrypt it with sops';

/** The secrets of a `secrets.yml`, each made ready to be its own file; or the first mistake, with its line. */
export function readSecrets(text: string, place: SecretPlace, rules: SecretRules): SecretsReading {
  if (Buffer.byteLength(text) > maxBytes) {
    return { problem: `the secrets are more than ${maxBytes / 1024} kB` };
  }
  if (!text.isWellFormed() || text.includes('\0')) return { problem: 'the secrets are not plain text' };
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const secrets = new Map<string, OwnSecret>();
  for (const document of Array.isArray(documents) ? documents : []) {
    const read = readDocument(document, place, rules);
    if (read === undefined) continue;
    const problem = 'problem' in read ? inWords(read) : whyNotAlso(read, secrets, rules);
    if (problem !== undefined) {
      const { line } = lines.linePos(document.contents?.range?.[0] ?? document.range[0]);
      return { problem: `line ${line}: ${problem}` };
    }
    if ('text' in read) secrets.set(read.name, read);
  }
  return { secrets: [...secrets.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function inWords({ problem, hint }: { problem: string; hint?: string }): string {
  return hint === undefined ? problem : `${problem}; ${hint}`;
}

function whyNotAlso(
  { name }: { name: string },
  secrets: ReadonlyMap<string, OwnSecret>,
  rules: SecretRules,
): string | undefined {
  if (secrets.has(name)) return `there are two secrets "${name}"`;
  const isFull = secrets.size >= rules.maxPerRepository;
  return isFull ? `there are more than ${rules.maxPerRepository} secrets` : undefined;
}

/** `undefined`: an empty document. */
function readDocument(document: Document, place: SecretPlace, rules: SecretRules): CheckedSecret | undefined {
  const [error] = document.errors;
  if (error) return { problem: error.message.replace(/\s+/g, ' ').slice(0, 200) };
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 0 });
  } catch {
    return { problem: 'aliases are not allowed' };
  }
  if (data === null || data === undefined) return undefined;
  return withChecks(data, place, rules);
}

function withChecks(data: unknown, place: SecretPlace, rules: SecretRules): CheckedSecret {
  const { kind, metadata, sops } = fieldsOf(data);
  const { name, namespace } = fieldsOf(metadata);
  if (kind !== 'SealedSecret' && kind !== 'Secret') {
    return { problem: 'only SealedSecrets and Secrets encrypted by SOPS can be here' };
  }
  if (kind === 'Secret' && sops === undefined) return { problem: 'it is not encrypted', hint: plainHint };
  const wanted = kind === 'Secret' ? 'sops' : 'sealed-secret';
  if (!rules.kinds.includes(wanted)) return { problem: `this installation takes no ${wanted} files` };
  const why = typeof name === 'string' ? whyNotName(name, place, rules) : 'metadata.name is missing';
  if (why !== undefined) return { problem: why };
  if (namespace !== undefined && namespace !== place.namespace) {
    return { problem: `metadata.namespace must be "${place.namespace}" or be left out` };
  }
  return kind === 'Secret' ? checkSopsSecret(data, place) : checkSealedSecret(data, place, rules);
}

function whyNotName(name: string, place: SecretPlace, rules: SecretRules): string | undefined {
  const why = whyNotSecretName(place.owner, name);
  if (why !== undefined || !rules.reservedNames.includes(name)) return why;
  return `the name "${name}" is taken in this installation; choose another one`;
}

function fieldsOf(data: unknown): Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...data } : {};
}
