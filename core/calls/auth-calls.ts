import { z } from 'zod';
import type { Identity, Workload } from '../access.ts';
import type { Accounts, ApiToken, Owner, WorkloadBinding } from '../auth.ts';
import type { Person } from '../source-event.ts';
import { type Call, type CallContract, fields, maybeText, text, textOrNull, time } from './call.ts';
import { PersonFields } from './records.ts';

/** A request of a person's browser waits for it. */
const timeoutMs = 15_000;
const role = z.enum(['member', 'operator']);

const IdentityFields = fields<Identity>({
  ownerId: text.min(1),
  owner: text,
  name: text,
  email: text,
  role,
  via: z.enum(['session', 'token']),
});

const OwnerFields = fields<Owner>({ id: text.min(1), slug: text, role, name: text, email: text });

const TokenFields = fields<ApiToken>({
  id: text,
  ownerId: text,
  name: text,
  createdAt: time,
  expiresAt: time.nullable(),
});

const WorkloadFields = fields<Workload>({
  via: z.literal('workload'),
  ownerIds: z.array(text),
  scm: z.enum(['github', 'gitlab']),
  issuer: text,
  subject: text,
  repository: fields<Workload['repository']>({
    id: text,
    name: text,
    path: text,
    url: text,
    private: z.boolean(),
  }),
  ref: text,
  commit: textOrNull,
  run: fields<NonNullable<Workload['run']>>({ of: text, number: z.number() }).nullable(),
  actor: PersonFields,
});

const conditions = {
  ownerId: text,
  issuer: text,
  repositoryId: text,
  repository: text,
  ref: textOrNull,
  environment: textOrNull,
  workflow: textOrNull,
};
const BindingFields = fields<WorkloadBinding>({ id: text, ...conditions, createdAt: time });

type NewOwner = Parameters<Accounts['createOwner']>[0];
type NewBinding = Omit<WorkloadBinding, 'id' | 'createdAt'> & { by?: Person | undefined };
type NewToken = Parameters<Accounts['createToken']>[0];

function read<Input extends z.ZodType, Output extends z.ZodType>(input: Input, output: Output) {
  return { input, output, repeatable: true, timeoutMs } satisfies Call;
}

/** A second time would make another one, or find it taken or gone. */
function change<Input extends z.ZodType, Output extends z.ZodType>(input: Input, output: Output) {
  return { input, output, repeatable: false, timeoutMs } satisfies Call;
}

const Nothing = z.object({});
const ByOwner = fields<{ ownerId: string }>({ ownerId: text });
const by = PersonFields.optional();
const OneOfOwner = fields<{ ownerId: string; id: string; by?: Person | undefined }>({
  ...{ ownerId: text, id: text, by },
});

/** `Authenticator`, `Accounts`, `Workloads` and login tickets between processes. */
export const authContract = {
  name: 'auth',
  calls: {
    fromCookies: read(
      fields<{ header?: string | undefined }>({ header: maybeText }),
      IdentityFields.optional(),
    ),
    fromToken: read(fields<{ token?: string | undefined }>({ token: maybeText }), IdentityFields.optional()),
    owners: read(Nothing, z.array(OwnerFields)),
    ownerBySlug: read(fields<{ slug: string }>({ slug: text }), OwnerFields.optional()),
    ownerById: read(fields<{ id: string }>({ id: text }), OwnerFields.optional()),
    createOwner: change(
      fields<NewOwner>({ id: maybeText, slug: text, role, name: text, email: text, by }),
      OwnerFields,
    ),
    createToken: change(
      fields<NewToken>({ ownerId: text, name: text, ttlMs: z.number().nullable(), by }),
      fields<{ token: string; record: ApiToken }>({ token: text, record: TokenFields }),
    ),
    tokens: read(ByOwner, z.array(TokenFields)),
    revokeToken: change(OneOfOwner, z.boolean()),
    fromWorkloadToken: read(fields<{ token: string }>({ token: text }), WorkloadFields.optional()),
    issuers: read(
      Nothing,
      z.array(
        fields<{ issuer: string; scm: 'github' | 'gitlab' }>({
          issuer: text,
          scm: z.enum(['github', 'gitlab']),
        }),
      ),
    ),
    bindings: read(ByOwner, z.array(BindingFields)),
    addBinding: change(fields<NewBinding>({ ...conditions, by }), BindingFields),
    removeBinding: change(OneOfOwner, z.boolean()),
    // A ticket that nobody gets ends by itself.
    createLoginTicket: read(
      fields<{ ownerId: string; by?: Person | undefined }>({ ownerId: text, by }),
      fields<{ ticket: string; expiresAt: number }>({ ticket: text, expiresAt: time }),
    ),
  },
} satisfies CallContract;
