import type { Identity, Workload } from '../../../core/access.ts';
import type { Owner } from '../../../core/auth.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { AnnouncedImage, ImageAnnouncement } from '../../../core/images.ts';
import { whyNotFunction } from '../../../core/names.ts';
import { personOf } from '../request/requester.ts';

type Facts = Pick<AnnouncedImage, 'scm' | 'repository' | 'commit' | 'ref' | 'run' | 'actor'>;

/** What the token says counts; a body that says otherwise is a mistake in the CI's script. */
function agreed<T extends string>(what: string, said: T | undefined, proved: T): T {
  if (said === undefined || said === proved) return proved;
  throw new TowlineError('bad_request', `the token is for the ${what} ${proved}, and the body says ${said}`, {
    hint: `leave "${what}" out: the token has it`,
  });
}

function required<T>(what: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new TowlineError('bad_request', `the body: ${what}: is needed with this token`);
}

function ofWorkload(workload: Workload, body: ImageAnnouncement): Facts {
  const { scm, repository, ref, run, actor } = workload;
  const { id, name, url, private: isPrivate } = repository;
  agreed('repository', body.repository, name);
  return {
    ...{ scm, run, actor },
    repository: { id, name, url, private: isPrivate },
    ref: agreed('ref', body.ref, ref),
    commit:
      workload.commit === null
        ? required('commit', body.commit)
        : agreed('commit', body.commit, workload.commit),
  };
}

function ofIdentity(identity: Identity, owner: Owner, body: ImageAnnouncement): Facts {
  const name = required('repository', body.repository);
  return {
    scm: 'git',
    repository: { id: `announced:${owner.id}:${name}`, name, url: '', private: true },
    commit: required('commit', body.commit),
    ref: required('ref', body.ref),
    run: body.run === undefined ? null : { of: `token ${owner.id} ${name}`, number: body.run },
    actor: personOf(identity),
  };
}

/** The announcement as its sender may make it. Throws `bad_request`, `name_invalid`. */
export function announcedImage(
  who: Identity | Workload,
  owner: Owner,
  body: ImageAnnouncement,
): AnnouncedImage {
  const whyNot = whyNotFunction(owner.slug, body.function);
  if (whyNot !== undefined) throw new TowlineError('name_invalid', whyNot);
  const facts = who.via === 'workload' ? ofWorkload(who, body) : ofIdentity(who, owner, body);
  const { image, subject, before = null, configuration = null } = body;
  return {
    owner: owner.slug,
    ownerId: owner.id,
    functionName: body.function,
    image,
    subject,
    before,
    configuration,
    ...facts,
  };
}
