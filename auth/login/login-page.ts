export interface LoginPage {
  title: string;
  /** Plain text; `code` between backticks. */
  paragraphs: readonly string[];
  /** Where to go after the login; already checked. */
  next: string;
}

const style =
  'body{font:16px/1.5 system-ui,sans-serif;color-scheme:light dark;max-width:36rem;margin:12vh auto;padding:0 1rem}' +
  'h1{font-size:1.4rem}code{font:0.95em ui-monospace,monospace}label,input{display:block}' +
  'input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.25rem 0 .75rem}button{font:inherit;padding:.5rem 1rem}';

/** The pages of `/login` have no script and nothing from elsewhere, so the policy can forbid both. */
export const loginPageHeaders: Record<string, string> = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
  'Content-Type': 'text/html; charset=utf-8',
};

/** A page in words, with a field to paste a link into. */
export function renderLoginPage(page: LoginPage): string {
  const paragraphs = page.paragraphs.map((text) => `<p>${withCode(escapeHtml(text))}</p>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)} · Towline</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(page.title)}</h1>
${paragraphs}
<form action="/login" method="get">
<label for="ticket">Login link</label>
<input id="ticket" name="ticket" required autocomplete="off" spellcheck="false">
<input type="hidden" name="next" value="${escapeHtml(page.next)}">
<button>Log in</button>
</form>
</main>
</body>
</html>
`;
}

function withCode(escaped: string): string {
  return escaped.replace(/`([^`]+)`/g, '<code>$1</code>');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
