import type { KeyStore, SigningKey } from './key-store.ts';

/** How long keys are held before the store is asked again: a retired key is refused after that. */
const refreshMs = 30_000;

export interface KeyRing {
  current(): Promise<SigningKey>;
  find(kid: string): Promise<SigningKey | undefined>;
  all(): Promise<SigningKey[]>;
}

/** Keys in memory. Asks the store at most once per `refreshMs`, however many unknown key ids come in. */
export function createKeyRing(store: KeyStore, clock: () => number): KeyRing {
  let keys: SigningKey[] = [];
  let loadedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    loadedAt = clock();
    try {
      keys = await store.keys();
    } catch (error) {
      // The last good keys go on working while the store is away.
      if (keys.length === 0) {
        loadedAt = Number.NEGATIVE_INFINITY;
        throw error;
      }
    }
  }

  async function all(): Promise<SigningKey[]> {
    const age = clock() - loadedAt;
    if (age >= refreshMs || age < 0) {
      loading ??= load().finally(() => {
        loading = undefined;
      });
    }
    if (loading) await loading;
    return keys;
  }

  return {
    all,
    async current() {
      const [first] = await all();
      if (!first) throw new Error('the key store gave no key');
      return first;
    },
    async find(kid) {
      return (await all()).find((key) => key.kid === kid);
    },
  };
}
