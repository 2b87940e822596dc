/** Whether a pattern describes `text`: `*` stands for any characters but a slash. Never backtracks. */
export function matchesPattern(pattern: string, text: string): boolean {
  const [patterns, texts] = [pattern.split('/'), text.split('/')];
  if (patterns.length !== texts.length) return false;
  return patterns.every((one, index) => matchesPart(one, texts[index] ?? ''));
}

function matchesPart(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
