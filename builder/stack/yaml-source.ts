import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml';
import type { SourcePlace } from '../../core/errors.ts';
import { type Findings, quoted } from './findings.ts';
import { countLines, substituteVariables } from './substitute-variables.ts';

/** A parsed YAML file whose every node still knows its line and column. */
export interface YamlSource {
  file: string;
  root: Node | null;
  findings: Findings;
  place(node: Node | null | undefined): SourcePlace;
  /** What an alias stands for; any other node is itself. */
  resolve(node: unknown): Node | null;
  /** Whether that much more (entries and characters) may be read: aliases can make a small file huge. */
  spend(amount: number): boolean;
}

interface ParseOptions {
  file: string;
  text: string;
  findings: Findings;
  substitute: boolean;
}

/** Four times what fits into the largest file without aliases. */
const maxExpanded = 1_000_000;
const maxReportedSyntaxErrors = 5;

/** `undefined` if it is not YAML; the findings then say why. */
export function parseYaml(options: ParseOptions): YamlSource | undefined {
  const { file, findings } = options;
  const counter = new LineCounter();
  countLines(options.text, counter);
  const substituted = options.substitute ? substituteVariables(options.text) : undefined;
  const placeAt = (offset: number): SourcePlace => {
    const { line, col } = counter.linePos(substituted?.originOf(offset) ?? offset);
    return { file, line, column: col };
  };
  for (const note of substituted?.notes ?? []) {
    const { line, col } = counter.linePos(note.offset);
    const place = { file, line, column: col };
    if (note.isProblem)
      findings.problem(place, note.message, 'a build is given no variables: write the value');
    else findings.warn(place, note.message);
  }
  // What is missing would make the rest look wrong.
  if (substituted?.notes.some((note) => note.isProblem)) return undefined;
  // The library's own check for duplicate keys takes seconds for a hostile file; `inspect` does it in one pass.
  const document = parseDocument(substituted?.text ?? options.text, {
    merge: true,
    uniqueKeys: false,
    prettyErrors: false,
  });
  for (const error of document.errors.slice(0, maxReportedSyntaxErrors)) {
    findings.problem(placeAt(error.pos[0]), `not valid YAML: ${plainMessage(error.code, error.message)}`);
  }
  if (document.errors.length > 0) return undefined;
  for (const warning of document.warnings) findings.warn(placeAt(warning.pos[0]), warning.message);
  const place = (node: Node | null | undefined) => placeAt(node?.range?.[0] ?? 0);
  const targets = inspect(document, (node, message) => findings.problem(place(node), message));
  let left = maxExpanded;
  const spend = (amount: number): boolean => {
    const before = left;
    left -= amount;
    if (left < 0 && before >= 0) findings.problem({ file }, 'its aliases make it too large');
    return left >= 0;
  };
  return {
    file,
    root: document.contents,
    findings,
    place,
    resolve: (node) => (isAlias(node) ? (targets.get(node) ?? null) : isNode(node) ? node : null),
    spend,
  };
}

function plainMessage(code: string, message: string): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'it is nested too deeply';
  if (code === 'MULTIPLE_DOCS') return 'it holds more than one document; a stack file is one';
  return message.split('\n')[0] ?? message;
}

/** One pass over the tree: duplicate keys, and what each alias stands for (the library searches the whole tree for each). */
function inspect(document: Document, report: (node: Node, message: string) => void): Map<Node, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target) targets.set(node, target);
        else report(node, `the alias *${node.source.slice(0, 80)} has no anchor before it`);
      } else if (node.anchor) anchors.set(node.anchor, node);
      if (isMap(node)) reportDuplicates(node.items, report);
    },
  });
  return targets;
}

function reportDuplicates(items: Pair[], report: (node: Node, message: string) => void): void {
  const seen = new Set<string>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    const text = keyText(key);
    if (seen.has(text) && text !== '<<') report(key, `the key ${quoted(text)} is there twice`);
    seen.add(text);
  }
}

/** A key's text: as it was written even if it looks like nothing, so that a variable can be called NULL. */
export function keyText({ value, source }: Scalar): string {
  return value === null ? (source ?? '') : scalarText(value, source);
}

/** A scalar's text as it was written, so that `1.10` stays `1.10` and `true` can be a text. */
export function scalarText(value: unknown, source: string | undefined): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  return source ?? String(value);
}
