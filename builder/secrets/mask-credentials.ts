/** What a masked text is replaced with. */
export const mask = '***';

const rules: readonly { pattern: RegExp; replacement: string }[] = [
  // The authority of a URL: everything before its last `@`.
  { pattern: /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#"'<>]{1,4096}@/gi, replacement: `$1${mask}@` },
  {
    pattern:
      /\b(authorization["']?\s{0,5}[:=]\s{0,5}["']?(?:basic|bearer|token|digest)\s{1,5})[^\s"']{1,8192}/gi,
    replacement: `$1${mask}`,
  },
  // Tokens that say what they are: GitHub, GitLab, npm, AWS, Slack, PyPI, Towline, and JSON Web Tokens.
  { pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})/g, replacement: mask },
  { pattern: /\bgl[a-z]{2,6}-[A-Za-z0-9_-]{16,255}/g, replacement: mask },
  { pattern: /\b(?:npm_[A-Za-z0-9]{20,255}|pypi-[A-Za-z0-9_-]{50,2048})/g, replacement: mask },
  { pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, replacement: mask },
  { pattern: /\bxox[abeprs]-[A-Za-z0-9-]{10,255}/g, replacement: mask },
  { pattern: /\btowline_pat_[A-Za-z0-9_-]{8,255}/g, replacement: mask },
  { pattern: /\beyJ[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{8,4096}/g, replacement: mask },
];
/** Each rule's text has one of these; most lines have none. */
const suspicious = /:\/\/|uthorization|AUTHORIZATION|_|-|AKIA|ASIA|eyJ/;

/** The text without the passwords of URLs, authorization headers and tokens of well-known forms. Its cost is linear. */
export function maskCredentials(text: string): string {
  if (!suspicious.test(text)) return text;
  return rules.reduce((masked, { pattern, replacement }) => masked.replace(pattern, replacement), text);
}
