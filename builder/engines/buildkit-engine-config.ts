export interface BuildkitEngineConfig {
  /** The program, by its path or its name on the PATH. */
  buildctl: string;
  path: string;
  /** `unix:///run/buildkit/buildkitd.sock` or `tcp://buildkitd:1234`. */
  address: string;
  /** Files in PEM, for a daemon that asks its clients for a certificate. */
  tls?: { ca: string; cert: string; key: string; serverName?: string | undefined } | undefined;
  /** What images are named after: a host, perhaps with folders. */
  registry: string;
  /** The registry speaks plain HTTP. For loopback only: images and credentials go in clear. */
  isInsecure: boolean;
  /** Folders of the registry that every owner's builds may use images of, as `base`; `/base`: of its host. */
  sharedFolders?: readonly string[] | undefined;
  /** A folder with Docker's `config.json`, for pushing; without one, the registry asks for nothing. */
  dockerConfigDir?: string | undefined;
  /** Build arguments of all builds, as of the templates' base images; a function's own go over them. */
  buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Where layers of earlier builds are taken from, besides the daemon's own store. */
  cache: 'none' | 'inline' | 'registry';
  /** The network of RUN steps; not given: as the daemon is set up. */
  network?: 'none' | 'host' | 'sandbox' | undefined;
  /** `sbom`: the scanner's image, or `''` for BuildKit's own choice. */
  attestations?: { sbom?: string | undefined; provenance?: 'min' | 'max' | undefined } | undefined;
  /** A lasting secret of the installation, by which the owners' layers are kept apart. */
  cacheKey: string;
  /** For what one build's `buildctl` reads and writes; emptied at the start. */
  workDir: string;
}
