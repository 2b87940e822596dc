export interface Span {
  start: number;
  /** Exclusive. */
  end: number;
}

/** Finds all patterns at once; the cost is that of reading the text, whatever the patterns and the text are (Aho and Corasick). */
export interface TextSearch {
  /** What the patterns' occurrences cover, in order; occurrences that touch or overlap are one span. */
  spans(text: string): Span[];
}

const alphabet = 65_536;

/** A tree of the patterns' characters; a node's number is its row in these lists. */
interface Tree {
  edges: Map<number, number>;
  /** Where the search goes on when no edge fits: the longest other beginning that the text ends with. */
  fallback: number[];
  /** Length of the longest pattern that ends here; 0 if none does. */
  ending: number[];
}

/** The nodes in the order of their depth, each with its parent and the character that leads to it. */
type Nodes = { node: number; parent: number; code: number }[];

function plant(patterns: readonly string[]): { tree: Tree; nodes: Nodes } {
  const tree: Tree = { edges: new Map(), fallback: [0], ending: [0] };
  const levels: Nodes[] = [];
  for (const pattern of patterns) {
    let node = 0;
    for (let depth = 0; depth < pattern.length; depth += 1) {
      const code = pattern.charCodeAt(depth);
      const key = node * alphabet + code;
      let child = tree.edges.get(key);
      if (child === undefined) {
        child = tree.ending.push(0) - 1;
        tree.edges.set(key, child);
        tree.fallback.push(0);
        const level = levels[depth] ?? [];
        levels[depth] = level;
        level.push({ node: child, parent: node, code });
      }
      node = child;
    }
    tree.ending[node] = pattern.length;
  }
  return { tree, nodes: levels.flat() };
}

function step({ edges, fallback }: Tree, from: number, code: number): number {
  for (let node = from; ; node = fallback[node] ?? 0) {
    const child = edges.get(node * alphabet + code);
    if (child !== undefined) return child;
    if (node === 0) return 0;
  }
}

/** Patterns must not be empty. */
export function createTextSearch(patterns: readonly string[]): TextSearch {
  const { tree, nodes } = plant(patterns);
  for (const { node, parent, code } of nodes) {
    const other = parent === 0 ? 0 : step(tree, tree.fallback[parent] ?? 0, code);
    tree.fallback[node] = other;
    tree.ending[node] = Math.max(tree.ending[node] ?? 0, tree.ending[other] ?? 0);
  }
  return {
    spans(text) {
      const found: Span[] = [];
      let node = 0;
      for (let at = 0; at < text.length; at += 1) {
        node = step(tree, node, text.charCodeAt(at));
        const length = tree.ending[node] ?? 0;
        if (length === 0) continue;
        let start = at + 1 - length;
        for (let last = found.at(-1); last && last.end >= start; last = found.at(-1)) {
          start = Math.min(start, last.start);
          found.pop();
        }
        found.push({ start, end: at + 1 });
      }
      return found;
    },
  };
}
