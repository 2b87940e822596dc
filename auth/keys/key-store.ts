import type { CryptoKey, JWK } from 'jose';

/** One key pair that signs sessions; ES256. */
export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  /** Without the private part: what `/.well-known/jwks.json` shows. */
  publicJwk: JWK;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** Where signing keys are kept. Adapters: a folder; a Secret of the cluster. */
export interface KeyStore {
  /** Newest first: the first signs, all verify. Makes the first key if there is none. */
  keys(): Promise<SigningKey[]>;
  /** Adds a key that signs from now on; the older ones go on verifying. */
  rotate(): Promise<SigningKey>;
  /** Ends a key: what it signed is refused. An unknown `kid` is fine. */
  retire(kid: string): Promise<void>;
}
