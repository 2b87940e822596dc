const maxLine = 2_000;
const esc = '\\u001b';
const sgr = `${esc}\\[[0-9;:]{0,40}m`;
/** Colour codes (kept), other escape sequences, and characters that steer a terminal or reorder text (removed). */
const steering = new RegExp(
  [
    `(${sgr})`,
    '\\u001b\\[[0-?]*[ -/]*[@-~]?',
    '\\u001b[\\]PX^_][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)?',
    '\\u001b[ -/]*[0-~]?',
    '[\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]',
  ].join('|'),
  'g',
);
const colour = new RegExp(sgr);
const unfinishedColour = new RegExp(`${esc}\\[?[0-9;:]*$`);

/** Untrusted text as one line that is safe to print: colours stay (and are closed), nothing else that a terminal obeys. */
export function terminalLine(text: string): string {
  const line = text.replace(steering, (_match, kept: string | undefined) => kept ?? '');
  const cut = line.length > maxLine ? `${line.slice(0, maxLine).replace(unfinishedColour, '')} …` : line;
  return colour.test(cut) ? `${cut}\u001b[0m` : cut;
}
