import { useEffect, useState } from 'preact/hooks';
import type { CreatedToken } from '../../../../core/api.ts';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import { CodeBlock, CopyButton } from '../components/copy.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon } from '../components/icon.tsx';
import { sendJson } from '../data/api-client.ts';
import { loadPushes, me, pushesByOwner } from '../data/store.ts';
import { existingRepository, fromScratch, withCli } from './onboarding.ts';
import { PushRow } from './push-row.tsx';

const tokenDays = 90;

function TokenMaker({ owner }: { owner: string }) {
  const [created, setCreated] = useState<CreatedToken | null>(null);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    try {
      const body = { name: 'git push', ttlDays: tokenDays };
      setCreated(await sendJson<CreatedToken>('POST', apiPaths.tokens(owner), body));
      setError(undefined);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  if (created) {
    return (
      <div class="token" role="status">
        <p>
          <strong>Your token.</strong> It is shown this once; paste it when git asks for a password.
        </p>
        <p class="token-line">
          <code>{created.token}</code>
          <CopyButton text={created.token} label="Copy the token" words="Copy" />
        </p>
      </div>
    );
  }
  return (
    <div>
      <p>
        git asks for a user name (<code>{owner}</code>) and a password: a token, valid for {tokenDays} days.
      </p>
      <button type="button" class="button" disabled={busy} onClick={create}>
        Create a token
      </button>
      {error !== undefined && <ErrorNotice error={error} what="No token was created." />}
    </div>
  );
}

/** The owner's pushes as they come in: the page shows that something happened before there is a function. */
function Listener({ owner }: { owner: string }) {
  useEffect(() => {
    const abort = new AbortController();
    loadPushes(owner, abort.signal).catch(() => undefined);
    return () => abort.abort();
  }, [owner]);
  const pushes = pushesByOwner.value.get(owner)?.slice(0, 3) ?? [];
  if (pushes.length === 0) {
    return (
      <p class="listening status tone-busy">
        <Icon name="busy" class="spin" />
        Waiting for the first push of {owner}. This page changes by itself.
      </p>
    );
  }
  return (
    <section class="latest-pushes">
      <h2>Latest pushes</h2>
      <ul class="panel rows">
        {pushes.map((push) => (
          <PushRow key={push.id} push={push} />
        ))}
      </ul>
      <p class="muted small">
        <a href={pagePaths.pushes(owner)}>All pushes</a>
      </p>
    </section>
  );
}

/** Three ways to the first function, each to copy. */
export function FirstFunction({ owner }: { owner: string }) {
  const remote = { gitBaseUrl: me.value?.gitBaseUrl ?? '', owner, repo: 'my-app' };
  return (
    <div class="first">
      <p class="lead">
        Push a repository with a <code>stack.yml</code>. Towline builds it, commits its manifest to the GitOps
        repository and serves it at a URL of its own.
      </p>
      <div class="ways">
        <section class="way">
          <h2>Start from nothing</h2>
          <p>A Node function in two files, pushed in one paste.</p>
          <CodeBlock text={fromScratch(remote)} label="the commands for a new function" />
        </section>
        <div class="ways-more">
          <section class="way">
            <h2>Push a repository you have</h2>
            <p>
              It needs a <code>stack.yml</code> at its root. The first push makes the remote repository.
            </p>
            <CodeBlock text={existingRepository(remote)} label="the commands for a repository you have" />
          </section>
          <section class="way">
            <h2>Use the command line tool</h2>
            <p>It writes the files and sets the remote.</p>
            <CodeBlock text={withCli()} label="the commands for the command line tool" />
          </section>
          <section class="way">
            <h2>Log git in</h2>
            <TokenMaker owner={owner} />
          </section>
        </div>
      </div>
      <Listener owner={owner} />
    </div>
  );
}
