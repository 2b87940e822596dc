import { useState } from 'preact/hooks';
import { shortSha } from '../format/commit.ts';
import { announce } from './announcer.tsx';
import { Icon } from './icon.tsx';

const shownMs = 1500;

/** `label` says what is copied: "Copy the URL of hello". */
export function CopyButton({ text, label, words }: { text: string; label: string; words?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      announce('The browser did not allow copying');
      return;
    }
    announce('Copied');
    setCopied(true);
    setTimeout(() => setCopied(false), shownMs);
  };
  return (
    <button
      type="button"
      class={words ? 'button small' : 'icon-button'}
      aria-label={words ? undefined : label}
      title={label}
      onClick={copy}
    >
      <Icon name={copied ? 'check' : 'copy'} class={copied ? 'tone-ok' : ''} />
      {words && (copied ? 'Copied' : words)}
    </button>
  );
}

/** Seven characters, the whole id on copy and in the tooltip. */
export function Sha({ sha, of }: { sha: string; of: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(sha).then(
      () => {
        announce('Copied');
        setCopied(true);
        setTimeout(() => setCopied(false), shownMs);
      },
      () => announce('The browser did not allow copying'),
    );
  };
  return (
    <button
      type="button"
      class="sha"
      title={`${sha} (click to copy)`}
      aria-label={`${shortSha(sha)}, copy the id of the ${of}`}
      onClick={copy}
    >
      {copied ? 'copied' : shortSha(sha)}
    </button>
  );
}

/** Commands or files to take over, whole. */
export function CodeBlock({ text, label }: { text: string; label: string }) {
  return (
    <div class="code-block">
      <pre>{text}</pre>
      <CopyButton text={text} label={`Copy ${label}`} />
    </div>
  );
}
